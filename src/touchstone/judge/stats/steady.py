"""Is a series of durations warm, and how did it get there? In the words of Barrett et al. (OOPSLA 2017, arXiv 1602.00602)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, stdev
from typing import Literal

from touchstone.judge.stats.intervals import t_quantile
from touchstone.judge.stats.trend import mann_kendall_p

BLOCK = 5
PROBE = 2 * BLOCK
"""The newest values that show whether the series is steady."""
LEAST_SHIFT = 0.02
_MEDIAN_ERROR = 1.2533  # standard error of a median over that of a mean, normal values
Course = Literal["flat", "warm-up", "slowdown", "no steady state"]


@dataclass(frozen=True)
class SteadyState:
    """How durations develop. ``start`` is the index from which they are steady; None where they never are."""

    course: Course
    start: int | None


def is_steady(durations: Sequence[float]) -> bool:
    """Whether the last ten durations are steady; fewer never are.

    Their two blocks of five have medians that differ by no more than 2 % or their own standard error allows, and the ten show no trend.
    """
    if len(durations) < PROBE:
        return False
    before, last = durations[-PROBE:-BLOCK], durations[-BLOCK:]
    spread = stdev([*before, *last]) / median([*before, *last])
    allowed = max(LEAST_SHIFT, 2 * _MEDIAN_ERROR * spread * math.sqrt(2 / BLOCK))
    return abs(median(last) / median(before) - 1) <= allowed and mann_kendall_p(durations[-PROBE:]) > 0.05


def steady_state(durations: Sequence[float]) -> SteadyState | None:
    """What course the durations take, seen from their last ten; None of fewer than ten.

    Flat: all like the end. Warm-up: slower before. Slowdown: faster before, if only for a stretch. *Like* is within 2 % or within what
    the spread of the last ten makes likely (Student's t at 95 % for all looks together): for medians of five, and at the edge for
    single values.
    """
    if len(durations) < PROBE:
        return None
    if not is_steady(durations):
        return SteadyState("no steady state", None)
    level, allowed = median(durations[-PROBE:]), _allowed(durations)
    start = _steady_from(durations, level, allowed)
    if start == 0:
        return SteadyState("flat", 0)
    stretches = [durations[max(0, end - BLOCK):end] for end in range(start, 0, -BLOCK)]
    faster = any(median(stretch) < level - (allowed[0] if len(stretch) == BLOCK else allowed[1]) for stretch in stretches)
    return SteadyState("slowdown" if faster else "warm-up", start)


def _steady_from(durations: Sequence[float], level: float, allowed: tuple[float, float]) -> int:
    of_blocks, of_values = allowed
    start = len(durations) - PROBE
    while start >= BLOCK and abs(median(durations[start - BLOCK:start]) - level) <= of_blocks:
        start -= BLOCK
    if start >= BLOCK:  # stopped at a block, and its later values, fewer than half, may be like the end
        return start - next((count for count in range(BLOCK // 2) if abs(durations[start - 1 - count] - level) > of_values), BLOCK // 2)
    # Nothing but the first values can be left: too few to move a median.
    return next((place for place, value in enumerate(durations) if abs(value - level) <= of_values), 0)


def _allowed(durations: Sequence[float]) -> tuple[float, float]:
    """How far from the median of the last ten a block's median and a single value may lie, in the durations' unit."""
    end = durations[-PROBE:]
    least, spread = LEAST_SHIFT * median(end), stdev(end)
    looks = max(1, (len(durations) - PROBE) // BLOCK) + BLOCK
    factor = t_quantile(PROBE - 1, 1 - 0.05 / looks) * spread
    return (max(least, factor * _MEDIAN_ERROR * math.sqrt(1 / BLOCK + 1 / PROBE)),
            max(least, factor * math.sqrt(1 + _MEDIAN_ERROR**2 / PROBE)))
