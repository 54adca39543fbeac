"""A metric over the repeats of a case → an estimate with its interval, its quantiles and the reason for what is missing.

Requests of one repeat resemble each other, so they are not the unit of an interval: with several repeats each repeat is one value;
with one, batches of neighbouring requests (or slices of the window) are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from touchstone.finding import Estimate
from touchstone.judge import stats
from touchstone.judge.load.window import SLICES
from touchstone.judge.metrics import METRICS
from touchstone.judge.summarize import QUANTILES, nothing, too_few
from touchstone.message import Message, say

BETWEEN_REPEATS = "log-t over repeats"
BATCH_MEANS = f"t over the means of {SLICES} batches of requests in order of sending, in one repeat"
SLICE_MEANS = f"t over {SLICES} equal slices of the window, in one repeat"
_DIGITS = 9  # stamps are whole nanoseconds; what lies below is the noise of 32-bit gaps
Interval = tuple[float | None, float | None, str, dict[str, Message]]


@dataclass(frozen=True)
class Sample:
    """A metric in one repeat: all ``values`` in any order; row k, in order of sending, brought ``counts[k]`` of them, together ``sums[k]``."""

    values: np.ndarray[Any, np.dtype[Any]]
    sums: np.ndarray[Any, np.dtype[Any]]
    counts: np.ndarray[Any, np.dtype[Any]]

    @staticmethod
    def of_rows(values: np.ndarray[Any, np.dtype[np.float64]]) -> Sample:
        """One value per row."""
        return Sample(values, values, np.ones(len(values)))

    @property
    def mean(self) -> float:
        """The mean over all values, of which there is at least one."""
        return float(self.sums.sum()) / len(self.values)


def spread(name: str, repeats: Sequence[Sample], missing: Message) -> Estimate:
    """Mean, interval, quantiles and maximum of a metric; ``missing`` is the reason if there is no value at all.

    The values of a single repeat are sorted in place, in part.
    """
    samples = [one for one in repeats if len(one.values)]
    if not samples:
        return nothing(name, missing)
    n = sum(len(one.values) for one in samples)
    mean = sum(float(one.sums.sum()) for one in samples) / n
    low, high, method, reasons = interval(
        mean, [one.mean for one in samples], stats.batch_means(samples[0].sums, samples[0].counts, SLICES), BATCH_MEANS)
    pooled = samples[0].values if len(samples) == 1 else np.concatenate([one.values for one in samples])
    largest = round(float(pooled.max()), _DIGITS)
    printable = [key for key, probability in QUANTILES.items() if n >= stats.least_n(probability)]
    at = stats.quantiles(pooled, [QUANTILES[key] for key in printable]) if printable else []
    found = {key: round(value, _DIGITS) for key, value in zip(printable, at, strict=True)}
    between = {key: both for key in printable if (both := stats.quantile_bounds(pooled, QUANTILES[key]))}
    reasons |= {key: too_few(n, QUANTILES[key]) for key in QUANTILES if key not in found}
    return Estimate(metric=name, unit=METRICS[name].unit, n=n, value=mean, low=low, high=high, method=method,
                    quantiles={**{key: found.get(key) for key in QUANTILES}, "max": largest},
                    bounds={key: (round(one, _DIGITS), round(other, _DIGITS)) for key, (one, other) in between.items()}, reasons=reasons)


def interval(centre: float, repeats: Sequence[float], within: Sequence[float], method: str) -> Interval:
    """The 95 % interval around ``centre``: over the ``repeats`` where there are several, else over the means ``within`` the one."""
    if len(repeats) > 1:
        width = stats.log_t_half_width(repeats)
        if width is not None:
            return centre * math.exp(-width), centre * math.exp(width), BETWEEN_REPEATS, {}
        reason = say("an interval on the log scale needs positive values")
        return None, None, BETWEEN_REPEATS, {"low": reason, "high": reason}
    width = stats.t_half_width(within)
    if width is not None:
        return max(centre - width, 0.0), centre + width, method, {}
    reason = say("an interval needs two repeats, or a repeat of at least four requests")
    return None, None, method, {"low": reason, "high": reason}
