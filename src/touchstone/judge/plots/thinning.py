"""Fewer points that look the same: what stands out is kept, what lies between is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from touchstone.plots import Point

Numbers = np.ndarray[Any, np.dtype[Any]]


def thinned(x: Numbers, y: Numbers, most: int) -> tuple[Point, ...]:
    """At most ``most`` (four or more) of the points by rising ``x``: the first, and of equal stretches the lowest, the highest and the last.

    The last one is what holds until the next: a step must not seem to stay where it was for a moment.
    """
    places = np.arange(len(x))
    if len(x) > most:
        edges = np.searchsorted(x, np.linspace(x[0], x[-1], (most - 1) // 3 + 1)[1:-1])
        parts = [part for part in np.split(places, edges) if len(part)]
        kept = [int(place) for part in parts for place in (part[y[part].argmin()], part[y[part].argmax()], part[-1])]
        places = np.unique([0, *kept])
    return tuple(zip(x[places].tolist(), y[places].tolist(), strict=True))
