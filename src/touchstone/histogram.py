"""Values counted into buckets, for whoever cannot take them one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Histogram:
    """The values of one ``case`` under a ``name``, in ``unit``; ``attributes`` tell apart those that share both.

    ``counts[k]`` of them are above ``bounds[k - 1]`` and at most ``bounds[k]``; the last count, one more than bounds, is of those above all.
    """

    case: str
    name: str
    unit: str
    attributes: Mapping[str, str]
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    smallest: float
    largest: float

    @property
    def n(self) -> int:
        """How many values there are."""
        return sum(self.counts)
