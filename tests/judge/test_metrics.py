"""The definitions on columns made by hand: what each word means, and masked where a row cannot carry it."""

import numpy as np
import pytest
from builders import GB, MS, make_failure, make_record, make_requests, make_stream, make_trial
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge import metrics
from touchstone.judge.columns import events_of, requests_of, window_of
from touchstone.judge.metrics import METRICS, Metered, Window
from touchstone.record import MemoryPeaks, Status
from touchstone.served import Ending, EventKind


def stream(stamps_ms, tokens, sent_ms=0):
    """A record whose events came ``stamps_ms`` after the start of the clock."""
    return make_record(sent_ns=sent_ms * MS, event_ns=tuple(at * MS for at in stamps_ms), event_tokens=tuple(tokens),
                       output_tokens=sum(tokens))


def of(metric, *records):
    """The metric's value of each record, None where it has none."""
    return metric(requests_of(records)).tolist()


def gaps(*records):
    return metrics.itl(events_of(records)).compressed().tolist()


# ── of an engine in this process ─────────────────────────────────────────────────────────────────────────────────────────


def test_first_and_last_token_are_counted_from_sending():
    record = stream([150, 160, 180], [1, 1, 1], sent_ms=100)
    assert of(metrics.ttft, record) == [0.05]
    assert of(metrics.e2e, record) == [0.08]


def test_time_per_token_is_over_the_tokens_after_the_first_event():
    assert of(metrics.tpot, stream([50, 60, 80], [1, 1, 1]), stream([50, 60, 80], [4, 1, 2])) == pytest.approx([0.015, 0.010])


def test_below_two_tokens_there_is_no_time_per_token():
    assert of(metrics.tpot, stream([50], [1]), stream([50], [5]), stream([], [])) == [None, None, None]


def test_tokens_that_all_came_at_once_have_no_time_per_token():
    assert of(metrics.tpot, stream([50, 50], [1, 1])) == [None]


def test_gaps_lie_between_events_and_coalesced_events_give_none_of_zero():
    assert gaps(stream([50, 60, 60, 90], [1, 1, 1, 1])) == pytest.approx([0.010, 0.030])
    assert gaps(stream([50], [1])) == []


def test_no_gap_lies_between_two_answers():
    assert gaps(stream([50, 60], [1, 1]), stream([100, 115], [1, 1])) == pytest.approx([0.010, 0.015])


def test_a_record_without_events_has_no_latency():
    silent = stream([], [])
    assert of(metrics.ttft, silent) == of(metrics.e2e, silent) == [None]
    assert window_of(make_failure()) is None


@given(st.integers(0, 10**15), st.lists(st.tuples(st.integers(1, 10**10), st.integers(1, 9)), min_size=2, max_size=30))
def test_e2e_is_ttft_plus_later_tokens_times_tpot(sent_ns, steps):
    stamps, at_ns = [], sent_ns
    for step_ns, _ in steps:
        at_ns += step_ns
        stamps.append(at_ns)
    record = make_record(sent_ns=sent_ns, event_ns=tuple(stamps), event_tokens=tuple(tokens for _, tokens in steps))
    requests = requests_of([record])
    rebuilt = metrics.ttft(requests) + metrics.later_tokens(requests) * metrics.tpot(requests)
    assert rebuilt.tolist() == pytest.approx(metrics.e2e(requests).tolist(), rel=1e-9)
    assert metrics.ttft(requests)[0] + sum(gaps(record)) == pytest.approx(metrics.e2e(requests)[0], rel=1e-9)


def test_throughput_is_all_tokens_over_the_window_to_the_last_token():
    early, late = stream([100, 200], [1, 1]), stream([100, 400], [1, 3])
    window = window_of(make_trial(records=(early, late), ended_ns=900 * MS))
    assert window.seconds == 0.4
    assert metrics.output_throughput(window) == pytest.approx(6 / 0.4)


def test_tokens_of_failed_requests_are_not_throughput():
    good, failed = stream([100, 200], [1, 1]), make_record(status=Status.ERROR, event_ns=(), output_tokens=5)
    assert metrics.output_throughput(window_of(make_trial(records=(good, failed)))) == pytest.approx(2 / 0.2)


def test_peak_memory_is_allocated_before_resident():
    assert metrics.peak_memory(MemoryPeaks(allocated_bytes=3 * GB, resident_bytes=9 * GB)) == 3 * GB
    assert metrics.peak_memory(MemoryPeaks(resident_bytes=9 * GB)) == 9 * GB
    assert metrics.peak_memory(MemoryPeaks()) is None


# ── of a server's answers ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_chunk_is_an_event_and_no_token():
    requests, _ = make_stream([(5, "EMPTY", None), (214, "CONTENT", 1), (224, "CONTENT", 1)])
    assert metrics.ttfe(requests).tolist() == [0.005]
    assert metrics.ttft(requests).tolist() == [0.214]


def test_reasoning_is_generated_and_not_yet_visible():
    requests, _ = make_stream([(20, "REASONING", 1), (30, "REASONING", 1), (70, "CONTENT", 1)])
    assert metrics.ttft(requests).tolist() == [0.020]
    assert metrics.ttfo(requests).tolist() == [0.070]


def test_tokens_of_the_first_event_are_not_decoding():
    requests, events = make_stream([(100, "CONTENT", 10), (140, "CONTENT", 4), (180, "CONTENT", 4), (220, "CONTENT", 4)])
    assert metrics.tpot(requests).tolist() == pytest.approx([0.010])
    assert metrics.itl(events).compressed().tolist() == pytest.approx([0.040] * 3)


def test_usage_that_comes_late_is_the_end_of_the_stream_and_not_of_the_tokens():
    requests, events = make_stream([(50, "CONTENT", 1), (60, "CONTENT", 1), (61, "FINISH", None), (110, "USAGE", None)], ended_ms=160)
    assert metrics.e2e(requests).tolist() == [0.060]
    assert metrics.stream_end(requests).tolist() == [0.160]
    assert metrics.tpot(requests).tolist() == pytest.approx([0.010])
    assert metrics.itl(events).compressed().tolist() == pytest.approx([0.010])


def test_an_event_without_tokens_does_not_cut_a_gap_in_two():
    _, events = make_stream([(50, "CONTENT", 1), (55, "EMPTY", None), (60, "TOOL", 1)])
    assert metrics.itl(events).compressed().tolist() == pytest.approx([0.010])


def test_without_usage_our_own_count_is_used_and_without_both_there_is_none():
    requests = make_requests(3, output_tokens=[9, None, None], output_tokens_text=[7, 17, None])
    assert metrics.output_tokens(requests).tolist() == [9, 17, None]
    assert [value is None for value in metrics.tpot(requests).tolist()] == [False, False, True]


def test_a_first_event_that_does_not_say_is_taken_for_one_token():
    requests = make_requests(2, first_tokens=[None, 4], output_tokens=[16, 16])
    assert metrics.later_tokens(requests).tolist() == [15, 12]


def test_where_the_first_event_brought_every_token_there_is_no_time_per_token():
    requests = make_requests(2, first_tokens=[16, 17], output_tokens=[16, 16])
    assert metrics.tpot(requests).tolist() == metrics.decode_speed(requests).tolist() == [None, None]


def test_response_time_counts_from_the_plan():
    requests = make_requests(2, scheduled_ns=[0, None], sent_ns=[30 * MS, 40 * MS], first_token_ns=[80 * MS, 90 * MS])
    assert metrics.ttft(requests).tolist() == [0.05, 0.05]
    assert metrics.response_ttft(requests).tolist() == [0.08, 0.05]
    assert metrics.send_lag(requests).tolist() == [0.03, None]


@pytest.mark.parametrize("ending", [ending for ending in Ending if ending is not Ending.OK])
def test_a_request_that_failed_has_no_latency_and_still_a_send_lag(ending):
    requests = make_requests(1, ending=[ending])
    of_requests = {name: metric.of(requests).tolist() for name, metric in METRICS.items() if metric.level == "request"}
    assert {name for name, values in of_requests.items() if values != [None]} == {"send_lag"}


def test_rates_are_counts_over_the_window():
    window = Window(4.0, 800.0, prompt_tokens=2000.0, completed=12, good=8)
    rates = {name: metric.of(window) for name, metric in METRICS.items() if metric.level == "window"}
    assert rates == {"output_throughput": 200, "prompt_throughput": 500, "total_throughput": 700, "request_throughput": 3, "goodput": 2}
    assert metrics.goodput(Window(4.0, 800.0)) is None
    assert metrics.output_throughput(Window(0.0, 0.0)) is None


def test_every_metric_of_the_table_says_what_it_measures():
    record = stream([50, 60], [1, 1])
    subject = {"request": requests_of([record]), "event": events_of([record]), "trial": make_trial().memory,
               "window": window_of(make_trial(records=(record,))), "device": Metered(4.0, 200.0, 1200.0, 2 * GB)}
    values = {name: metric.of(subject[metric.level]) for name, metric in METRICS.items()}
    listed = {name: value.compressed().tolist() if isinstance(value, np.ma.MaskedArray) else value for name, value in values.items()}
    assert {name: listed[name] for name in ("ttft", "tpot", "itl", "e2e", "decode_speed", "output_throughput", "peak_memory")} == {
        "ttft": [0.05], "tpot": [0.01], "itl": [0.01], "e2e": [0.06], "decode_speed": [pytest.approx(100)],
        "output_throughput": pytest.approx(2 / 0.06), "peak_memory": 3 * GB}
    assert {name: listed[name] for name in ("power", "energy_per_token", "device_memory")} == {
        "power": 300, "energy_per_token": 6, "device_memory": 2 * GB}
    assert all(metric.unit and metric.formula and metric.better in {"lower", "higher"} for metric in METRICS.values())


def test_only_token_events_are_token_events():
    _, events = make_stream([(at, kind.name, 1) for at, kind in enumerate(EventKind)])
    assert metrics.token_events(events).kind.tolist() == [EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL]
