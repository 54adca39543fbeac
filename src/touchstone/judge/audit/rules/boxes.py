"""Arithmetic on printed numbers: a number stands for every value that would be printed like it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from touchstone.claim import Figure


def exact(value: float) -> Figure:
    """A count, which is what it says."""
    return Figure(value, value, value)


def span(formula: Callable[..., float], *figures: Figure) -> Figure:
    """What ``formula`` can give for any point of the box of ``figures``; it must be monotone in each of them."""
    value = formula(*[figure.value for figure in figures])
    ends = [(figure.low,) if figure.low == figure.high else (figure.low, figure.high) for figure in figures]
    if len(ends) == 1:
        corners = [formula(end) for end in ends[0]]
    else:
        corners = [formula(*corner) for corner in product(*ends)]
    return Figure(value, min(corners), max(corners))


def meets(one: Figure, other: Figure, margin: float) -> bool:
    """Whether some point of ``one`` lies within ``margin`` (a share) of some point of ``other``."""
    return one.low <= other.high * (1 + margin) and one.high >= other.low * (1 - margin)
