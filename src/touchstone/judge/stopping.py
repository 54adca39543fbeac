"""When is a case warm, and when is it precise enough? Asked by a measurement, answered here, from the trials alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, stdev

from touchstone.judge import stats
from touchstone.judge.columns import window_of
from touchstone.judge.metrics import output_throughput
from touchstone.record import Trial

LEAST_TRIALS = 10
"""An adaptive stop below ten trials covers the truth too rarely (92-94 % instead of 95 %, by simulation)."""
_BLOCK = 5
_LEAST_SHIFT = 0.02
_MEDIAN_ERROR = 1.2533  # standard error of a median over that of a mean, normal values


def enough(trials: Sequence[Trial], half_width: float) -> bool:
    """Whether the throughput of ``trials`` is known within ``half_width`` (relative, 95 %)."""
    rates = [rate for trial in trials if (window := window_of(trial)) and (rate := output_throughput(window))]
    if len(rates) < LEAST_TRIALS:
        return False
    width = stats.log_t_half_width(rates)
    return width is not None and math.expm1(width) <= half_width


def warm_after(trials: Sequence[Trial]) -> int | None:
    """The number of warm-up trials after which a pilot is steady; None while it is not.

    Steady: the medians of the last two blocks of five differ by no more than 2 % or their own standard error allows, and the
    last ten show no trend. The first two trials never count.
    """
    durations = [(trial.ended_ns - trial.sent_ns) * 1.0 for trial in trials]
    if len(durations) < 2 + 2 * _BLOCK:
        return None
    last, before = durations[-_BLOCK:], durations[-2 * _BLOCK:-_BLOCK]
    spread = stdev(last + before) / median(last + before)
    allowed = max(_LEAST_SHIFT, 2 * _MEDIAN_ERROR * spread * math.sqrt(2 / _BLOCK))
    shifted = abs(median(last) / median(before) - 1)
    if shifted > allowed or stats.mann_kendall_p(durations[-2 * _BLOCK:]) <= 0.05:
        return None
    return len(durations) - 2 * _BLOCK
