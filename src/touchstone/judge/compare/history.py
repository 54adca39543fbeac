"""All runs of one thing, oldest first: where its level changed, and what changed with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import geometric_mean

from touchstone.comparison import Difference, History, HistoryChange, HistoryPoint, Series
from touchstone.judge import stats
from touchstone.judge.compare.conditions import differences
from touchstone.judge.compare.measured import Measured, Sample
from touchstone.judge.compare.rows import HEADLINES, higher_is_better, unit_of
from touchstone.message import Message


def history_of(runs: Sequence[Measured], path: str, margin: float, wanted: Sequence[str], notes: Sequence[Message] = ()) -> History:
    """Every series of ``runs``: one machine and engine, one model and plan, one case, and one of the metrics ``wanted``.

    Without any wanted, the first of the headline metrics that a case has. Changes are looked for from 15 runs on (C8: E-divisive
    candidates, Welch's p < 0.001, and no smaller than ``margin``).
    """
    groups: dict[tuple[str, ...], list[Measured]] = {}
    once = {run.identity: run for run in sorted(runs, key=lambda one: one.path, reverse=True)}  # a copy of a run is no second run
    for run in sorted(once.values(), key=lambda one: (one.created, one.path)):
        for case, metric in _chosen(run, wanted):
            one = run.conditions
            groups.setdefault((one.machine_words, one.machine, one.engine, one.model, case, metric, one.plan_digest(case)), []).append(run)
    return History(path, margin, tuple(_series(members, key[4], key[5], margin) for key, members in sorted(groups.items())), tuple(notes))


def _chosen(run: Measured, wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    for case in dict.fromkeys(case for case, _ in run.samples):
        names = wanted or [name for name in HEADLINES if (case, name) in run.samples][:1]
        yield from ((case, name) for name in names if (case, name) in run.samples and min(run.samples[case, name].values) > 0)


def _series(runs: Sequence[Measured], case: str, metric: str, margin: float) -> Series:
    points = [_point(run, run.samples[case, metric], _changed(before, run, case)) for before, run in zip((None, *runs), runs, strict=False)]
    found = stats.change_points([point.value for point in points], margin)
    higher = higher_is_better(metric)
    changes = tuple(HistoryChange(one.index, one.before, one.after, one.after / one.before, one.p, (one.after > one.before) == higher) for one in found)
    first = runs[0].conditions
    return Series(first.machine_words, first.engine, first.model, case, metric, unit_of(metric), higher, tuple(points), changes,
                  max(0, stats.LEAST_POINTS - len(points)))


def _point(run: Measured, sample: Sample, changed: tuple[Difference, ...]) -> HistoryPoint:
    values = sample.values
    value, width = geometric_mean(values), stats.log_t_half_width(values)
    low, high = (None, None) if width is None else (value * math.exp(-width), value * math.exp(min(width, 700.0)))
    return HistoryPoint(run.path, run.created, value, low, high, len(values), changed, run.trust)


def _changed(before: Measured | None, run: Measured, case: str) -> tuple[Difference, ...]:
    return () if before is None else differences(before.conditions, run.conditions, [(case, case)])
