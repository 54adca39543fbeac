"""The requests of a point of load, one by one, and how many were in flight."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from touchstone.judge import metrics
from touchstone.judge.load.scan import Offered
from touchstone.judge.plots.thinning import thinned
from touchstone.plots import Gantt, GanttBar, Point
from touchstone.served import Column, Ending
from touchstone.units import NS_PER_S

MOST_BARS, MOST_STEPS = 120, 400
_SLOWEST = _FAILED = 20
_BLINK = 0.002
"""Of the whole span: less than a pixel of a picture."""
Integers = np.ndarray[Any, np.dtype[np.int64]]


def gantt_of(offered: Offered) -> Gantt | None:
    """The slowest requests by TTFT, some that failed, and the others evenly in the order of sending; None where none was sent."""
    requests = offered.requests
    sent = np.flatnonzero(~np.ma.getmaskarray(requests.sent_ns))
    if not len(sent):
        return None
    from_ns = int(requests.sent_ns.data[sent].min())
    return Gantt(offered.point.case, len(sent), tuple(_bar(offered, int(row), from_ns) for row in _chosen(offered, sent)),
                 _in_flight(offered, sent, from_ns), window_s(offered, from_ns))


def window_s(offered: Offered, from_ns: int) -> Point | None:
    """The measured window in seconds after ``from_ns``."""
    stretch = offered.stretch
    return None if stretch is None else ((stretch.start_ns - from_ns) / NS_PER_S, (stretch.end_ns - from_ns) / NS_PER_S)


def _chosen(offered: Offered, sent: Integers) -> Integers:
    """Rows to draw, in the order of sending."""
    requests = offered.requests
    sent = sent[np.argsort(requests.sent_ns.data[sent], kind="stable")]
    if len(sent) <= MOST_BARS:
        return sent
    slowness = metrics.ttft(requests).filled(-1.0)[sent]
    failed = np.flatnonzero(requests.ending.data[sent] != Ending.OK)
    kept = {*np.argsort(-slowness, kind="stable")[:_SLOWEST].tolist(), *failed[_spread(len(failed), _FAILED)].tolist()}
    others = np.delete(np.arange(len(sent)), list(kept))
    return sent[sorted(kept | {*others[_spread(len(others), MOST_BARS - len(kept))].tolist()})]


def _spread(count: int, most: int) -> Integers:
    """At most ``most`` places of ``count``, evenly apart, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)) if count else np.zeros(0, dtype=np.int64)


def _bar(offered: Offered, row: int, from_ns: int) -> GanttBar:
    requests = offered.requests

    def after(column: Column) -> float | None:
        return None if np.ma.getmaskarray(column)[row] else (int(column.data[row]) - from_ns) / NS_PER_S

    return GanttBar(int(requests.request.data[row]), (int(requests.sent_ns.data[row]) - from_ns) / NS_PER_S, after(requests.first_token_ns),
                    after(requests.ended_ns), Ending(int(requests.ending.data[row])).word)


def _in_flight(offered: Offered, sent: Integers, from_ns: int) -> tuple[Point, ...]:
    """How many were on their way, from each step on. One whose end nobody saw is on its way until the last end that was seen."""
    requests = offered.requests
    started, ended = requests.sent_ns.data[sent], requests.ended_ns.data[sent]
    unknown = np.ma.getmaskarray(requests.ended_ns)[sent]
    last = max(int(started.max()), int(ended[~unknown].max()) if not unknown.all() else 0)
    ended = np.maximum(np.where(unknown, last, ended), started)
    at_ns, place = np.unique(np.concatenate([started, ended]), return_inverse=True)
    counts = np.cumsum(np.bincount(place, weights=np.repeat([1.0, -1.0], len(sent))))
    seen = _longer_than_a_blink(at_ns, counts)
    return thinned((at_ns[seen] - from_ns) / NS_PER_S, counts[seen], MOST_STEPS)


def _longer_than_a_blink(at_ns: Integers, counts: np.ndarray[Any, np.dtype[Any]]) -> Integers:
    """The steps to draw: not the dips between an answer and the next request of a closed loop, which would stripe the whole picture.

    Steps that follow each other within a blink, and rise above neither what was before nor what comes after, are left out.
    """
    lasting = np.diff(at_ns, append=at_ns[-1])
    long = lasting >= (at_ns[-1] - at_ns[0]) * _BLINK
    long[0] = long[-1] = True
    fixed = np.flatnonzero(long)
    for before, after in pairwise(fixed.tolist()):
        if after - before > 1:
            inside = slice(before + 1, after)
            highest = before + 1 + int(counts[inside].argmax())
            if at_ns[after] - at_ns[before + 1] >= (at_ns[-1] - at_ns[0]) * _BLINK:
                long[inside] = True
            elif counts[highest] > max(counts[before], counts[after]):
                long[highest] = True
    return np.flatnonzero(long)
