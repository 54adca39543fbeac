"""Goodput and service levels: every issued request counts, failed ones as misses."""

import pytest
from builders import MS, S, make_load_run, make_requests, make_stream
from scipy.stats import beta

from touchstone.judge.findings import findings_of
from touchstone.served import Ending


def level(metric="ttft", limit_s=0.1, quantile=0.9):
    return {"metric": metric, "limit_s": limit_s, "quantile": quantile}


def only(requests, slos, events=None):
    (finding,) = findings_of(make_load_run(requests, events, plan={"slos": slos})).cases
    return finding


def slow(count, misses, ending=Ending.OK):
    """``count`` requests of which the first ``misses`` had a slow first token and ended so."""
    return make_requests(count, first_token_ns=[S * place + (150 if place < misses else 50) * MS for place in range(count)],
                         ending=[ending if place < misses else Ending.OK for place in range(count)])


def test_the_share_of_goodput_is_exact_and_of_all_issued_requests():
    found = only(slow(200, 20), [level(quantile=None)]).metrics["goodput"].share
    assert (found.value, found.n) == (0.9, 200)
    assert found.low == pytest.approx(beta.ppf(0.025, 180, 21))
    assert found.high == pytest.approx(beta.ppf(0.975, 181, 20))


@pytest.mark.parametrize("ending", [Ending.REFUSED, Ending.TIMEOUT, Ending.EMPTY])
def test_a_request_that_failed_is_a_miss_however_fast_it_was(ending):
    requests = make_requests(200, ending=[ending if place < 20 else Ending.OK for place in range(200)])
    found = only(requests, [level(quantile=None)])
    assert found.metrics["goodput"].share.value == 0.9
    assert only(requests, [level()]).slos[0].share == 0.9


def test_a_request_that_we_stopped_ourselves_is_neither():
    found = only(slow(200, 20, Ending.STOPPED), [level(quantile=None)]).metrics["goodput"].share
    assert (found.value, found.n) == (1.0, 180)


def test_goodput_asks_for_every_limit_at_once():
    requests = make_requests(100, first_token_ns=[S * place + (150 if place % 2 else 50) * MS for place in range(100)],
                             last_token_ns=[S * place + (900 if place % 5 else 200) * MS for place in range(100)])
    both = [level(quantile=None), level("e2e", 0.5, None)]
    assert only(requests, both).metrics["goodput"].share.value == pytest.approx(0.1)


def test_limits_of_requests_come_before_those_of_quantiles():
    requests = slow(100, 20)
    assert only(requests, [level(limit_s=0.2), level(limit_s=0.1, quantile=None)]).metrics["goodput"].share.value == 0.8
    assert only(requests, [level(limit_s=0.1)]).metrics["goodput"].share.value == 0.8


def test_an_answer_of_one_token_keeps_a_limit_on_time_per_token():
    requests = make_requests(100, output_tokens=[1] * 100, token_events=[1] * 100, last_token_ns=[S * place + 50 * MS for place in range(100)])
    assert only(requests, [level("tpot", 0.001, None)]).metrics["goodput"].share.value == 1.0


def test_one_token_and_then_a_failure_keeps_no_limit():
    requests = make_requests(100, ending=[Ending.TRUNCATED] * 50 + [Ending.OK] * 50, last_token_ns=[S * place + 50 * MS for place in range(100)])
    assert only(requests, [level("tpot", 0.001, None)]).metrics["goodput"].share.value == 0.5
    assert only(requests, [level("itl", 0.001, None)], []).metrics["goodput"].share.value == 0.5


def test_without_a_count_of_tokens_nothing_is_said_of_time_per_token():
    requests = make_requests(400, output_tokens=[None] * 400)
    found = only(requests, [level("tpot", 0.05, 0.9)])
    assert found.metrics["goodput"].value is None
    assert (found.slos[0].outcome, found.slos[0].share) == ("undecided", None)


@pytest.mark.parametrize(("misses", "outcome"), [(0, "passes"), (28, "passes"), (40, "undecided"), (55, "fails")])
def test_a_level_is_decided_by_counting(misses, outcome):
    (found,) = only(slow(400, misses), [level()]).slos
    assert (found.outcome, found.level, found.issued) == (outcome, "ttft p90<=100ms", 400)
    assert found.low <= found.share <= found.high
    assert (found.more is not None) == (outcome == "undecided")


def test_gaps_have_a_level_of_their_own():
    told = [(50 + 10 * place + (500 if place >= 200 else 0), "CONTENT", 1) for place in range(401)]
    requests, events = make_stream(told)
    (found,) = only(requests, [level("itl", 0.05, 0.9)], events).slos
    assert (found.issued, found.share, found.outcome) == (400, 399 / 400, "passes")
    assert only(requests, [level("itl", 0.05, None)], events).metrics["goodput"].share.value == 0.0
