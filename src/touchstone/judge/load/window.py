"""Which stretch of a point is measured: the one rule that throughput, goodput and Little's law share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from touchstone.judge import metrics
from touchstone.served import Column, Point, Requests
from touchstone.units import NS_PER_S

LEAST_SHARE = 0.3
SLICES = 10
"""Equal slices of a window, or batches of requests, whose means are taken as independent of each other (10 to 30 are usual)."""
Slices = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Stretch:
    """After ``start_ns``, up to and including ``end_ns``. It is not ``steady`` where ramp and drain had to be included."""

    start_ns: int
    end_ns: int
    steady: bool

    @property
    def seconds(self) -> float:
        return max(self.end_ns - self.start_ns, 0) / NS_PER_S

    def slice_of(self, at_ns: np.ndarray[Any, np.dtype[np.int64]], count: int = SLICES) -> Slices:
        """For each stamp its slice of ``count`` equal ones, from 0; ``count`` where it lies outside."""
        if self.end_ns <= self.start_ns:
            return np.full(len(at_ns), count, dtype=np.int64)
        # In floating point: a stamp off by a billionth at a slice's edge changes nothing, and the product cannot overflow.
        place = (at_ns - (self.start_ns + 1)) * (count / (self.end_ns - self.start_ns))
        inside = (at_ns > self.start_ns) & (at_ns <= self.end_ns)
        return np.where(inside, np.minimum(place.astype(np.int64), count - 1), count)

    def slices(self, at_ns: Column, chosen: metrics.Flags, weights: Column | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
        """How many of the ``chosen`` stamps, or how much of their ``weights``, fall into each slice."""
        kept = chosen & ~np.ma.getmaskarray(at_ns)
        weigh = None
        if weights is not None:
            kept = kept & ~np.ma.getmaskarray(weights)
            weigh = weights.data[kept]
        return np.bincount(self.slice_of(at_ns.data[kept]), weights=weigh, minlength=SLICES + 1)[:SLICES].astype(np.float64)


def stretch_of(point: Point, requests: Requests) -> Stretch | None:
    """The measured stretch of ``requests``, the rows of ``point``; None if nothing was sent.

    From the first request that ended well, in a closed loop from as many as are in flight together (the system has filled; not before
    a ramp is over), to the last request sent (the load is still offered). If fewer than 30 % of all that ended well ended in there, it
    is the whole span instead, from the first request sent to the last one ended, and not steady.
    """
    sent = requests.sent_ns.compressed()
    if not len(sent):
        return None
    good = metrics.succeeded(requests)
    ended = requests.ended_ns[good].compressed()
    if len(ended):
        ramp_ns = round(float(point.load.get("ramp_s") or 0) * NS_PER_S)
        start_ns, end_ns = max(_filled_ns(point, ended), int(sent.min()) + ramp_ns), int(sent.max())
        if np.count_nonzero((ended > start_ns) & (ended <= end_ns)) >= LEAST_SHARE * len(ended):
            return Stretch(start_ns, end_ns, steady=True)
    return span_of(requests)


def span_of(requests: Requests) -> Stretch | None:
    """From the first request sent to the last one ended; None if nothing was sent."""
    sent, last = requests.sent_ns.compressed(), requests.ended_ns.compressed()
    if not len(sent):
        return None
    return Stretch(int(sent.min()), max(int(sent.max()), int(last.max()) if len(last) else 0), steady=False)


def _filled_ns(point: Point, ended: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    """When the first round was over: answers of equal length end in rounds, and a window that cuts one would count it whole."""
    closed = point.load.get("arrival") is None
    slots = min(int(point.load.get("concurrency") or 1), len(ended)) if closed else 1
    return int(np.partition(ended, slots - 1)[slots - 1])
