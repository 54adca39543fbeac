"""Runs over time: what belongs together, from when on anything is said, and what changed when the level did."""

from dataclasses import replace

import pytest
from compared_runs import engine_run, facts

from touchstone.judge.compare.history import history_of
from touchstone.judge.compare.measured import measured_of


def measured_at(day, slower=1.0, version="transformers 5.0", **header):
    run = engine_run(slower, launches=2, trials=2, seed=day, cases={"short": 1}, created=f"2026-11-{day:02d}T12:00:00+00:00", **header)
    return measured_of(replace(run, header={**run.header, "launches": facts(version=version)}))


def history(runs, wanted=()):
    return history_of(runs, "runs", 0.02, wanted)


def test_below_fifteen_runs_it_says_how_many_are_missing():
    [series] = history([measured_at(day, 1.0 if day < 7 else 1.5) for day in range(1, 13)]).series
    assert (series.missing, series.changes) == (3, ())
    assert len(series.points) == 12


def test_a_change_of_level_is_found_with_the_condition_that_changed_there():
    runs = [measured_at(day, *((1.0, "transformers 5.0") if day < 12 else (1.15, "transformers 5.1"))) for day in range(1, 23)]
    [series] = history(list(reversed(runs))).series
    assert series.metric == "output_throughput"
    assert [point.created[8:10] for point in series.points] == [f"{day:02d}" for day in range(1, 23)]
    [change] = series.changes
    assert change.index == 11
    assert change.ratio == pytest.approx(1 / 1.15, rel=0.01)
    assert not change.better
    assert change.p < 0.001
    assert [str(one) for one in series.points[11].changed] == ["engine_version transformers 5.0 → transformers 5.1"]
    assert all(point.changed == () for place, point in enumerate(series.points) if place != 11)
    assert all(point.low < point.value < point.high for point in series.points)


def test_noise_alone_is_no_change():
    [series] = history([measured_at(day) for day in range(1, 21)]).series
    assert (series.missing, series.changes) == (0, ())


def test_other_machines_engines_models_and_plans_are_other_series():
    usual = measured_at(1)
    run = engine_run(launches=2, trials=2, seed=3, cases={"short": 1})
    other_seed = measured_of(replace(run, header={**run.header, "plan": {**run.header["plan"], "seed": 7}}))
    other_machine = measured_at(2, environment={"cores": 64, "cpu": "Kunpeng"})
    other_engine = measured_of(replace(run, header={**run.header, "id": "e", "launches": facts(engine="llama.cpp")}))
    other_model = measured_of(replace(run, header={**run.header, "id": "m", "target": {**run.header["target"], "model": "large"}}))
    assert [len(one.points) for one in history([usual, other_seed, other_machine, other_engine, other_model]).series] == [1] * 5


def test_a_copy_of_a_run_is_no_second_run_and_other_metrics_may_be_asked_for():
    one = measured_at(1)
    found = history([one, replace(one, path="a copy"), measured_at(2)], ["ttft", "peak_memory"])
    assert [(series.metric, len(series.points)) for series in found.series] == [("peak_memory", 2), ("ttft", 2)]
    assert history([], ()).series == ()
