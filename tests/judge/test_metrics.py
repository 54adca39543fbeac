"""The definitions on records made by hand: what each word means, and None where a record cannot carry it."""

import pytest
from builders import GB, MS, make_failure, make_record, make_trial
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge import metrics
from touchstone.judge.metrics import METRICS
from touchstone.record import MemoryPeaks, Status


def stream(stamps_ms, tokens, sent_ms=0):
    """A record whose events came ``stamps_ms`` after the start of the clock."""
    return make_record(sent_ns=sent_ms * MS, event_ns=tuple(at * MS for at in stamps_ms), event_tokens=tuple(tokens),
                       output_tokens=sum(tokens))


def test_first_and_last_token_are_counted_from_sending():
    record = stream([150, 160, 180], [1, 1, 1], sent_ms=100)
    assert metrics.ttft(record) == 0.05
    assert metrics.e2e(record) == 0.08


def test_time_per_token_is_over_the_tokens_after_the_first_event():
    assert metrics.tpot(stream([50, 60, 80], [1, 1, 1])) == pytest.approx(0.015)
    assert metrics.tpot(stream([50, 60, 80], [4, 1, 2])) == pytest.approx(0.010)


def test_below_two_tokens_there_is_no_time_per_token():
    assert metrics.tpot(stream([50], [1])) is None
    assert metrics.tpot(stream([50], [5])) is None
    assert metrics.tpot(stream([], [])) is None


def test_tokens_that_all_came_at_once_have_no_time_per_token():
    assert metrics.tpot(stream([50, 50], [1, 1])) is None


def test_gaps_lie_between_events_and_coalesced_events_give_none_of_zero():
    assert metrics.gaps(stream([50, 60, 60, 90], [1, 1, 1, 1])) == pytest.approx([0.010, 0.030])
    assert metrics.gaps(stream([50], [1])) == []


def test_a_record_without_events_has_no_latency():
    silent = stream([], [])
    assert metrics.ttft(silent) is None
    assert metrics.e2e(silent) is None
    assert metrics.output_throughput(make_failure()) is None


@given(st.integers(0, 10**15), st.lists(st.tuples(st.integers(1, 10**10), st.integers(1, 9)), min_size=2, max_size=30))
def test_e2e_is_ttft_plus_later_tokens_times_tpot(sent_ns, steps):
    stamps, at_ns = [], sent_ns
    for step_ns, _ in steps:
        at_ns += step_ns
        stamps.append(at_ns)
    record = make_record(sent_ns=sent_ns, event_ns=tuple(stamps), event_tokens=tuple(tokens for _, tokens in steps))
    rebuilt = metrics.ttft(record) + metrics.later_tokens(record) * metrics.tpot(record)
    assert rebuilt == pytest.approx(metrics.e2e(record), rel=1e-9)
    assert metrics.ttft(record) + sum(metrics.gaps(record)) == pytest.approx(metrics.e2e(record), rel=1e-9)


def test_throughput_is_all_tokens_over_the_window_to_the_last_token():
    early, late = stream([100, 200], [1, 1]), stream([100, 400], [1, 3])
    trial = make_trial(records=(early, late), ended_ns=900 * MS)
    assert metrics.window_s(trial) == 0.4
    assert metrics.output_throughput(trial) == pytest.approx(6 / 0.4)


def test_tokens_of_failed_requests_are_not_throughput():
    good, failed = stream([100, 200], [1, 1]), make_record(status=Status.ERROR, event_ns=(), output_tokens=5)
    assert metrics.output_throughput(make_trial(records=(good, failed))) == pytest.approx(2 / 0.2)


def test_peak_memory_is_allocated_before_resident():
    assert metrics.peak_memory(make_trial(memory=MemoryPeaks(allocated_bytes=3 * GB, resident_bytes=9 * GB))) == 3 * GB
    assert metrics.peak_memory(make_trial(memory=MemoryPeaks(resident_bytes=9 * GB))) == 9 * GB
    assert metrics.peak_memory(make_trial(memory=MemoryPeaks())) is None


def test_every_metric_of_the_table_says_what_it_measures():
    record, trial = stream([50, 60], [1, 1]), make_trial(records=(stream([50, 60], [1, 1]),))
    values = {name: list(metric.of(trial if metric.level == "trial" else record)) for name, metric in METRICS.items()}
    assert values == {"ttft": [0.05], "tpot": [0.01], "itl": [0.01], "e2e": [0.06], "decode_speed": [pytest.approx(100)],
                      "output_throughput": [pytest.approx(2 / 0.06)], "peak_memory": [3 * GB]}
    assert all(metric.unit and metric.formula and metric.better in {"lower", "higher"} for metric in METRICS.values())
