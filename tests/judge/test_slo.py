"""Levels as people type them, and what counts say about them: exact, against direct sums of the binomial distribution."""

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import UsageError
from touchstone.judge.slo import METRICS, Outcome, attained, parse_goodput, parse_slo, slo_text
from touchstone.load_plan import Slo


def level(metric, limit_s, quantile=None):
    return Slo(metric=metric, limit_s=limit_s, quantile=quantile)


@pytest.mark.parametrize(("text", "expected"), [
    ("ttft p99<=500ms", level("ttft", 0.5, 0.99)),
    ("ttft p99 <= 500 ms", level("ttft", 0.5, 0.99)),
    ("  TTFT P99<500MS ", level("ttft", 0.5, 0.99)),
    ("tpot p95≤50ms", level("tpot", 0.05, 0.95)),
    ("e2el p99.9<=2.5s", level("e2e", 2.5, 0.999)),
    ("itl p50 < 800us", level("itl", 0.0008, 0.5)),
    ("itl p50 < 800µs", level("itl", 0.0008, 0.5)),
    ("response_ttft p90<=.5s", level("response_ttft", 0.5, 0.9)),
])
def test_a_level_is_read_however_it_is_spaced(text, expected):
    assert parse_slo(text) == expected


@pytest.mark.parametrize("text", [
    "", "ttft", "ttft<=500ms", "ttft p99", "ttft p99<=500", "ttft p99>=500ms", "ttft p99<=-5ms", "ttft p99<=500ms tpot p99<=5ms",
    "ttft p99<=500m", "ttft p100<=500ms", "ttft p0<=500ms", "ttft p99<=0ms", "ttft max<=5s", "ttft p9\u0669<=500ms", "ttft p99<=1e3ms",
    "ttft p99<=" + "9" * 400 + "s", "tftt p99<=500ms", "x" * 100_000,
])
def test_what_is_no_level_is_refused_with_a_cure(text):
    with pytest.raises(UsageError) as caught:
        parse_slo(text)
    assert caught.value.cure


@pytest.mark.parametrize("text", ["ttft mean<=500ms", "mean ttft < 500ms", "ttft avg<=1s"])
def test_a_mean_is_refused_with_the_reason_and_an_example(text):
    with pytest.raises(UsageError, match=r"cannot be a mean.*ttft p99<=500ms"):
        parse_slo(text)


def test_a_misspelt_metric_gets_the_nearest_one():
    with pytest.raises(UsageError, match="Did you mean ttft"):
        parse_slo("tftt p99<=500ms")


@pytest.mark.parametrize("texts", [["ttft:500 tpot:50 e2el:3000"], ["ttft:500", "tpot:50", "e2e:3000"], ["ttft:500,tpot:50,e2el:3000"]])
def test_goodput_is_read_as_vllm_writes_it(texts):
    assert parse_goodput(texts) == (level("ttft", 0.5), level("tpot", 0.05), level("e2e", 3.0))


@pytest.mark.parametrize("text", ["ttft", "ttft:", "ttft:x", "ttft:0", "ttft:-1", "ttft:500ms", "ttft:5:5", "nope:5", "itl:5",
                                  "ttft:5 ttft:6", "e2e:5 e2el:6"])
def test_what_is_no_goodput_is_refused_with_a_cure(text):
    with pytest.raises(UsageError) as caught:
        parse_goodput([text])
    assert caught.value.cure


def test_no_goodput_is_no_level():
    assert parse_goodput([]) == parse_goodput([""]) == ()


@given(st.sampled_from(METRICS), st.integers(1, 10**7), st.integers(1, 9999))
def test_a_level_is_written_as_it_is_read(metric, limit_us, per_ten_thousand):
    slo = level(metric, float(f"{limit_us / 1e6:.12g}"), per_ten_thousand / 10_000)
    assert parse_slo(slo_text(slo)) == slo
    assert slo_text(level("ttft", 0.5)) == "ttft<=500ms"


# ── the counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def at_most(misses, issued, rate):
    """P(at most ``misses``) summed term by term."""
    terms = (math.comb(issued, k) * rate**k * (1 - rate) ** (issued - k) for k in range(misses + 1))
    return list(accumulate(terms))[-1] if misses >= 0 else 0.0


@given(st.integers(0, 400), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_outcome_is_the_exact_binomial_test_and_agrees_with_its_bounds(issued, data, quantile, confidence):
    misses = data.draw(st.integers(0, issued))
    result = attained(issued - misses, issued, quantile, confidence)
    few, many = at_most(misses, issued, 1 - quantile), 1 - at_most(misses - 1, issued, 1 - quantile)
    if min(abs(few - (1 - confidence)), abs(many - (1 - confidence))) < 1e-9:
        return
    expected = Outcome.PASSES if few <= 1 - confidence else Outcome.FAILS if many <= 1 - confidence else Outcome.UNDECIDED
    assert result.outcome is expected
    assert (result.low >= quantile) == (expected is Outcome.PASSES)
    assert (result.high <= quantile) == (expected is Outcome.FAILS)
    assert 0 <= result.low <= (issued - misses) / max(issued, 1) <= result.high <= 1 or issued == 0
    assert (result.more is None) == (expected is not Outcome.UNDECIDED)


@given(st.integers(0, 400), st.data(), st.sampled_from([0.5, 0.9, 0.99]))
def test_more_requests_are_just_enough(issued, data, quantile):
    misses = data.draw(st.integers(0, min(issued, 20)))
    result = attained(issued - misses, issued, quantile)
    if result.more is not None:
        enough = issued + result.more
        assert attained(enough - misses, enough, quantile).outcome is Outcome.PASSES
        assert attained(enough - 1 - misses, enough - 1, quantile).outcome is not Outcome.PASSES


def test_no_requests_say_nothing():
    nothing = attained(0, 0, 0.99)
    assert (nothing.outcome, nothing.share, nothing.low, nothing.high, nothing.more) == (Outcome.UNDECIDED, None, 0, 1, 299)
    with pytest.raises(ValueError, match="5 of 4"):
        attained(5, 4, 0.9)
