"""How far apart two distributions are."""

from __future__ import annotations

import math

import numpy as np

from touchstone.judge.stats.intervals import Floats


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
