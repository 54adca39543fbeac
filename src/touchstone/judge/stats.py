"""Intervals, quantiles and trends of plain numbers. Has never heard of a token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist, fmean, median, stdev
from typing import Any

import numpy as np

CONFIDENCE = 0.95
Floats = np.ndarray[Any, np.dtype[Any]]


def log_t_half_width(values: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """Half-width, in log units, of the Student-t interval for the geometric mean of positive ``values``; None below two.

    A speed's errors are relative, so the interval is symmetric on the log scale: ``mean · exp(± half-width)``.
    """
    if len(values) < 2 or min(values) <= 0:
        return None
    from scipy.special import stdtrit  # the light part of scipy; scipy.stats takes seconds to import

    logs = [math.log(value) for value in values]
    quantile = float(stdtrit(len(values) - 1, 0.5 + confidence / 2))
    return quantile * stdev(logs) / math.sqrt(len(values))


def t_half_width(values: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """Half-width of the Student-t interval for the mean of ``values``; None below two."""
    if len(values) < 2:
        return None
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 0.5 + confidence / 2)) * stdev(values) / math.sqrt(len(values))


def batch_means(sums: Floats, counts: Floats, most: int) -> list[float]:
    """Means of up to ``most`` batches of neighbours, at least two in each; row k adds ``sums[k]`` in ``counts[k]`` values.

    Neighbours resemble each other, long batches hardly do: the spread of their means gives an interval for the mean of a series
    that is not independent (the method of batch means; Law, Simulation Modeling and Analysis, chapter 9).
    """
    batches = min(most, len(sums) // 2)
    if batches < 2:
        return []
    edges = np.linspace(0, len(sums), batches + 1).astype(int)[:-1]
    totals, sizes = np.add.reduceat(sums, edges), np.add.reduceat(counts, edges)
    return [float(total / size) for total, size in zip(totals, sizes, strict=True) if size]


def quantiles(values: Floats, probabilities: Sequence[float]) -> list[float]:
    """As :func:`quantile`, of an array, which is left partly sorted. Time grows with its length, memory does not."""
    places = [probability * (len(values) - 1) for probability in probabilities]
    values.partition(sorted({bound for place in places for bound in (math.floor(place), math.ceil(place))}))
    low, high = [[float(values[bound(place)]) for place in places] for bound in (math.floor, math.ceil)]
    return [one + (other - one) * (place - math.floor(place)) for one, other, place in zip(low, high, places, strict=True)]


def least_n(probability: float, confidence: float = CONFIDENCE) -> int:
    """Independent values needed before a quantile has a one-sided bound: n >= ln(1 - confidence) / ln(probability).

    Exact binomial argument: the largest of n values lies above the quantile with probability 1 - probability^n.
    """
    return math.ceil(math.log(1 - confidence) / math.log(probability) - 1e-9)


def quantile(values: Sequence[float], probability: float) -> float:
    """Linear interpolation between order statistics (Hyndman and Fan's definition 7)."""
    ordered = sorted(values)
    place = probability * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def ks_distance(one: Floats, other: Floats) -> float:
    """Largest distance between the empirical distributions of two samples (Kolmogorov and Smirnov)."""
    one, other = np.sort(one), np.sort(other)
    pooled = np.concatenate([one, other])
    shares = [np.searchsorted(sample, pooled, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def ks_against(cumulative: Floats) -> float:
    """Largest distance between a sample's distribution and the one whose ``cumulative`` values at the ordered sample are given."""
    steps = np.arange(len(cumulative) + 1) / len(cumulative)
    return float(max((steps[1:] - cumulative).max(), (cumulative - steps[:-1]).max()))


def ks_p(distance: float, n: float) -> float:
    """How often chance alone makes a distance as large among ``n`` values (of two equal samples: half of each); asymptotic."""
    from scipy.special import kolmogorov

    return float(kolmogorov(distance * math.sqrt(n)))


def mann_kendall_p(values: Sequence[float]) -> float:
    """Two-sided p of the Mann-Kendall trend test (normal approximation with ties, continuity-corrected; use from n = 10)."""
    n = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if variance <= 0 or score == 0:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))


def theil_sen_drift(values: Sequence[float]) -> float:
    """Drift over the whole series as a share of its median: the median pairwise slope times the length."""
    slopes = [(later - earlier) / (j - i) for (i, earlier), (j, later) in combinations(enumerate(values), 2)]
    return median(slopes) * (len(values) - 1) / median(values)


def paired_ratio(changed: Sequence[float], plain: Sequence[float]) -> tuple[float, float | None]:
    """Geometric mean of the pairwise ratios and the half-width of its t-interval in log units."""
    ratios = [one / other for one, other in zip(changed, plain, strict=True)]
    return math.exp(fmean(map(math.log, ratios))), log_t_half_width(ratios)
