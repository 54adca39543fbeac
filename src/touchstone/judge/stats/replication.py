"""How often to repeat what: iterations inside a launch and launches, and when enough is enough.

What differs between launches (memory layout, clocks, neighbours) is shared by all iterations of one, so more iterations cannot
average it away (Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from touchstone.judge.stats.intervals import CONFIDENCE, log_t_half_width, t_quantile

LEAST_UNITS = 10
"""An adaptive stop below ten covers the truth too rarely (92-94 % instead of 95 %, by simulation)."""


@dataclass(frozen=True)
class Variances:
    """Variance ``between`` launches and ``within`` one, in the values' unit squared."""

    between: float
    within: float


def variance_components(launches: Sequence[Sequence[float]]) -> Variances | None:
    """Both variances from the iterations of each launch, by analysis of variance; launches may differ in length.

    None unless there are two launches and one of them has two iterations. A negative estimate of ``between`` is 0: the means differ no
    more than iterations make them (Searle, Casella and McCulloch, Variance Components, 1992, 3.6).
    """
    groups = [launch for launch in launches if launch]
    sizes = [len(group) for group in groups]
    n, count = sum(sizes), len(groups)
    if count < 2 or n == count:
        return None
    means = [fmean(group) for group in groups]
    grand = fmean(value for group in groups for value in group)
    within = sum((len(group) - 1) * variance(group) for group in groups if len(group) > 1) / (n - count)
    spread = sum(size * (mean - grand) ** 2 for size, mean in zip(sizes, means, strict=True)) / (count - 1)
    typical = (n - sum(size**2 for size in sizes) / n) / (count - 1)
    return Variances(max(0.0, (spread - within) / typical), within)


def iterations_per_launch(launch_cost: float, iteration_cost: float, variances: Variances) -> int | None:
    """The iterations of each launch that give the narrowest interval for the time spent; costs in one unit of time.

    ceil(sqrt(launch_cost / iteration_cost · within / between)), at least 1; None where launches do not differ: one is enough.
    """
    if variances.between <= 0:
        return None
    return max(1, math.ceil(math.sqrt(launch_cost / iteration_cost * variances.within / variances.between) - 1e-9))


def units_needed(cv: float, half_width: float, confidence: float = CONFIDENCE) -> int:
    """Independent values whose mean is known within the relative ``half_width``, spread as ``cv`` says: 12 for 3 % and 2 %.

    The least n with t(n-1) · cv / sqrt(n) <= half_width.
    """
    from scipy.special import ndtri

    n = max(2, math.floor((float(ndtri(0.5 + confidence / 2)) * cv / half_width) ** 2))
    while t_quantile(n - 1, confidence) * cv > half_width * math.sqrt(n) * (1 + 1e-12):
        n += 1
    return n


def known_within(values: Sequence[float], half_width: float, least: int = LEAST_UNITS, confidence: float = CONFIDENCE) -> bool:
    """Whether the geometric mean of positive ``values`` is known within ``half_width`` (relative), so that measuring may stop.

    Looking after every value bends the interval: it is not asked below ``least`` values.
    """
    if len(values) < least:
        return False
    width = log_t_half_width(values, confidence)
    return width is not None and math.expm1(width) <= half_width
