"""The lines of trials and requests have the numbers of the reports."""

from __future__ import annotations

from statistics import fmean

import pytest
from builders import make_failure, make_load_run, make_requests, make_run, make_trial, plan_case
from compared_runs import engine_run, load_run

from touchstone.judge.findings import findings_of
from touchstone.judge.listing import requests_listed, trials_of
from touchstone.record import Phase


def test_trials_of_an_engine_carry_what_its_estimates_are_made_of():
    run = engine_run(launches=2)
    for case in findings_of(run).cases:
        trials = trials_of(run, case.name)
        assert {one.case for one in trials} == {case.name}
        assert len(trials) == case.trials
        for name in ("ttft", "tpot"):
            assert fmean(getattr(one, f"{name}_s") for one in trials) == pytest.approx(case.metrics[name].value)
        rates = [one.output_throughput for one in trials]
        assert min(rates) <= case.metrics["output_throughput"].value <= max(rates)


def test_every_trial_is_there_and_a_failure_says_why():
    run = make_run([make_trial(phase=Phase.WARMUP), make_trial(index=1, sent_ns=10**9), make_failure(index=2, sent_ns=2 * 10**9)], [plan_case("short")])
    warm, good, failed = trials_of(run)
    assert (warm.phase, warm.status, warm.sent_s) == ("warmup", "ok", 0.0)
    assert (good.phase, good.ok, good.requests, good.sent_s) == ("measured", 1, 1, 1.0)
    assert (failed.status, failed.error, failed.ok, failed.ttft_s, failed.output_throughput) == ("out_of_memory", "out of memory", 0, None, None)


def test_requests_of_an_engine_are_all_there_with_their_own_times():
    run = engine_run(launches=1, trials=2)
    listed = requests_listed(run)
    assert len(listed) == sum(len(trial.records) for trial in run.trials)
    one, record = listed[0], run.trials[0].records[0]
    assert one.ttft_s == pytest.approx((record.event_ns[0] - record.sent_ns) / 1e9)
    assert one.e2e_s == pytest.approx((record.event_ns[-1] - record.sent_ns) / 1e9)
    assert one.tpot_s == pytest.approx((record.event_ns[-1] - record.event_ns[0]) / 1e9 / 15)
    assert (one.input_tokens, one.cached_tokens, one.output_tokens, one.status) == (7, 0, 16, "ok")
    assert {one.case for one in requests_listed(run, "batch-4")} == {"batch-4"}


def test_points_and_requests_of_a_load_agree_with_its_case():
    run = load_run(repeats=3, count=64)
    [case] = findings_of(run).cases
    points, requests = trials_of(run), requests_listed(run)
    assert (len(points), len(requests)) == (3, 192)
    assert [one.number for one in points] == [0, 1, 2]
    assert all(one.launch is None and one.phase is None and (one.ok, one.requests, one.status) == (64, 64, "ok") for one in points)
    assert fmean(one.ttft_s for one in requests) == pytest.approx(case.metrics["ttft"].value)
    assert requests[0].sent_s == 0.0
    assert trials_of(run, "absent") == requests_listed(run, "absent") == ()


@pytest.mark.parametrize("run", [make_run([], [plan_case("short")]), make_load_run(make_requests(0), points=[])], ids=["run", "load"])
def test_a_run_that_never_began_has_no_lines(run):
    assert trials_of(run) == ()
    assert requests_listed(run) == ()
