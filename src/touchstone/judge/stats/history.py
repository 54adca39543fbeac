"""When did a series change its level? Candidates by energy distance, each confirmed by a t-test and a least size.

The divisive part follows Matteson and James (JASA 109, 2014): split where the two sides differ most, as a permutation of the values
rarely would, and go on with the sides. Its weak level lets too much through, on purpose; then the neighbours of every candidate are
compared by Welch's test, and the weakest is dropped until all that are left hold. One point is never compared with the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from touchstone.judge.stats.comparison import LEAST_MARGIN, welch
from touchstone.judge.stats.intervals import Floats

LEAST_POINTS = 15
MOST_POINTS = 500
"""Of a longer series the newest are looked at: memory grows with the square."""
_LEAST_SEGMENT = 3
_PERMUTATIONS = 199
_WEAK_P = 0.05


@dataclass(frozen=True)
class ChangePoint:
    """From ``index`` on the level is ``after``, where it was ``before``: means of the stretches up to the neighbouring changes."""

    index: int
    before: float
    after: float
    p: float


def change_points(values: Sequence[float], margin: float = LEAST_MARGIN, p: float = 0.001, seed: int = 0) -> list[ChangePoint]:
    """Where the level of ``values`` (oldest first) changes by at least ``margin`` of it, with a Welch p below ``p``.

    Empty below :data:`LEAST_POINTS`, where nothing can be said. Only the last :data:`MOST_POINTS` are looked at.
    """
    if len(values) < LEAST_POINTS:
        return []
    offset = max(0, len(values) - MOST_POINTS)
    series = np.asarray(values[offset:], dtype=float)
    edges = [0, *_splits(series, np.random.default_rng(seed)), len(series)]
    while True:
        found = [_change(series, *edges[place - 1:place + 2]) for place in range(1, len(edges) - 1)]
        weak = [place for place, one in enumerate(found) if one.p >= p or abs(one.after - one.before) < margin * abs(one.before)]
        if not weak:
            return [ChangePoint(one.index + offset, one.before, one.after, one.p) for one in found]
        edges.remove(max((found[place] for place in weak), key=lambda one: one.p).index)


def _change(series: Floats, start: int, index: int, end: int) -> ChangePoint:
    before, after = series[start:index].tolist(), series[index:end].tolist()
    return ChangePoint(index, fmean(before), fmean(after), welch(before, after).p)


def _splits(series: Floats, rng: np.random.Generator) -> list[int]:
    """Indices, ascending, at which a stretch falls into two that differ more than chance makes likely at the weak level."""
    found: list[int] = []
    waiting = [(0, len(series))]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2 * _LEAST_SEGMENT:
            continue
        distances = np.abs(series[start:end, None] - series[None, start:end])
        energies = _energies(distances)
        best = int(energies.argmax())
        if energies[best] > 0 and _rare(distances, float(energies[best]), rng):
            split = start + _LEAST_SEGMENT + best
            found.append(split)
            waiting += [(start, split), (split, end)]
    return sorted(found)


def _energies(distances: Floats) -> Floats:
    """The scaled energy distance between the sides of every split that leaves at least three values on each."""
    n = len(distances)
    left = np.arange(1, n)
    right = n - left
    within_left = 2 * np.tril(distances, -1).sum(axis=1).cumsum()[:-1]
    with_left = distances.sum(axis=1).cumsum()[:-1]
    across = with_left - within_left
    within_right = distances.sum() - with_left - across
    energy = left * right / n * (2 * across / (left * right) - within_left / left**2 - within_right / right**2)
    return energy[_LEAST_SEGMENT - 1:n - _LEAST_SEGMENT]  # type: ignore[no-any-return]


def _rare(distances: Floats, observed: float, rng: np.random.Generator) -> bool:
    """Whether permutations reach ``observed`` rarely enough; gives up as soon as too many have."""
    allowed = int(_WEAK_P * (_PERMUTATIONS + 1)) - 1
    for _ in range(_PERMUTATIONS):
        order = rng.permutation(len(distances))
        allowed -= float(_energies(distances[np.ix_(order, order)]).max()) >= observed
        if allowed < 0:
            return False
    return True
