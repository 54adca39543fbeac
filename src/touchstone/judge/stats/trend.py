"""Does a series drift, and by how much? Mann and Kendall's test, Theil and Sen's slope: both by ranks, so no outlier decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist, median

import numpy as np

from touchstone.judge.stats.intervals import CONFIDENCE, Floats, Interval
from touchstone.message import say

_LEAST_PAIRED = 500


def mann_kendall_p(values: Sequence[float] | Floats) -> float:
    """Two-sided p of the Mann-Kendall trend test (normal approximation with ties, continuity-corrected; use from n = 10).

    Time grows with n log² n, memory with n. Values are taken as independent.
    """
    ranks, ties = _dense_ranks(values)
    score, deviation = _score(ranks), _score_deviation(len(ranks), ties)
    if deviation <= 0 or score == 0:
        return 1.0
    return 2 * NormalDist().cdf(-(abs(score) - 1) / deviation)


def theil_sen(values: Sequence[float] | Floats, confidence: float = CONFIDENCE) -> Interval:
    """The median slope over all pairs, per step from one value to the next, with Sen's interval (JASA 63, 1968).

    A series of 1000 or more is first cut into stretches, at least 500 of them, each told by its median; ``method`` says so. Below two
    values there is no slope, and where the pairs are too few for the confidence (fewer than six values at 95 %) no interval.
    """
    series, step, method = _thinned(np.asarray(values, dtype=float))
    n, z = len(series), NormalDist().inv_cdf(0.5 + confidence / 2)
    needed = next(count for count in itertools.count(2) if _outer_rank(count, z * _score_deviation(count, np.ones(count))) >= 1)
    reason = None if n >= needed else say("n too small: have {have}, need {need}", have=n, need=needed)
    if n < 2:
        return Interval(None, None, None, confidence, len(values), method, reason=reason)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((series[second] - series[first]) / ((second - first) * step))
    centre = float(np.median(slopes))
    if reason:
        return Interval(centre, None, None, confidence, len(values), method, reason=reason)
    rank = _outer_rank(n, z * _score_deviation(n, _dense_ranks(series)[1]))
    return Interval(centre, float(slopes[rank - 1]), float(slopes[-rank]), confidence, len(values), method)


def _outer_rank(n: int, width: float) -> int:
    """The rank, from either end, of the slope that bounds the interval, rounded outwards; below 1 there is none."""
    return math.floor((n * (n - 1) / 2 - width) / 2)


def theil_sen_drift(values: Sequence[float]) -> float:
    """Drift over the whole series as a share of its median: the median pairwise slope times the length."""
    slope = theil_sen(values).value
    assert slope is not None
    return slope * (len(values) - 1) / median(values)


def _thinned(series: Floats) -> tuple[Floats, float, str]:
    """A series short enough for all its pairs, the distance of its values in steps of the whole one, and how it was made."""
    size = len(series) // _LEAST_PAIRED
    if size < 2:
        return series, 1.0, "Theil-Sen"
    kept = len(series) // size * size
    return np.median(series[len(series) - kept:].reshape(-1, size), axis=1), float(size), f"Theil-Sen over medians of {size} neighbours"


def _dense_ranks(values: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    """Ranks from 0 that equal values share, and how many share each."""
    _, ranks, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    return ranks.astype(np.int64), counts


def _score(ranks: Floats) -> int:
    """Pairs that rise minus pairs that fall, counted while merging ever longer neighbours."""
    n, score, width = len(ranks), 0, 1
    places = np.arange(n)
    while width < n:
        block, is_left = places // (2 * width), (places // width) % 2 == 0
        rising = _left_before_right(2 * (block * n + ranks) + is_left, block, is_left)
        not_falling = _left_before_right(2 * (block * n + ranks) + ~is_left, block, is_left)
        lefts = np.bincount(block, is_left)
        pairs = int((lefts * np.bincount(block, ~is_left)).sum())
        score += rising + not_falling - pairs
        width *= 2
    return score


def _left_before_right(keys: Floats, block: Floats, is_left: Floats) -> int:
    """Over all blocks: pairs of a value of the left half and one of the right that comes after it in the order of ``keys``."""
    order = np.argsort(keys, kind="stable")
    lefts = is_left[order].cumsum()
    before = np.concatenate([[0], np.bincount(block, is_left).cumsum()])[block[order]]
    return int((lefts - before)[~is_left[order]].sum())


def _score_deviation(n: int, ties: Floats) -> float:
    """Standard deviation of the score where there is no trend."""
    lost = float((ties * (ties - 1.0) * (2 * ties + 5)).sum())
    return math.sqrt(max(0.0, n * (n - 1) * (2 * n + 5) - lost) / 18)
