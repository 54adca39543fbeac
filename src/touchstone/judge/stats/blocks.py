"""Intervals from one series whose neighbours resemble each other: by blocks, long enough to be nearly independent.

They speak of this series alone. What another launch would give, only another launch can tell (see ``replication``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from touchstone.judge.stats.intervals import CONFIDENCE, Floats, Interval
from touchstone.message import say

LEAST_RESAMPLED = 8
"""A bootstrap of fewer values is too narrow to be shown."""


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


def block_bootstrap(values: Sequence[float] | Floats, statistic: Callable[[Floats], float], *, seed: int, block: int | None = None,
                    resamples: int = 1000, confidence: float = CONFIDENCE) -> Interval:
    """``statistic`` of ``values`` between the percentiles it takes over series made of their blocks, drawn with replacement.

    Blocks overlap (moving blocks; Künsch, Annals of Statistics 17, 1989) and are the cube root of n long unless ``block`` says; 1 is the
    plain bootstrap, for independent values. Time grows with n times ``resamples``, memory with n.
    """
    series = np.asarray(values, dtype=float)
    n = len(series)
    length = max(1, min(block or math.ceil(n ** (1 / 3)), n))
    method = f"moving-block bootstrap, {resamples} resamples of blocks of {length}, seed {seed}"
    if n < LEAST_RESAMPLED:
        return Interval(float(statistic(series)) if n else None, None, None, confidence, n, method,
                        reason=say("n too small: have {have}, need {need}", have=n, need=LEAST_RESAMPLED))
    rng = np.random.default_rng(seed)
    within = np.arange(length)
    drawn = np.empty(resamples)
    for index in range(resamples):
        starts = rng.integers(0, n - length + 1, math.ceil(n / length))
        drawn[index] = statistic(series[(starts[:, None] + within).ravel()[:n]])
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(float(statistic(series)), low, high, confidence, n, method)
