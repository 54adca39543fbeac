"""Distributions of latencies, with the service levels that were asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from touchstone.finding import CaseFinding
from touchstone.judge.metrics import METRICS
from touchstone.plots import Cdf, CdfCurve, LimitLine, Point

Floats = np.ndarray[Any, np.dtype[Any]]
LATENCIES = ("ttft", "tpot", "itl", "e2e")
STEPS = 200
_EVEN, _TAIL = 100, 90
_DIGITS = 9  # of seconds: stamps are whole nanoseconds, and gaps are kept in 32 bits


def cdfs_of(cases: Sequence[CaseFinding], metrics: Sequence[str], values: Callable[[str, CaseFinding], Floats]) -> tuple[Cdf, ...]:
    """One distribution per metric that any case has; ``values`` gives all those of a metric and a case, in any order."""
    return tuple(cdf for metric in metrics if (cdf := _cdf(metric, cases, values)).curves)


def _cdf(metric: str, cases: Sequence[CaseFinding], values: Callable[[str, CaseFinding], Floats]) -> Cdf:
    curves = tuple(CdfCurve(case.name, case.trust, len(found), steps_of(found)) for case in cases if len(found := values(metric, case)))
    return Cdf(metric, METRICS[metric].unit, curves, tuple(_limits(metric, cases)))


def _limits(metric: str, cases: Sequence[CaseFinding]) -> Iterator[LimitLine]:
    yield from dict.fromkeys(LimitLine(slo.level, slo.limit_s, slo.quantile) for case in cases for slo in case.slos if slo.metric == metric)


def steps_of(values: Floats) -> tuple[Point, ...]:
    """The share of ``values`` that are at most x, at :data:`STEPS` of them or fewer: all, or every percentile and the upper tail.

    The tail is closer the nearer it is to the largest: what a user of a stream complains of lies there.
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n > STEPS:
        shares = np.concatenate([np.arange(1, _EVEN + 1) / _EVEN, 1 - np.geomspace(1 / n, 1 / _EVEN, _TAIL)])
        # The least of n values at or below which a share of them lies; the margin forgives the rounding of shares such as 0.29.
        ranks = np.clip(np.ceil(shares * n - 1e-6).astype(np.int64), 1, n) - 1
        at = np.unique(np.concatenate([ordered[:1], ordered[ranks]]))
    else:
        at = np.unique(ordered)
    return tuple((round(float(x), _DIGITS), int(count) / n) for x, count in zip(at, np.searchsorted(ordered, at, side="right"), strict=True))
