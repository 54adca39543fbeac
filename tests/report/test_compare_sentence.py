"""The one sentence of a comparison: what it names, with its size, in which words, and whether to believe it."""

import re
from dataclasses import replace

import pytest
from compared_runs import engine_run, load_run

from touchstone.finding import Trust
from touchstone.judge.compare import compare, compare_same
from touchstone.judge.compare.margin import Margin, usual
from touchstone.judge.compare.measured import measured_of
from touchstone.message import say
from touchstone.report.compare_sentence import answer, inside
from touchstone.report.compare_words import metric_word


def compared(old, new, margin=None):
    return compare([measured_of(old)], [measured_of(new)], margin or usual())


def later(run, ms):
    """The same load with a first token that comes later, and everything after it too."""
    moved = {name: getattr(run.requests, name) + round(ms * 1e6) for name in ("first_event_ns", "first_token_ns", "first_output_ns", "last_token_ns", "ended_ns")}
    return replace(run, requests=replace(run.requests, **moved))


def test_what_changed_more_than_the_headline_is_named_with_its_size():
    worse, better = (compared(*pair) for pair in ((load_run(seed=1), later(load_run(1.03, seed=2), 10)), (later(load_run(1.03, seed=1), 10), load_run(seed=2))))
    assert re.fullmatch(r"B is 1\.\d+× ± 0\.\d+ slower \(throughput -\d\.\d %\); TTFT 2\d\.\d % worse in c8; E2E latency \d\.\d+ % worse in c8; but B is rejected.*", str(answer(worse)))
    assert re.fullmatch(r"B is 1\.\d+× ± 0\.\d+ faster \(throughput \+\d\.\d %\); TTFT 1\d\.\d % better in c8; E2E latency \d\.\d+ % better in c8; but A is rejected.*", str(answer(better)))


def test_what_changed_is_named_where_the_headline_did_not():
    found = compared(load_run(seed=1, noise=0.001), later(load_run(seed=2, noise=0.001), 10), Margin(0.1, say("as asked")))
    assert str(answer(found)).startswith("no difference beyond 10 % in throughput (")
    assert re.search(r"; TTFT (P99 )?(19|20)(\.\d)? % worse in c8; but B is rejected", str(answer(found)))
    assert found.regressed


def test_if_everything_is_equivalent_the_sentence_says_everything():
    found = compared(engine_run(seed=1, noise=0.001), engine_run(seed=2, noise=0.001))
    assert re.fullmatch(r"no difference beyond 2 % in anything measured \(throughput [-+]0\.\d\d to \+0\.\d\d %\)", str(answer(found)))


def test_a_rejected_side_is_in_the_sentence():
    found = compared(engine_run(seed=1), engine_run(1 / 1.18, seed=2))
    rejected = replace(found, new=replace(found.new, trust=Trust.REJECTED))
    assert "rejected" not in str(answer(found))
    assert str(answer(rejected)).endswith("; but B is rejected by its own audit, so believe none of this")


def test_a_host_that_is_too_noisy_is_told_so():
    found = compare_same([measured_of(engine_run(seed=1, noise=0.4))], [measured_of(engine_run(seed=2, noise=0.4))])
    assert found.floor.margin > 0.25
    assert "so no smaller change would be seen here" in str(answer(found))


@pytest.mark.parametrize(("metric", "word"), [
    ("output_throughput", "throughput"), ("peak_memory", "peak memory"), ("e2e", "E2E latency"), ("ttft.p99", "TTFT P99"), ("decode_speed.p50", "decode speed P50")])
def test_a_metric_inside_a_sentence_begins_with_a_small_letter_unless_it_is_an_abbreviation(metric, word):
    assert str(inside(metric)) == word
    assert str(metric_word(metric)).lower() == word.lower()
