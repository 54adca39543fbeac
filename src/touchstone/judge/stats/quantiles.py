"""Quantiles, and their exact intervals by order statistics: no assumption about the distribution, only independence.

How many of n values lie below the q-quantile is binomial with chance q, so the k-th smallest value is a bound with a probability
that can be counted (David and Nagaraja, Order Statistics, 2003, 7.1).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from touchstone.judge.stats.intervals import CONFIDENCE, Floats, Interval
from touchstone.message import say

_METHOD = "order statistics, exact"


def quantile(values: Sequence[float], probability: float) -> float:
    """Linear interpolation between order statistics (Hyndman and Fan's definition 7)."""
    ordered = sorted(values)
    place = probability * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


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


def least_n_two_sided(probability: float, confidence: float = CONFIDENCE) -> int:
    """Independent values needed before a quantile has a bound on both sides, half the error on each: 6 for the median at 95 %."""
    one_sided = (1 + confidence) / 2
    return max(least_n(probability, one_sided), least_n(1 - probability, one_sided))


def quantile_ranks(n: int, probability: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Which of ``n`` ordered values, counted from 1, bound the quantile from below and above; None where there are too few for both."""
    if n < least_n_two_sided(probability, confidence):
        return None
    tail = (1 - confidence) / 2
    return _rank_below(n, probability, tail), n + 1 - _rank_below(n, 1 - probability, tail)


def quantile_bounds(values: Floats, probability: float, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """The two order statistics of :func:`quantile_ranks`, of an array, which is left partly sorted."""
    ranks = quantile_ranks(len(values), probability, confidence)
    if ranks is None:
        return None
    values.partition([rank - 1 for rank in ranks])
    return float(values[ranks[0] - 1]), float(values[ranks[1] - 1])


def quantile_interval(values: Sequence[float], probability: float, confidence: float = CONFIDENCE) -> Interval:
    """The quantile between two order statistics, half the error at most on each side. ``coverage`` is the exact chance.

    Below :func:`least_n_two_sided` values the bounds are None with the reason; the quantile itself is given from one value on.
    """
    n = len(values)
    value = quantile(values, probability) if n else None
    ranks = quantile_ranks(n, probability, confidence)
    if ranks is None:
        needed = least_n_two_sided(probability, confidence)
        return Interval(value, None, None, confidence, n, _METHOD, reason=say("n too small: have {have}, need {need}", have=n, need=needed))
    low, high = ranks
    ordered = sorted(values)
    coverage = _chance_of_at_most(high - 1, n, probability) - _chance_of_at_most(low - 1, n, probability)
    return Interval(value, ordered[low - 1], ordered[high - 1], confidence, n, f"{_METHOD}, ranks {low} and {high}", coverage)


def quantile_upper(values: Sequence[float], probability: float, confidence: float = CONFIDENCE) -> Interval:
    """The quantile with its upper bound alone: the least order statistic that exceeds it at ``confidence``; from :func:`least_n` values."""
    n, needed = len(values), least_n(probability, confidence)
    value = quantile(values, probability) if n else None
    if n < needed:
        return Interval(value, None, None, confidence, n, _METHOD, reason=say("n too small: have {have}, need {need}", have=n, need=needed))
    high = n + 1 - _rank_below(n, 1 - probability, 1 - confidence)
    coverage = _chance_of_at_most(high - 1, n, probability)
    return Interval(value, None, sorted(values)[high - 1], confidence, n, f"{_METHOD}, rank {high}", coverage)


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The median between two order statistics: the extremes of 6 values at 96.9 %, ranks 2 and 9 of 10 at 97.9 %."""
    return quantile_interval(values, 0.5, confidence)


def _rank_below(n: int, probability: float, tail: float) -> int:
    """The highest rank that lies above the quantile with a chance of at most ``tail``; 0 if none does."""
    # The margin forgives the rounding of 1 - confidence where the chance is met exactly, as in :func:`least_n`.
    return bisect_right(range(n), tail * (1 + 1e-9), key=lambda below: _chance_of_at_most(below, n, probability))


def _chance_of_at_most(below: int, n: int, probability: float) -> float:
    """P(at most ``below`` of ``n`` values lie below the quantile)."""
    from scipy.special import bdtr

    return float(bdtr(below, n, probability))
