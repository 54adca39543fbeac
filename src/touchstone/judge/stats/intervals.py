"""Intervals for the centre of independent values: Student's t, plain, on logarithms, and for a ratio of sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance
from typing import Any

import numpy as np

from touchstone.message import Message, say

CONFIDENCE = 0.95
Floats = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Interval:
    """``value`` and the bounds that enclose the truth at ``confidence``, by ``method``, from ``n`` values, all in the values' unit.

    ``coverage`` is the exact chance of that where the method knows it: order statistics give what their ranks give, not just what was
    asked. A bound that the values do not support is None, and ``reason`` says why; a one-sided interval has one bound and no reason.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    n: int
    method: str
    coverage: float | None = None
    reason: Message | None = None


def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Student's quantile for a two-sided interval with ``freedom`` degrees of freedom: 4.30 for 2 at 95 %."""
    from scipy.special import stdtrit  # the light part of scipy; scipy.stats takes a second to import

    return float(stdtrit(freedom, 0.5 + confidence / 2))


def t_half_width(values: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """Half-width of the Student-t interval for the mean of ``values``; None below two."""
    if len(values) < 2:
        return None
    return t_quantile(len(values) - 1, confidence) * stdev(values) / math.sqrt(len(values))


def log_t_half_width(values: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """Half-width, in log units, of the Student-t interval for the geometric mean of positive ``values``; None below two.

    A speed's errors are relative, so the interval is symmetric on the log scale: ``mean · exp(± half-width)``.
    """
    if len(values) < 2 or min(values) <= 0:
        return None
    return t_half_width([math.log(value) for value in values], confidence)


def ratio_of_sums(numerators: Sequence[float], denominators: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """All of one over all of the other, tokens over seconds say: every second weighs the same, not every pair.

    The interval takes the pairs as independent and the ratio as linear near the sums (Cochran, Sampling Techniques, 1977, 6.3).
    """
    n, method = len(numerators), "ratio of sums, linearised, Student t"
    total = math.fsum(denominators)
    if total <= 0:
        return Interval(None, None, None, confidence, n, method, reason=say("the sum to divide by is not positive"))
    ratio = math.fsum(numerators) / total
    if n < 2:
        return Interval(ratio, None, None, confidence, n, method, reason=say("n too small: have {have}, need {need}", have=n, need=2))
    residuals = [one - ratio * other for one, other in zip(numerators, denominators, strict=True)]
    width = t_quantile(n - 1, confidence) * math.sqrt(n * variance(residuals, 0.0)) / total
    return Interval(ratio, ratio - width, ratio + width, confidence, n, method)


def paired_ratio(changed: Sequence[float], plain: Sequence[float]) -> tuple[float, float | None]:
    """Geometric mean of the pairwise ratios and the half-width of its t-interval in log units."""
    ratios = [one / other for one, other in zip(changed, plain, strict=True)]
    return math.exp(fmean(map(math.log, ratios))), log_t_half_width(ratios)
