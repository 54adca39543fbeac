"""The plots of an engine run: the trials that entered its estimates and no other, the findings' own numbers, a reason for what is missing."""

import math
from dataclasses import fields, replace
from statistics import fmean, median

import pytest
from builders import GB, JITTER, MS, S, clean_run, make_facts, make_failure, make_run, make_trial, plan_case, with_trials
from device_runs import START, make_trials, sampled, steady, watched_run
from hypothesis import given, settings
from hypothesis import strategies as st
from seen_numbers import numbers

from touchstone.finding import Trust
from touchstone.judge.findings import findings_of
from touchstone.judge.plots import plots_of
from touchstone.judge.plots.scaling import scalings
from touchstone.judge.plots.shapes import shapes_of
from touchstone.plots import Plots
from touchstone.record import Phase, Sample, Status

FIELDS = [one.name for one in fields(Plots) if one.name != "missing"]


def plotted(run):
    findings = findings_of(run)
    return findings, plots_of(run, findings)


def sound(plots):
    """Nothing but finite numbers, and a reason for all that is not there."""
    assert all(math.isfinite(value) for value in numbers(plots))
    assert [name for name in FIELDS if not getattr(plots, name) and name not in plots.missing] == []
    return plots


def grid(batches=(1, 4), lengths=(100, 1000), trials=3, **header):
    """Cases of every batch and prompt length; time grows with both."""
    made, cases = [], []
    for length in lengths:
        for batch in batches:
            name = f"i{length}-b{batch}"
            cases.append(plan_case(name, input_tokens=length, batch_size=batch))
            for index in range(trials):
                factor = JITTER[index] * batch**0.5
                made.append(make_trial(name, index, batch_size=batch, sequence=len(made), input_tokens_built=length,
                                       first_ns=round(length * MS / 10 * factor), step_ns=round(10 * MS * factor)))
    return make_run(made, cases, **header)


def two_launches(levels=(1.0, 1.1), trials=4, case="short"):
    return make_run([make_trial(case, index, launch=launch, process=launch, sequence=index, sent_ns=(launch * trials + index) * S,
                                first_ns=round(50 * MS * level * JITTER[index]), step_ns=round(10 * MS * level * JITTER[index]))
                     for launch, level in enumerate(levels) for index in range(trials)])


# ── dots ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dots_are_the_trials_of_the_estimates_with_the_findings_own_mean_and_interval():
    findings, plots = plotted(clean_run())
    assert [plot.metric for plot in plots.dots] == ["ttft", "tpot", "output_throughput"]
    for plot in plots.dots:
        for row, case in zip(plot.cases, findings.cases, strict=True):
            estimate = case.metrics[plot.metric]
            assert (row.case, row.trust, row.mean, row.low, row.high) == (case.name, case.trust, estimate.value, estimate.low, estimate.high)
            assert len(row.dots) == case.trials == 10
            assert plot.unit == estimate.unit
            if plot.unit == "s":
                assert fmean(dot.value for dot in row.dots) == pytest.approx(row.mean)


def test_a_dot_knows_its_place_among_all_measured_trials():
    run = clean_run()
    _, plots = plotted(run)
    measured = [trial for trial in run.trials if trial.phase is Phase.MEASURED]
    orders = sorted(dot.order for row in plots.dots[0].cases for dot in row.dots)
    assert orders == list(range(1, len(measured) + 1))
    for row in plots.dots[0].cases:
        assert all(measured[dot.order - 1].case == row.case for dot in row.dots)


def test_a_trial_with_a_failed_request_and_a_warm_up_are_no_dots():
    trials = [make_trial(index=index, sequence=index, batch_size=2) for index in range(4)]
    hurt = make_trial(index=4, sequence=4, batch_size=2)
    hurt = replace(hurt, records=(hurt.records[0], replace(hurt.records[1], status=Status.ERROR)))
    warm = make_trial(index=5, sequence=5, batch_size=2, phase=Phase.WARMUP)
    _, plots = plotted(make_run([*trials, hurt, warm]))
    assert [dot.order for dot in plots.dots[0].cases[0].dots] == [1, 2, 3, 4]
    assert plots.cdfs[0].curves[0].n == 4  # sequences that share every stamp are one


# ── batches ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_scaling_starts_at_the_smallest_batch_and_its_ideal_is_exact():
    findings, plots = plotted(grid(batches=(2, 4, 16), lengths=(100,)))
    (scaling,) = plots.scaling
    assert (scaling.input_tokens, scaling.output_tokens) == (100, 16)
    first = scaling.points[0]
    assert [point.ideal for point in scaling.points] == [first.value * ratio for ratio in (1, 2, 8)]
    for point, case in zip(scaling.points, findings.cases, strict=True):
        rate = case.metrics["output_throughput"]
        assert (point.case, point.value, point.low, point.high) == (case.name, rate.value, rate.low, rate.high)
        assert not point.superlinear


@pytest.mark.parametrize(("factor", "expected"), [(0.5, True), (0.9995, False), (1.0, False), (1.5, False)])
def test_only_a_whole_interval_above_the_ideal_is_superlinear(factor, expected):
    def change(trial):
        if trial.batch_size == 1:
            return trial
        return make_trial(trial.case, trial.index, batch_size=4, sequence=trial.sequence, input_tokens_built=100,
                          first_ns=round(10 * MS * factor * JITTER[trial.index]), step_ns=round(10 * MS * factor * JITTER[trial.index]))
    _, plots = plotted(with_trials(grid(lengths=(100,)), change))
    assert [point.superlinear for point in plots.scaling[0].points] == [False, expected]


def test_a_rejected_batch_is_not_what_others_are_held_against():
    run = grid(batches=(1, 2, 4), lengths=(100,))
    first, *others = findings_of(run).cases
    (shape,) = shapes_of(run, (replace(first, trust=Trust.REJECTED), *others))
    (scaling,) = scalings([shape])
    assert scaling.points[0].trust is Trust.REJECTED
    assert [point.ideal / scaling.points[1].value for point in scaling.points] == [0.5, 1, 2]
    assert scalings([replace(shape, cases=tuple(replace(case, trust=Trust.REJECTED) for case in shape.cases))]) == ()


@pytest.mark.parametrize(("lengths", "shapes"), [((1000, 1009), 1), ((1000, 1020), 2)])
def test_lengths_within_a_hundredth_are_one_shape(lengths, shapes):
    run = grid(batches=(1,), lengths=lengths)
    assert len(shapes_of(run, findings_of(run).cases)) == shapes


def test_cases_that_choose_tokens_otherwise_are_not_one_shape():
    cases = [plan_case("greedy"), plan_case("sampled", batch_size=4, sampling={"temperature": 0.8, "top_p": 1.0, "seed": 0})]
    trials = [make_trial(case["name"], index, batch_size=case["batch_size"]) for index in range(3) for case in cases]
    _, plots = plotted(make_run(trials, cases))
    assert (plots.scaling, plots.curves) == ((), ())
    assert "two batch sizes" in str(plots.missing["scaling"])


def test_ways_to_run_have_the_findings_own_numbers():
    findings, plots = plotted(grid(batches=(1, 4), lengths=(100,), trials=6))
    (curve,) = plots.curves
    assert (curve.title, curve.devices) == ("100 → 16", 1)
    for point, case in zip(curve.points, findings.cases, strict=True):
        rate = case.metrics["output_throughput"]
        assert (point.load_kind, point.load, point.case, point.trust) == ("batch", case.batch_size, case.name, case.trust)
        assert (point.output_throughput, point.low, point.high) == (rate.value, rate.low, rate.high)
        assert (point.ttft_p50, point.ttft_p99) == (case.metrics["ttft"].quantiles["p50"], None)
        assert point.user_speed == case.metrics["decode_speed"].value
        assert point.goodput is None
    assert [point.on_front for point in curve.points] == [True, True]


@pytest.mark.parametrize(("options", "facts", "devices"), [
    ({}, {}, 1), ({"tensor_parallel": 4}, {}, 4), ({"tensor_parallel": 4}, {"tensor_parallel": 8}, 8),
    ({"base_url": "http://127.0.0.1:8000"}, {"started_here": False}, None), ({"server_args": ["--data-parallel-size", "2"]}, {}, None)])
def test_what_is_given_per_device_says_how_many_there_are(options, facts, devices):
    run = grid(lengths=(100,), launches=[{"launch": 0, "facts": make_facts(options=facts)}],
               target={"engine": "vllm", "device": "cuda", "model": "/models/small", "dtype": "bf16", "options": options})
    _, plots = plotted(run)
    (curve,) = plots.curves
    assert curve.devices == devices
    assert all(point.device_throughput == point.output_throughput / (devices or 1) for point in curve.points)
    assert ("curves" in plots.missing) == (devices is None)


# ── batch × length ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_grid_of_batches_and_lengths_is_a_map_of_each_metric():
    findings, plots = plotted(grid(batches=(1, 4), lengths=(100, 1000)))
    assert [(one.metric, one.axis) for one in plots.heat_maps] == [(name, "input") for name in ("output_throughput", "ttft", "tpot")]
    by_name = {case.name: case for case in findings.cases}
    for one in plots.heat_maps:
        assert [(cell.length, cell.batch_size) for cell in one.cells] == [(100, 1), (100, 4), (1000, 1), (1000, 4)]
        for cell in one.cells:
            assert cell.case == f"i{cell.length}-b{cell.batch_size}"
            assert (cell.value, cell.trust) == (by_name[cell.case].metrics[one.metric].value, by_name[cell.case].trust)


def test_lengths_of_output_make_a_map_too():
    cases = [plan_case(f"o{tokens}-b{batch}", output_tokens=tokens, batch_size=batch) for tokens in (16, 64) for batch in (1, 2)]
    trials = [make_trial(case["name"], index, batch_size=case["batch_size"], tokens=case["output_tokens"]) for index in range(3) for case in cases]
    _, plots = plotted(make_run(trials, cases))
    assert {one.axis for one in plots.heat_maps} == {"output"}


def test_what_was_not_measured_and_what_failed_are_empty_cells():
    run = grid(batches=(1, 4), lengths=(100, 1000, 4000))
    failed = [make_failure("i1000-b8", index, batch_size=8, sequence=100 + index) for index in range(2)]
    cases = [*run.header["plan"]["cases"], plan_case("i1000-b8", input_tokens=1000, batch_size=8)]
    played = [trial for trial in run.trials if trial.case != "i4000-b1"]
    _, plots = plotted(make_run([*played, *failed], cases))
    cells = {(cell.length, cell.batch_size): cell for cell in plots.heat_maps[0].cells}
    assert len(cells) == 9
    assert (cells[1000, 8].value, cells[1000, 8].case) == (None, "i1000-b8")
    assert (cells[4000, 1].value, cells[4000, 1].case) == (None, "")
    assert cells[4000, 4].value


def test_one_line_and_one_column_are_no_map():
    _, plots = plotted(grid(batches=(1, 4), lengths=(100,)))
    assert plots.heat_maps == ()
    assert "two lengths" in str(plots.missing["heat_maps"])


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_parts_of_memory_add_up_to_the_measured_peak():
    findings, plots = plotted(clean_run())
    for stack, case in zip(plots.memory, findings.cases, strict=True):
        assert [name for name, _ in stack.parts] == ["weights", "kv", "other"]
        assert sum(size for _, size in stack.parts) == case.metrics["peak_memory"].value == 3 * GB
        assert dict(stack.parts)["kv"] == case.kv_bytes
        assert (stack.computed, stack.total_bytes) == (("kv",), 141 * GB)
        assert stack.measured == {"allocated_bytes": 3 * GB, "reserved_bytes": 4 * GB, "device_used_bytes": 5 * GB}


def test_parts_that_exceed_the_peak_have_no_rest():
    _, plots = plotted(clean_run(launches=[{"launch": 0, "facts": make_facts(weight_bytes=4 * GB)}]))
    assert [name for name, _ in plots.memory[0].parts] == ["weights", "kv"]


def test_unknown_weights_are_no_part():
    _, plots = plotted(clean_run(launches=[{"launch": 0, "facts": make_facts(weight_bytes=None, kv_bytes_per_token=None)}]))
    assert plots.memory[0].parts == (("other", 3 * GB),)


# ── stability ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_trials_are_held_against_the_median_of_their_case_in_the_order_of_play():
    _, plots = plotted(clean_run())
    points = plots.stability.points
    assert [point.order for point in points] == list(range(1, 21))
    for case in ("short", "batch-4"):
        assert median(point.relative for point in points if point.case == case) == pytest.approx(1)
    assert plots.stability.launch_cv == {}


def test_warm_ups_stand_before_what_they_warmed_up():
    warm = [make_trial(index=index, sequence=index, phase=Phase.WARMUP, step_ns=20 * MS) for index in range(2)]
    measured = [make_trial(index=index, sequence=2 + index) for index in range(3)]
    stability = plotted(make_run([*warm, *measured]))[1].stability
    assert [point.order for point in stability.warmup] == [1, 2]
    assert [point.order for point in stability.points] == [3, 4, 5]
    assert all(point.relative == pytest.approx(200 / 350) for point in stability.warmup)


def test_the_spread_between_launches_is_what_their_levels_differ_by():
    stability = plotted(two_launches((1.0, 1.1)))[1].stability
    rates = (16 / 0.2, 16 / 0.22)
    between = abs(rates[0] - rates[1]) / math.sqrt(2) / fmean(rates)
    assert stability.launch_cv["short"] == pytest.approx(between, rel=0.01)
    assert plotted(two_launches((1.0, 1.0)))[1].stability.launch_cv == {"short": 0.0}
    assert plotted(two_launches((1.0, 1.1), trials=1))[1].stability.launch_cv == {}


def test_temperature_and_clock_are_of_the_hottest_device_and_keep_their_extremes():
    def hot(at_ns):
        second = (at_ns - START) // S
        return {**steady(at_ns), "temperature_c": 90.0 if second == 7 else 60.0, "frequency_hz": 1_200_000_000 if second == 9 else 1_980_000_000}

    samples = (*sampled(steady, index=0), *sampled(hot, index=1, period_ns=S // 40))
    stability = plotted(watched_run(samples, make_trials()))[1].stability
    assert max(value for _, value in stability.temperature_c) == 90
    assert min(value for _, value in stability.frequency_hz) == 1.2e9
    assert len(stability.temperature_c) <= 300
    assert all(0 <= at_s <= 25 for at_s, _ in stability.temperature_c)


def test_without_a_sampled_device_the_clock_is_the_host_s():
    run = clean_run()
    samples = tuple(Sample(at_ns=at_ns, launch=0, resident_bytes=None, cpu_self_ns=None, cpu_busy_fraction=None, load_1min=None,
                           frequency_hz=3_000_000_000, memory_available_bytes=None) for at_ns in range(0, 20 * S, S // 4))
    assert {value for _, value in plotted(replace(run, samples=samples))[1].stability.frequency_hz} == {3e9}
    assert plotted(run)[1].stability.frequency_hz == ()


# ── whatever happened ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("run", [
    make_run([]), make_run([], launches=[]), make_run([make_trial()]), make_run([make_failure()]), make_run([make_trial(tokens=1)]),
    make_run([make_trial(records=(), status=Status.KILLED)]), make_run([make_trial(), make_failure(index=1)], status="running"),
    make_run([make_trial(index=0, phase=Phase.WARMUP)]), grid(batches=(1,), lengths=(5,)), watched_run(), two_launches(), clean_run(),
], ids=["empty", "never launched", "one trial", "all failed", "one token", "killed", "broken off", "warm-ups only", "one case", "watched", "launches", "clean"])
def test_whatever_happened_is_plotted_or_has_its_reason(run):
    sound(plotted(run)[1])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1), st.sampled_from([Phase.WARMUP, Phase.MEASURED]), st.sampled_from(list(Status)),
                          st.integers(0, 3), st.integers(0, 10**9)), max_size=12))
def test_any_mixture_of_trials_is_plotted(played):
    trials = []
    for index, (case, launch, phase, status, tokens, step_ns) in enumerate(played):
        made = {"launch": launch, "sequence": index, "phase": phase, "batch_size": 1 if case == "a" else 2}
        trials.append(make_trial(case, index, tokens=tokens, step_ns=step_ns, **made) if status is Status.OK else make_failure(case, index, status=status, **made))
    findings, plots = plotted(make_run(trials, [plan_case("a"), plan_case("b", batch_size=2)]))
    sound(plots)
    for plot in plots.dots:
        for row in plot.cases:
            assert row.mean == next(case for case in findings.cases if case.name == row.case).metrics[plot.metric].value
    assert all(point.trust is not Trust.REJECTED for curve in plots.curves for point in curve.points if point.on_front)
