"""Energy from samples: the difference of a counter, or the integral of sampled power. Nothing is taken for granted between samples far apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from touchstone.message import Message, say
from touchstone.units import NS_PER_S, significant

LEAST_PERIODS = 3
"""A stretch of time shorter than so many sampling periods has too few samples to say anything of it."""
MOST_GAP_PERIODS = 3
"""Samples further apart than so many periods leave a hole."""

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Curve:
    """A quantity over time: seconds since some moment, rising, and a value at each."""

    at_s: Array
    values: Array
    start_ns: int

    @staticmethod
    def of(points: Iterable[tuple[int, float]]) -> Curve:
        """From stamps in nanoseconds, in any order; of several at one moment the last holds."""
        ordered = sorted(dict(points).items())
        start_ns = ordered[0][0] if ordered else 0
        return Curve(np.array([(at_ns - start_ns) / NS_PER_S for at_ns, _ in ordered]), np.array([value for _, value in ordered], dtype=float),
                     start_ns)

    @property
    def period_s(self) -> float | None:
        """The usual time between samples, their median; None below two."""
        return float(np.median(np.diff(self.at_s))) if len(self.at_s) > 1 else None

    def cut(self, from_ns: int, to_ns: int) -> Curve:
        """The curve between two moments within it, each of them a point of it by straight lines between samples."""
        start_s, end_s = ((moment - self.start_ns) / NS_PER_S for moment in (from_ns, to_ns))
        inner = (self.at_s > start_s) & (self.at_s < end_s)
        at_s = np.concatenate([[start_s], self.at_s[inner], [end_s]])
        return Curve(at_s, np.interp(at_s, self.at_s, self.values), self.start_ns)

    def hole(self, from_ns: int, to_ns: int) -> Message | None:
        """Why the curve says too little of that time, or None."""
        period_s, length_s = self.period_s, (to_ns - from_ns) / NS_PER_S
        if period_s is None:
            return say("fewer than two samples")
        if length_s < LEAST_PERIODS * period_s:
            return say("{length} s is shorter than {count} sampling periods of {period} s", length=significant(length_s, 3),
                       count=LEAST_PERIODS, period=significant(period_s, 3))
        start_s, end_s = ((moment - self.start_ns) / NS_PER_S for moment in (from_ns, to_ns))
        first, last = np.searchsorted(self.at_s, start_s, "right") - 1, np.searchsorted(self.at_s, end_s, "left")
        if first < 0 or last >= len(self.at_s):
            return say("the samples do not reach over all of it")
        longest_s = float(np.diff(self.at_s[first:last + 1]).max())
        if longest_s > MOST_GAP_PERIODS * period_s:
            return say("{gap} s without a sample, at a period of {period} s", gap=significant(longest_s, 3), period=significant(period_s, 3))
        return None


def counted_energy(counter: Curve, from_ns: int, to_ns: int) -> float | Message:
    """How far a counter of joules rose between two moments, or why that cannot be said."""
    problem = counter.hole(from_ns, to_ns)
    if problem is not None:
        return problem
    values = counter.cut(from_ns, to_ns).values
    if (np.diff(values) < 0).any():
        return say("the energy counter fell")
    return float(values[-1] - values[0])


def integrated_energy(power: Curve, from_ns: int, to_ns: int) -> float | Message:
    """The integral of sampled watts between two moments by trapezoids, in joules, or why that cannot be said."""
    problem = power.hole(from_ns, to_ns)
    if problem is not None:
        return problem
    part = power.cut(from_ns, to_ns)
    return float(((part.values[1:] + part.values[:-1]) / 2 * np.diff(part.at_s)).sum())
