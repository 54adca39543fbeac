"""Values far from the rest: told by their places, to be explained and never to be left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from touchstone.judge.stats.intervals import Floats

_NORMAL_MAD = 1.4826  # standard deviation over median absolute deviation, normal values


def far_by_mad(values: Sequence[float] | Floats, times: float = 10.0) -> list[int]:
    """Indices of values further from the median than ``times`` the deviation that the MAD stands for (as hyperfine warns).

    Where more than half of the values are equal, every other one is far.
    """
    if not len(values):
        return []
    distances = np.abs(np.asarray(values, dtype=float) - np.median(values))
    return _where(distances > times * _NORMAL_MAD * np.median(distances))


def far_by_quartiles(values: Sequence[float] | Floats, times: float = 3.0) -> list[int]:
    """Indices of values more than ``times`` the interquartile range outside the quartiles (Tukey's outer fences, as criterion warns)."""
    if not len(values):
        return []
    series = np.asarray(values, dtype=float)
    lower, upper = np.quantile(series, [0.25, 0.75])
    reach = times * (upper - lower)
    return _where((series < lower - reach) | (series > upper + reach))


def _where(flags: Floats) -> list[int]:
    return [int(place) for place in np.flatnonzero(flags)]
