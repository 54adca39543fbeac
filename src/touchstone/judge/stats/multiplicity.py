"""Many tests at once: the more one looks, the more one finds by chance."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Each p adjusted for the whole family, so that any false alarm among them stays as rare as the level says.

    The k-th smallest of m is multiplied by m - k + 1, and none may fall below a smaller one (Holm, Scand. J. Statist. 6, 1979). The tests
    may depend on each other. A test that was not possible (None) stays None and does not count.
    """
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = largest
    return adjusted
