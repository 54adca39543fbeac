"""From columns to estimates: hand-computed numbers, the right unit of replication, and a reason for what is missing."""

import math

import numpy as np
import pytest
from builders import MS, S, make_events, make_load, make_load_run, make_requests, make_stream, steady_requests
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from touchstone.judge.findings import findings_of
from touchstone.judge.load.estimates import BATCH_MEANS, BETWEEN_REPEATS, SLICE_MEANS
from touchstone.judge.load.summarize import REPORTED
from touchstone.served import Ending, EventKind

GOALS = {"slos": [{"metric": "ttft", "limit_s": 0.06}, {"metric": "tpot", "limit_s": 0.02}]}


def only(requests, events=None, **header):
    """The finding of a run with one case."""
    (finding,) = findings_of(make_load_run(requests, events, **header)).cases
    return finding


def repeated(*repeats):
    """Requests of several points, one after the other."""
    columns = {}
    for index, requests in enumerate(repeats):
        requests.point[:] = index
        for name, column in vars(requests).items():
            columns.setdefault(name, []).append(column)
    return type(repeats[0])(**{name: np.ma.concatenate(parts) for name, parts in columns.items()})


def test_every_metric_of_a_steady_load_is_what_its_stamps_say():
    found = only(steady_requests(400))
    means = {"ttft": 0.05, "ttfo": 0.05, "ttfe": 0.05, "tpot": 0.01, "itl": 0.01, "e2e": 0.2, "stream_end": 0.201, "response_ttft": 0.05,
             "response_e2e": 0.2}
    assert tuple(found.metrics) == REPORTED
    for name, value in means.items():
        assert found.metrics[name].value == pytest.approx(value)
        assert found.metrics[name].quantiles == {key: pytest.approx(value) for key in ("p50", "p90", "p95", "p99", "max")}
    assert {name: found.metrics[name].n for name in ("ttft", "tpot", "itl")} == {"ttft": 400, "tpot": 400, "itl": 400 * 15}
    assert found.metrics["decode_speed"].value == pytest.approx(100)


def test_rates_are_counts_inside_the_window_over_its_length():
    requests = steady_requests(400)
    found = only(requests, plan=GOALS)
    start, end = (7 * 25 + 201) * MS, int(requests.sent_ns.max())
    at_ns, ended, first = make_events(requests).at_ns, requests.ended_ns, requests.first_token_ns
    seconds = (end - start) / S
    assert found.window_s == pytest.approx(seconds)
    tokens = int(((at_ns > start) & (at_ns <= end)).sum())
    prompts = 8 * int(((first > start) & (first <= end)).sum())
    completed = int(((ended > start) & (ended <= end)).sum())
    rates = {name: found.metrics[name].value for name in REPORTED[-5:]}
    assert rates == {"output_throughput": pytest.approx(tokens / seconds), "prompt_throughput": pytest.approx(prompts / seconds),
                     "total_throughput": pytest.approx((tokens + prompts) / seconds), "request_throughput": pytest.approx(completed / seconds),
                     "goodput": pytest.approx(completed / seconds)}


def test_the_window_s_rate_is_the_system_s_and_not_diluted_by_ramp_and_drain():
    found = only(steady_requests(80))
    assert found.metrics["output_throughput"].value == pytest.approx(8 * 16 / 0.202, rel=0.03)
    diluted = 80 * 16 / ((9 * 202 + 175 + 201) / 1000)
    assert found.metrics["output_throughput"].value > 1.02 * diluted


def test_without_a_steady_window_ramp_and_drain_are_included_and_it_says_so():
    requests = make_requests(40, sent_ns=[0] * 40)
    found = only(requests, load=make_load(arrival="burst", concurrency=None))
    assert found.window_s == pytest.approx(0.201)
    assert found.metrics["output_throughput"].value == pytest.approx(40 * 16 / 0.201)
    assert "ramp and drain" in str(found.metrics["output_throughput"].reasons["window"])
    assert found.load["steady_window"] is False
    assert found.load["arrival"] == "burst"


def test_failures_are_counted_by_kind_and_are_in_no_latency():
    kinds = [Ending.OK, Ending.HTTP_ERROR, Ending.REFUSED, Ending.REFUSED, Ending.STREAM_ERROR, Ending.TIMEOUT, Ending.STOPPED]
    requests = make_requests(7, ending=kinds, last_token_ns=[200 * MS, *[9 * S + place for place in range(6)]])
    found = only(requests)
    assert dict(found.failed) == {"http_error": 1, "refused": 2, "stream_error": 1, "timeout": 1, "stopped": 1}
    assert (found.issued, found.ok) == (7, 1)
    assert {found.metrics[name].n for name in ("ttft", "tpot", "e2e", "stream_end")} == {1}
    assert found.metrics["e2e"].quantiles["max"] == pytest.approx(0.2)
    assert found.metrics["send_lag"].n == 7


def test_without_one_good_request_every_latency_is_missing_with_a_reason():
    found = only(make_requests(3, ending=[Ending.RESET] * 3))
    for name in ("ttft", "tpot", "itl", "e2e", "ttfo"):
        assert found.metrics[name].value is None
        assert str(found.metrics[name].reasons["value"]) == "no request ended well"
    assert found.metrics["request_throughput"].value == 0


def test_what_the_server_does_not_say_is_missing_with_a_reason():
    found = only(make_requests(5, output_tokens=[None] * 5, input_tokens=[None] * 5, first_output_ns=[None] * 5, scheduled_ns=[None] * 5))
    assert {name: str(found.metrics[name].reasons["value"]) for name in ("tpot", "ttfo", "send_lag", "prompt_throughput", "goodput")} == {
        "tpot": "the server counted no output tokens, and neither did we", "ttfo": "no answer had text that a user sees",
        "send_lag": "nobody wrote down when the requests were due", "prompt_throughput": "the server counted no prompt tokens",
        "goodput": "no service level was given, or none could be judged"}
    assert (found.input_tokens, found.output_tokens) == (None, None)
    assert found.metrics["ttft"].value == pytest.approx(0.05)


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def paced(count, factor=1.0):
    return make_requests(count, first_token_ns=[S * place + round(50 * MS * factor) for place in range(count)])


def test_with_several_repeats_the_interval_is_over_them():
    levels = (1.0, 1.1, 0.9)
    requests = repeated(*(paced(40, level) for level in levels))
    estimate = only(requests, plan={"repeats": 3}).metrics["ttft"]
    logs = np.log(levels)
    width = t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    assert (estimate.method, estimate.n) == (BETWEEN_REPEATS, 120)
    assert estimate.value == pytest.approx(0.05)
    assert (estimate.low, estimate.high) == (pytest.approx(0.05 * math.exp(-width)), pytest.approx(0.05 * math.exp(width)))


def test_in_one_repeat_the_interval_is_over_batches_of_neighbours():
    values = [50 * MS + (place // 10) * MS for place in range(100)]  # ten requests alike, then ten others
    estimate = only(make_requests(100, first_token_ns=[S * place + value for place, value in enumerate(values)])).metrics["ttft"]
    width = t.ppf(0.975, 9) * np.std(np.arange(10), ddof=1) / math.sqrt(10) / 1000
    assert estimate.method == BATCH_MEANS
    assert estimate.high - estimate.value == pytest.approx(width)


def test_batches_are_of_requests_in_order_of_sending_however_the_rows_are_mixed():
    values = [50 * MS + (place // 10) * MS for place in range(100)]
    mixed = sorted(range(100), key=lambda place: place * 37 % 100)
    ordered, shuffled = (only(make_requests(100, request=range(100), sent_ns=[S * place for place in places],
                                            first_token_ns=[S * place + values[place] for place in places])).metrics["ttft"]
                         for places in (range(100), mixed))
    assert (shuffled.low, shuffled.high) == (pytest.approx(ordered.low), pytest.approx(ordered.high))


def test_a_rate_in_one_repeat_has_an_interval_over_slices_of_its_window():
    estimate = only(steady_requests(400)).metrics["output_throughput"]
    assert estimate.method == SLICE_MEANS
    assert estimate.low < estimate.value < estimate.high


def test_batch_means_cover_the_truth_where_single_requests_do_not():
    """A series whose neighbours resemble each other (AR(1), 0.9): taken as independent its interval would be four times too narrow."""
    rng = np.random.default_rng(3)
    covered = naive = 0
    for _ in range(200):
        noise = rng.normal(0, 1, 2000)
        series = np.empty(2000)
        series[0] = noise[0]
        for place in range(1, 2000):
            series[place] = 0.9 * series[place - 1] + noise[place]
        first = [S * place + round((100 + 2 * value) * MS) for place, value in enumerate(series)]
        estimate = only(make_requests(2000, first_token_ns=first), []).metrics["ttft"]
        covered += estimate.low <= 0.1 <= estimate.high
        half = 1.96 * 0.002 * np.std(series) / math.sqrt(2000)
        naive += abs(estimate.value - 0.1) <= half
    assert covered >= 175
    assert naive <= 130


@pytest.mark.parametrize(("quantile", "needed"), [("p50", 5), ("p90", 29), ("p95", 59), ("p99", 299)])
def test_a_quantile_needs_its_number_of_requests(quantile, needed):
    few = only(make_requests(needed - 1)).metrics["e2e"]
    assert few.quantiles[quantile] is None
    assert f"have {needed - 1}, need {needed}" in str(few.reasons[quantile])
    assert only(make_requests(needed)).metrics["e2e"].quantiles[quantile] == pytest.approx(0.2)


def test_two_requests_have_no_interval_with_a_reason():
    estimate = only(make_requests(2)).metrics["ttft"]
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.reasons["low"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=400))
def test_quantiles_of_the_columns_are_numpy_s(values):
    requests = make_requests(len(values), first_token_ns=[S * place + value for place, value in enumerate(values)],
                             sent_ns=[S * place for place in range(len(values))])
    estimate = only(requests, []).metrics["ttft"]
    assert estimate.value == pytest.approx(np.mean(values) / S)
    assert estimate.quantiles["max"] == pytest.approx(max(values) / S)
    for key, probability in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        if estimate.quantiles[key] is not None:
            assert estimate.quantiles[key] == pytest.approx(np.quantile(values, probability) / S, abs=2e-9)


# ── what streams do ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stall_is_the_longest_gap_and_hardly_the_mean():
    told = [(50 + 10 * place + (500 if place >= 30 else 0), "CONTENT", 1) for place in range(61)]
    estimate = only(*make_stream(told)).metrics["itl"]
    assert estimate.quantiles["p50"] == pytest.approx(0.010)
    assert estimate.quantiles["max"] == pytest.approx(0.510)
    assert estimate.value == pytest.approx((60 * 0.010 + 0.5) / 60)


def test_tokens_per_event_and_coalesced_events_are_told():
    requests, events = make_stream([(100, "CONTENT", 10), (140, "CONTENT", 4), (140, "CONTENT", 4), (180, "CONTENT", 4)])
    found = only(requests, events)
    assert found.load["tokens_per_event"] == pytest.approx(22 / 4)
    assert found.load["coalesced_share"] == pytest.approx(1 / 4)
    assert found.metrics["tpot"].value == pytest.approx(0.08 / 12)
    assert found.metrics["itl"].n == 2


def test_reasoning_and_tool_calls_are_tokens_too():
    requests = steady_requests(100, first_output_ns=[None] * 100)
    reasoning = only(requests, make_events(requests, kind=EventKind.REASONING))
    assert reasoning.metrics["output_throughput"].value == only(steady_requests(100)).metrics["output_throughput"].value
    assert reasoning.metrics["itl"].n == 1500


def test_lengths_are_those_counted_and_those_asked_stand_beside_them():
    found = only(make_requests(4, input_tokens_asked=[8, 8, 10, 10], input_tokens=[9, 9, 11, 15], output_tokens=[16, 16, 16, 8]))
    assert (found.input_tokens, found.output_tokens) == (11, 14)
    assert found.load["input_tokens_asked"] == {"mean": 9, "min": 8, "max": 10}
    assert found.load["output_tokens_counted"] == {"mean": 14, "min": 8, "max": 16}


def test_cases_come_in_the_order_they_were_offered_with_all_their_repeats():
    requests = repeated(make_requests(3), make_requests(4), make_requests(5))
    points = [{"case": "c2", "repeat": 0}, {"case": "c1", "repeat": 0}, {"case": "c2", "repeat": 1}]
    found = findings_of(make_load_run(requests, points=points)).cases
    assert [(case.name, case.issued, case.trials) for case in found] == [("c2", 8, 2), ("c1", 4, 1)]
