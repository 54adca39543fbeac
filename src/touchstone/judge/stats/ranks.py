"""The rank sum test of Mann, Whitney and Wilcoxon: exact, with ties too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from touchstone.judge.stats.intervals import Floats

_MOST_EXACT = 60


def rank_sum_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of the same distribution on both sides: of all ways to deal the ranks, the share at least as uneven, times two.

    Equal values share their mean rank. Up to 60 values in all are counted exactly (the shift algorithm; Streitberg and Röhmel, Statistical
    Software Newsletter 12, 1986); more by the normal approximation with ties, corrected for continuity. scipy's exact test knows no ties.
    """
    ranks = _doubled_ranks([*one, *other])
    observed = int(ranks[:len(one)].sum())
    if len(ranks) > _MOST_EXACT:
        return _normal_p(ranks, len(one), observed)
    ways = _ways(ranks, len(one))
    total = math.comb(len(ranks), len(one))
    return min(1.0, 2 * min(float(ways[:observed + 1].sum()), float(ways[observed:].sum())) / total)


def _doubled_ranks(values: Sequence[float]) -> Floats:
    """Twice the mean rank of each value, from 2: an integer."""
    _, place, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (2 * last - counts + 1)[place]


def _ways(ranks: Floats, chosen: int) -> Floats:
    """For each sum: in how many ways ``chosen`` of the ``ranks`` make it."""
    ways = np.zeros((chosen + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1
    for rank in ranks.tolist():
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    return ways[chosen]  # type: ignore[no-any-return]


def _normal_p(ranks: Floats, chosen: int, observed: int) -> float:
    from scipy.special import ndtr

    n = len(ranks)
    variance = chosen * (n - chosen) * float(ranks.var()) / (n - 1)
    if variance <= 0:
        return 1.0
    return min(1.0, 2 * float(ndtr((1 - abs(observed - chosen * float(ranks.mean()))) / math.sqrt(variance))))
