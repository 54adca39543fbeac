"""Whether the machine was the same from beginning to end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from touchstone.finding import CaseFinding
from touchstone.judge import stats
from touchstone.judge.plots.played import Played
from touchstone.judge.plots.thinning import thinned
from touchstone.judge.summarize import trial_value
from touchstone.plots import Point, Stability, StabilityPoint
from touchstone.record import Phase, Run, Trial
from touchstone.units import NS_PER_S

MOST_READINGS = 300


@dataclass(frozen=True)
class _Rates:
    """The output throughput of every trial that entered the estimates of a case, and of its warm-ups."""

    case: str
    measured: tuple[tuple[Trial, float], ...]
    warmups: tuple[tuple[Trial, float], ...]

    @property
    def median(self) -> float:
        return median(rate for _, rate in self.measured)

    @property
    def launches(self) -> list[list[float]]:
        groups: dict[int, list[float]] = {}
        for trial, rate in self.measured:
            groups.setdefault(trial.launch, []).append(rate)
        return list(groups.values())


def stability_of(run: Run, cases: Sequence[CaseFinding], played: Played) -> Stability | None:
    """Trials in order, and what the devices said meanwhile; None where no trial succeeded."""
    rates = [one for case in cases if (one := _rates(case.name, played)).measured and one.median > 0]
    if not rates:
        return None
    readings = _Readings(run)
    return Stability(
        points=_in_order(_point(one, trial, rate, played) for one in rates for trial, rate in one.measured),
        launch_cv={one.case: cv for one in rates if (cv := _between_launches(one)) is not None},
        warmup=_in_order(_point(one, trial, rate, played) for one in rates for trial, rate in one.warmups),
        temperature_c=readings.of("temperature_c"), frequency_hz=readings.of("frequency_hz"))


def _rates(case: str, played: Played) -> _Rates:
    def known(trials: Sequence[Trial]) -> tuple[tuple[Trial, float], ...]:
        return tuple((trial, rate) for trial in trials if (rate := trial_value("output_throughput", trial)) is not None)
    return _Rates(case, known([trial for _, trial in played.whole(case)]), known(played.warmups(case)))


def _point(rates: _Rates, trial: Trial, rate: float, played: Played) -> StabilityPoint:
    return StabilityPoint(played.among_all(trial), trial.launch, rates.case, rate / rates.median)


def _in_order(points: Iterator[StabilityPoint]) -> tuple[StabilityPoint, ...]:
    return tuple(sorted(points, key=lambda point: point.order))


def _between_launches(rates: _Rates) -> float | None:
    """The standard deviation between launches, relative to the mean of all trials; what trials vary by is not in it."""
    variances = stats.variance_components(rates.launches)
    return None if variances is None else math.sqrt(variances.between) / fmean(rate for _, rate in rates.measured)


class _Readings:
    """What was read off the device that got hottest, or without a thermometer off the slowest, in seconds since the first trial."""

    def __init__(self, run: Run) -> None:
        trials = [trial for trial in run.trials if trial.phase in {Phase.WARMUP, Phase.MEASURED}]
        self._from_ns, self._to_ns = min(trial.sent_ns for trial in trials), max(trial.ended_ns for trial in trials)
        devices: dict[tuple[str, int], dict[str, list[Point]]] = {}
        for sample in run.device_samples:
            self._add(devices.setdefault((sample.kind, sample.index), {}), vars(sample))
        if not devices and run.samples:
            host = devices.setdefault(("cpu", 0), {})
            for one in run.samples:
                self._add(host, {"at_ns": one.at_ns, "frequency_hz": one.frequency_hz})
        self._series = max(devices.values(), key=_hotness, default={})

    def _add(self, series: dict[str, list[Point]], sample: Mapping[str, float | None]) -> None:
        at_ns = sample["at_ns"]
        for name in ("temperature_c", "frequency_hz"):
            value = sample.get(name)
            if value is not None and at_ns is not None and self._from_ns <= at_ns <= self._to_ns:
                series.setdefault(name, []).append(((at_ns - self._from_ns) / NS_PER_S, float(value)))

    def of(self, name: str) -> tuple[Point, ...]:
        points = np.array(sorted(self._series.get(name, []))).reshape(-1, 2)
        return thinned(points[:, 0], points[:, 1], MOST_READINGS)


def _hotness(series: Mapping[str, Sequence[Point]]) -> tuple[float, float]:
    hottest = max((value for _, value in series.get("temperature_c", ())), default=-math.inf)
    slowest = min((value for _, value in series.get("frequency_hz", ())), default=math.inf)
    return hottest, -slowest
