"""Arrivals have the distribution that was asked for, and a schedule is the same whoever plays it."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from touchstone.errors import UsageError
from touchstone.load_plan import Length, Load, Stage, Workload
from touchstone.measure.load.datasets import Conversation, Dataset, Exchange
from touchstone.measure.load.schedule import plan_schedule
from touchstone.measure.load.traces import Trace, read_trace
from touchstone.plan import ChatMessage

S = 10**9
TRACES = Path(__file__).parents[2] / "data" / "traces"
SHORT = Workload(input_len=Length(mean=64), output_len=Length(mean=8))
ALPHA = 1e-3  # seeds are fixed: a test below this level fails always or never


def open_load(rate=100.0, arrival="poisson", **more):
    return Load(request_rate=rate, arrival=arrival, **more)


def offsets_s(load, count=None, duration_s=None, seed=0, workload=SHORT, **more):
    return plan_schedule(workload, load, count, duration_s, seed, **more).offset_ns.compressed() / S


def sessions(turns=3, **more):
    return Workload(input_len=Length(mean=64), output_len=Length(mean=8), turns=turns, **more)


def dispersion(times_s, window_s):
    """Variance over mean of the number of arrivals in windows: 1 for a Poisson process."""
    counts = np.bincount((times_s / window_s).astype(int))[:-1]
    return counts.var(ddof=1) / counts.mean()


def dataset(turns):
    asked = (ChatMessage(role="user", content="hello"),)
    return Dataset(tuple(Conversation(tuple(Exchange(asked, "yes", 10 + row, 3, 7) for _ in range(length)))
                         for row, length in enumerate(turns)), 0)


# ── arrivals ──


@pytest.mark.parametrize("seed", [0, 1, "run-7/point-2"])
def test_poisson_gaps_are_exponential(seed):
    gaps = np.diff(offsets_s(open_load(250.0), 20_000, seed=seed), prepend=0)
    assert stats.kstest(gaps, stats.expon(scale=1 / 250).cdf).pvalue > ALPHA
    lag_one = np.corrcoef(gaps[:-1], gaps[1:])[0, 1]
    assert abs(lag_one) < 4 / np.sqrt(len(gaps))


@pytest.mark.parametrize("processes", [2, 4, 10])
def test_what_n_processes_send_together_is_still_poisson(processes):
    planned = plan_schedule(SHORT, open_load(100.0), 20_000, None, 3)
    times = np.sort(np.concatenate([planned.offset_ns[planned.slice(process, processes)].compressed() / S for process in range(processes)]))
    assert stats.kstest(np.diff(times, prepend=0), stats.expon(scale=1 / 100).cdf).pvalue > ALPHA
    assert 0.8 < dispersion(times, 0.5) < 1.25


@pytest.mark.parametrize(("burstiness", "low", "high"), [(1.0, 0.8, 1.25), (0.25, 3.0, 5.0), (4.0, 0.18, 0.32)])
def test_burstiness_sets_the_dispersion_of_counts(burstiness, low, high):
    # Over long windows the index of a renewal process tends to the squared coefficient of variation of its gaps, here 1/shape.
    times = offsets_s(open_load(100.0, "gamma", burstiness=burstiness), 100_000)
    assert low < dispersion(times, 1.0) < high
    assert len(times) / times[-1] == pytest.approx(100, rel=0.03)


def test_gamma_gaps_have_the_asked_shape():
    gaps = np.diff(offsets_s(open_load(40.0, "gamma", burstiness=0.5), 20_000), prepend=0)
    assert stats.kstest(gaps, stats.gamma(0.5, scale=1 / (40 * 0.5)).cdf).pvalue > ALPHA


def test_gamma_of_shape_one_is_poisson():
    times = offsets_s(open_load(40.0, "gamma", burstiness=1.0), 1_000)
    assert times == pytest.approx(offsets_s(open_load(40.0), 1_000), abs=1e-8)


def test_times_are_not_rescaled_to_end_where_expected():
    count, rate = 50, 10.0
    ends = np.array([offsets_s(open_load(rate), count, seed=seed)[-1] for seed in range(400)])
    assert ends.mean() == pytest.approx(count / rate, rel=0.03)
    assert 0.75 < ends.var(ddof=1) / (count / rate**2) < 1.3


def test_the_number_of_arrivals_in_a_duration_varies_as_poisson_does():
    counts = np.array([len(offsets_s(open_load(20.0), duration_s=5.0, seed=seed)) for seed in range(400)])
    assert counts.mean() == pytest.approx(100, rel=0.03)
    assert 0.75 < counts.var(ddof=1) / 100 < 1.3


def test_constant_arrivals_are_evenly_spaced_from_zero():
    assert offsets_s(open_load(4.0, "constant"), 9).tolist() == [number / 4 for number in range(9)]
    assert len(offsets_s(open_load(4.0, "constant"), duration_s=3.0)) == 12


def test_a_burst_is_sent_at_once():
    planned = plan_schedule(SHORT, Load(arrival="burst", concurrency=3), 7, None, 0)
    assert planned.offset_ns.tolist() == [0] * 7
    assert planned.slots == 3


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.5, 200), duration_s=st.floats(0.5, 20), arrival=st.sampled_from(["poisson", "gamma", "constant"]), seed=st.integers(0, 99))
def test_a_duration_cuts_the_same_arrivals_off(rate, duration_s, arrival, seed):
    load = open_load(rate, arrival, burstiness=0.5)
    endless = offsets_s(load, int(3 * rate * duration_s) + 60, seed=seed)
    expected = endless[endless < duration_s]
    if len(expected) == 0:
        with pytest.raises(UsageError, match="No request"):
            offsets_s(load, duration_s=duration_s, seed=seed)
    elif expected[-1] < endless[-1]:
        assert offsets_s(load, duration_s=duration_s, seed=seed).tolist() == expected.tolist()


def test_a_very_bursty_load_is_not_cut_short():
    load = open_load(1.0, "gamma", burstiness=0.01)
    for seed in range(30):
        try:
            times = offsets_s(load, duration_s=20.0, seed=seed)
        except UsageError:
            continue
        longer = offsets_s(load, len(times) + 2_000, seed=seed)
        assert len(times) == (longer < 20).sum()


# ── ramps and stages ──


def test_a_ramp_raises_the_rate_evenly():
    # Constant arrivals invert the integral of the rate exactly: the n-th comes when r·t²/(2R) = n, and later when r·(t − R/2) = n.
    times = offsets_s(open_load(10.0, "constant", ramp_s=4.0), 101)
    numbers = np.arange(101)
    expected = np.where(numbers <= 20, np.sqrt(2 * 4.0 * numbers / 10), numbers / 10 + 2)
    assert times == pytest.approx(expected, abs=1e-8)


def test_poisson_with_a_ramp_is_poisson_on_the_integral_of_the_rate():
    times = offsets_s(open_load(100.0, ramp_s=30.0), 10_000)
    passed = np.where(times < 30, 100 * times**2 / 60, 100 * (times - 15))
    assert stats.kstest(np.diff(passed, prepend=0), stats.expon.cdf).pvalue > ALPHA


def test_stages_have_their_rates_and_the_load_ends_with_the_last():
    stages = (Stage(duration_s=100, request_rate=10), Stage(duration_s=50, request_rate=80), Stage(duration_s=100, request_rate=20))
    times = offsets_s(Load(arrival="poisson", stages=stages))
    for first, last, expected in ((0, 100, 1000), (100, 150, 4000), (150, 250, 2000)):
        count = ((times >= first) & (times < last)).sum()
        assert abs(count - expected) < 4 * np.sqrt(expected)
    assert times[-1] < 250


def test_constant_stages_are_exact_and_a_ramp_only_touches_its_own_time():
    stages = (Stage(duration_s=2, request_rate=5), Stage(duration_s=2, request_rate=10))
    plain = offsets_s(Load(arrival="constant", stages=stages))
    assert plain == pytest.approx([*(np.arange(10) / 5), *(2 + np.arange(20) / 10)])
    ramped = offsets_s(Load(arrival="constant", stages=stages, ramp_s=3.0))
    # Before 2 s the rate is 5t/3 (10/3 requests), until 3 s 10t/3 (25/3 more), and then 10.
    assert ((ramped < 2).sum(), ((ramped >= 2) & (ramped < 3)).sum(), len(ramped)) == (4, 8, 22)
    assert np.diff(ramped[ramped > 3]) == pytest.approx(0.1)


def test_slots_of_a_closed_loop_start_evenly_over_the_ramp():
    planned = plan_schedule(SHORT, Load(concurrency=4, ramp_s=2.0), 10, None, 0)
    assert planned.offset_ns.tolist() == [0, S // 2, S, 3 * S // 2, *[None] * 6]
    assert plan_schedule(SHORT, Load(concurrency=4), 2, None, 0).offset_ns.tolist() == [0, 0]


# ── lengths ──


def test_lengths_have_their_distribution():
    workload = Workload(input_len=Length(kind="uniform", mean=50, low=10, high=90), output_len=Length(kind="normal", mean=100, deviation=15, low=60, high=140))
    planned = plan_schedule(workload, open_load(), 20_000, None, 0)
    counts = np.bincount(planned.input_tokens.compressed(), minlength=91)[10:]
    assert counts.sum() == 20_000
    assert stats.chisquare(counts).pvalue > ALPHA
    output = planned.output_tokens.compressed()
    assert (output.min(), output.max()) == (60, 140)
    inside = output[(output > 60) & (output < 140)]
    assert inside.mean() == pytest.approx(100, abs=0.5)
    assert output.std() == pytest.approx(15, rel=0.03)
    assert abs(np.corrcoef(planned.input_tokens, planned.output_tokens)[0, 1]) < 0.03


def test_a_uniform_length_without_an_upper_end_keeps_its_mean():
    workload = Workload(input_len=Length(kind="uniform", mean=50, low=20))
    tokens = plan_schedule(workload, open_load(), 5_000, None, 0).input_tokens
    assert (tokens.min(), tokens.max()) == (20, 80)


def test_another_rate_leaves_the_lengths_and_more_requests_leave_the_first_ones():
    workload = Workload(input_len=Length(kind="normal", mean=500, deviation=90), output_len=Length(kind="uniform", mean=9, high=17), prefixes=5, shared_prefix_tokens=3)
    few, many = (plan_schedule(workload, open_load(rate), count, None, 5) for rate, count in ((7.0, 100), (900.0, 5_000)))
    for name in ("input_tokens", "output_tokens", "prefix"):
        assert (getattr(few, name) == getattr(many, name)[:100]).all()
    assert offsets_s(open_load(7.0), 100).tolist() == offsets_s(open_load(7.0), 5_000)[:100].tolist()


def test_every_prefix_is_used_about_equally():
    workload = Workload(input_len=Length(mean=64), prefixes=5, shared_prefix_tokens=32)
    prefix = plan_schedule(workload, open_load(), 5_000, None, 0).prefix
    assert stats.chisquare(np.bincount(prefix.compressed(), minlength=5)).pvalue > ALPHA


# ── sessions ──


def test_later_turns_follow_the_row_before_and_send_all_that_was_said():
    planned = plan_schedule(sessions(3, think_time_s=1.5), open_load(10.0), 8, None, 0)
    assert planned.session.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert planned.turn.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert planned.after.tolist() == [None, 0, 1, None, 3, 4, None, 6]
    assert planned.think_ns.tolist() == [0, 3 * S // 2, 3 * S // 2] * 2 + [0, 3 * S // 2]
    assert planned.input_tokens.tolist() == [64, 136, 208] * 2 + [64, 136]
    assert np.ma.getmaskarray(planned.offset_ns).tolist() == [False, True, True] * 2 + [False, True]


def test_a_rate_counts_sessions():
    planned = plan_schedule(sessions(4), open_load(10.0), None, 200.0, 0)
    assert len(planned) == 4 * (planned.turn == 0).sum()
    assert (planned.turn == 0).sum() == pytest.approx(2000, rel=0.1)


def test_a_closed_loop_starts_its_slots_with_sessions():
    planned = plan_schedule(sessions(2), Load(concurrency=2), 8, None, 0)
    assert planned.offset_ns.tolist() == [0, None, 0, None, None, None, None, None]


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=8), turns=st.integers(1, 4), count=st.integers(1, 60), seed=st.integers(0, 9))
def test_conversations_are_played_in_order_each_as_far_as_it_goes(lengths, turns, count, seed):
    source = dataset(lengths)
    planned = plan_schedule(Workload(kind="sharegpt", turns=turns), Load(concurrency=2), count, None, seed, source=source)
    assert len(planned) == count
    played = np.split(np.arange(count), np.flatnonzero(planned.turn == 0)[1:])
    for rows in played[:-1]:
        [row] = set(planned.source[rows].tolist())
        assert planned.turn[rows].tolist() == list(range(min(turns, lengths[row])))
        own, answer = 10 + row, 3
        assert planned.input_tokens[rows].tolist() == [own + place * (own + answer) for place in range(len(rows))]
        assert planned.output_tokens[rows].tolist() == [7] * len(rows)
    first_pass = [planned.source[rows[0]] for rows in played[:len(lengths)]]
    assert len(set(first_pass)) == len(first_pass)  # nobody is asked twice before all were asked once


def test_a_dataset_that_begins_again_does_so_in_another_order():
    planned = plan_schedule(Workload(kind="jsonl"), Load(concurrency=2), 60, None, 0, source=dataset([1] * 30))
    first, second = planned.source[:30].tolist(), planned.source[30:].tolist()
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    assert first != list(range(30))


def test_lengths_that_nobody_counted_are_unknown_from_there_on():
    asked = (ChatMessage(role="user", content="hello"),)
    counted, uncounted = Exchange(asked, "yes", 5, 2, 2), Exchange(asked, "yes", 5, None, 2)
    source = Dataset((Conversation((counted, uncounted, counted)),), 0)
    planned = plan_schedule(Workload(kind="jsonl", turns=3), Load(concurrency=1), 3, None, 0, source=source)
    assert planned.input_tokens.tolist() == [5, 12, None]


# ── traces ──


def test_a_trace_is_played_at_its_times_and_faster_if_asked():
    trace = read_trace(TRACES / "azure-2023-conv.csv")
    workload = Workload(kind="trace")
    planned = plan_schedule(workload, Load(arrival="trace"), None, None, 0, source=trace)
    assert planned.offset_ns.tolist() == trace.offset_ns.tolist()
    assert planned.input_tokens.tolist() == trace.input_tokens.tolist()
    assert planned.output_tokens.tolist() == trace.output_tokens.tolist()
    faster = plan_schedule(workload, Load(arrival="trace", speedup=4.0), None, None, 0, source=trace)
    assert np.abs(faster.offset_ns * 4 - trace.offset_ns).max() <= 4
    cut = plan_schedule(workload, Load(arrival="trace", speedup=4.0), None, 10.0, 0, source=trace)
    assert len(cut) == (trace.offset_ns < 40 * S).sum()
    assert len(plan_schedule(workload, Load(arrival="trace"), 10_000, None, 0, source=trace)) == len(trace)


def test_the_lengths_of_a_trace_go_with_any_load_and_begin_again():
    trace = Trace(np.array([0, 1, 2]), np.array([5, 6, 7]), np.array([1, 2, 3]), None)
    planned = plan_schedule(Workload(kind="trace"), open_load(10.0), 7, None, 0, source=trace)
    assert planned.input_tokens.tolist() == [5, 6, 7, 5, 6, 7, 5]
    assert planned.source.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert len(plan_schedule(Workload(kind="trace"), Load(concurrency=2), None, None, 0, source=trace)) == 3
    assert len(plan_schedule(Workload(kind="trace"), open_load(10.0), None, 100.0, 0, source=trace)) > 500


# ── slices ──


@settings(max_examples=150, deadline=None)
@given(count=st.integers(1, 80), turns=st.integers(1, 4), processes=st.integers(1, 9), slots=st.none() | st.integers(1, 12), closed=st.booleans())
def test_slices_share_out_every_row_once_and_keep_sessions_together(count, turns, processes, slots, closed):
    load = Load(concurrency=slots or 1) if closed else open_load(10.0, concurrency=slots)
    planned = plan_schedule(sessions(turns), load, count, None, 0)
    slices = [planned.slice(process, processes) for process in range(processes)]
    assert sorted(np.concatenate(slices).tolist()) == list(range(count))
    for rows in slices:
        assert (np.diff(rows) > 0).all()
        assert set(planned.after[rows].compressed().tolist()) <= set(rows.tolist())
    if planned.slots is None:
        return
    shares = [planned.slots_of(process, processes) for process in range(processes)]
    assert sum(shares) == planned.slots
    assert max(shares) - min(shares) <= 1
    for rows, share in zip(slices, shares, strict=True):
        if closed:  # every slot that has a session to start with starts on the process it belongs to
            assert len(planned.offset_ns[rows].compressed()) <= share
        if share == 0:
            assert len(rows) == 0


# ── identity ──


def test_equal_input_gives_an_equal_digest_in_any_process():
    code = ("from touchstone.load_plan import *; from touchstone.measure.load.schedule import plan_schedule;"
            "w = Workload(input_len=Length(kind='normal', mean=64, deviation=9), output_len=Length(mean=8), turns=2);"
            "print(plan_schedule(w, Load(request_rate=9, arrival='gamma', burstiness=0.3, ramp_s=2), 500, None, 'a').digest)")
    digests = {subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
                              check=True).stdout for seed in ("0", "1")}
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 16


def test_the_digest_is_what_it_was():
    # Draws are made from raw bits, so no NumPy may change them; if this fails, schedules of old runs can no longer be repeated.
    assert plan_schedule(sessions(2), open_load(10.0), 100, None, 0).digest == "3c227d446a79e849"


def test_any_change_changes_the_digest():
    planned = plan_schedule(sessions(2, shared_prefix_tokens=4, prefixes=3), open_load(10.0, concurrency=5), 40, None, 0)
    digests = {planned.digest}
    for field in dataclasses.fields(planned):
        value = getattr(planned, field.name)
        if field.name == "slots":
            changed = 6
        else:
            changed = np.ma.array(value, copy=True)
            changed[-1] = 12345
        digests.add(dataclasses.replace(planned, **{field.name: changed}).digest)
    assert len(digests) == 1 + len(dataclasses.fields(planned))
    masked = np.ma.array(planned.output_tokens, copy=True)
    masked[3] = np.ma.masked
    assert dataclasses.replace(planned, output_tokens=masked).digest not in digests
    assert plan_schedule(sessions(2), open_load(10.0), 40, None, 0).digest != plan_schedule(sessions(2), open_load(10.0), 40, None, 1).digest


def test_a_million_requests_are_planned_in_little_memory():
    code = ("import resource; from touchstone.load_plan import *; from touchstone.measure.load.schedule import plan_schedule;"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
            "s = plan_schedule(Workload(input_len=Length(mean=64), output_len=Length(mean=8)), Load(request_rate=9, arrival='poisson'), 10**6, None, 0);"
            "s.digest; print(len(s), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)")
    count, grown_kib = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert count == "1000000"
    assert int(grown_kib) < 120 * 1024


# ── what cannot be planned ──


@pytest.mark.parametrize(("workload", "load", "count", "duration_s", "says"), [
    (Workload(output_len=Length(mean=8)), open_load(), 5, None, "need a length"),
    (SHORT, open_load(), None, None, "never end"),
    (SHORT, Load(concurrency=3), None, 5.0, "number of requests"),
    (SHORT, Load(arrival="burst"), None, 5.0, "number of requests"),
    (SHORT, Load(arrival="burst", ramp_s=1.0), 5, None, "no rate that could ramp"),
    (SHORT, Load(arrival="trace"), 5, None, "needs a trace"),
    (Workload(kind="trace"), Load(arrival="trace"), 5, None, "needs its file"),
    (Workload(kind="sharegpt"), Load(concurrency=1), 5, None, "needs its file"),
    (Workload(kind="jsonl", input_len=Length(mean=5)), Load(concurrency=1), 5, None, "cannot be chosen"),
    (Workload(input_len=Length(mean=5), turns=2), Load(concurrency=1), 5, None, "length of the answers"),
    (Workload(input_len=Length(mean=5), shared_prefix_tokens=6), Load(concurrency=1), 5, None, "does not fit"),
    (Workload(input_len=Length(kind="uniform", mean=5, low=9, high=8)), Load(concurrency=1), 5, None, "does not exist"),
    (SHORT, open_load(0.001), None, 0.5, "No request falls"),
])
def test_a_load_that_cannot_be_planned_says_why(workload, load, count, duration_s, says):
    with pytest.raises(UsageError, match=says):
        plan_schedule(workload, load, count, duration_s, 0)
