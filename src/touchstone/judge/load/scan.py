"""One pass over the events of a load run: what each answer's events add up to, and the gaps of all of them.

Nothing is kept per event but the gaps, as 32-bit seconds: an error of a ten-millionth of a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from touchstone.judge import metrics
from touchstone.judge.load.window import SLICES, Stretch, stretch_of
from touchstone.served import Ending, Events, LoadRun, Point, Requests
from touchstone.units import NS_PER_S

Integers = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Gaps = np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class Streams:
    """What the token events of one point's answers add up to: one row per request, in the order of the requests.

    ``arrivals`` counts events that came apart; ``counted`` are the tokens that events say they brought, and ``silent`` the events
    that do not say. ``slice_tokens`` are the tokens inside each slice of the window.
    """

    events: Integers
    arrivals: Integers
    gap_sum_ns: Integers
    longest_gap_ns: Integers
    counted: Integers
    silent: Integers
    slice_tokens: Floats
    stray: int = 0
    backwards: int = 0

    @staticmethod
    def empty(count: int) -> Streams:
        """Of ``count`` requests, before any event."""
        events, arrivals, counted, silent = (np.zeros(count, dtype=np.int32) for _ in range(4))
        gap_sum_ns, longest_gap_ns = (np.zeros(count, dtype=np.int64) for _ in range(2))
        return Streams(events, arrivals, gap_sum_ns, longest_gap_ns, counted, silent, np.zeros(SLICES))


@dataclass
class Offered:
    """One point: its rows, its measured stretch and its streams. ``gaps_s`` are those of requests that ended well, in any order."""

    point: Point
    requests: Requests
    stretch: Stretch | None
    streams: Streams
    gaps_s: Gaps
    places: Integers

    @property
    def good(self) -> metrics.Flags:
        """The rows that ended well."""
        return metrics.succeeded(self.requests)

    @cached_property
    def _order(self) -> Integers | None:
        sent = self.requests.sent_ns.data
        return None if (sent[1:] >= sent[:-1]).all() else np.argsort(sent, kind="stable")

    def in_order(self, values: Any) -> Any:
        """``values``, one for each request, in the order of sending."""
        return values if self._order is None else values[self._order]


@dataclass(frozen=True)
class Arrivals:
    """Token events of one point, a batch of them: when each came, how many tokens of use it brought, and when each gap ended.

    The gaps are those that :class:`Offered` keeps, in the same order.
    """

    at_ns: Integers
    tokens: Floats
    gap_ended_ns: Integers


Watch = Callable[[Offered, Arrivals], None]
"""Sees the events of a point pass by; its rows are all there, its streams are not yet."""


def offered_points(run: LoadRun, watch: Watch | None = None) -> tuple[Offered, ...]:
    """Every point of ``run`` with what its events add up to; ``watch`` sees them as they pass."""
    points = tuple(_empty(point, _rows_of(run.requests, point.index)) for point in run.points)
    by_index = {one.point.index: _Adder(one, watch) for one in points}
    for events in run.events():
        bearing = metrics.token_events(events)
        for index in _points_of(bearing):
            if index in by_index:
                by_index[index].add(_events_of(bearing, index))
    for adder in by_index.values():
        adder.finish()
    return points


def _rows_of(requests: Requests, index: int) -> Requests:
    """The rows of one point: a view where they are neighbours, as the client writes them."""
    chosen = np.flatnonzero(requests.point.data == index)
    if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen):
        rows = slice(int(chosen[0]), int(chosen[-1]) + 1)
        return requests.part(rows)
    return requests.where(requests.point.data == index)


def _points_of(events: Events) -> list[int]:
    """The points that the events are of; mostly one, for a batch is one worker's."""
    points = events.point.data
    found: list[int] = np.unique(points[np.flatnonzero(np.diff(points, prepend=points[:1] - 1))]).tolist()
    return found


def _events_of(events: Events, index: int) -> Events:
    here = events.point.data == index
    return events if here.all() else Events(**{one.name: getattr(events, one.name)[here] for one in fields(Events)})


def _empty(point: Point, requests: Requests) -> Offered:
    count = len(requests)
    places = np.full(int(requests.request.data.max()) + 1 if count else 0, -1, dtype=np.int32)
    places[requests.request.data] = np.arange(count)
    gaps = int(requests.token_events.filled(0).sum())
    return Offered(point, requests, stretch_of(point, requests), Streams.empty(count), np.empty(gaps, dtype=np.float32), places)


class _Adder:
    """Adds batches of events to one point."""

    def __init__(self, offered: Offered, watch: Watch | None) -> None:
        self._offered, self._watch = offered, watch
        self._filled = 0
        requests = offered.requests
        self._total = metrics.output_tokens(requests)
        self._good = offered.good
        # A request that we stopped ourselves brought tokens too; one that failed brought nothing of use.
        self._useful = self._good | (requests.ending.data == Ending.STOPPED)
        known = self._good & ~np.ma.getmaskarray(self._total) & (requests.token_events.filled(0) > 0)
        self._usual = float(self._total.data[known].sum() / requests.token_events.data[known].sum()) if known.any() else 1.0

    def add(self, events: Events) -> None:
        """Count token events of this point; a request's events come in one piece."""
        streams, places = self._offered.streams, self._offered.places
        starts = metrics.answer_starts(events)
        requests = events.request.data[starts]
        if not len(places):
            streams.stray += len(events)
            return
        known = (requests >= 0) & (requests < len(places))
        rows = np.where(known, places[np.where(known, requests, 0)], -1)
        lengths = np.diff(np.append(starts, len(events)))
        steps = metrics.steps_ns(events)
        apart = ~np.ma.getmaskarray(steps)
        streams.backwards += int(np.count_nonzero(steps.data < 0))
        gaps = apart & np.repeat((rows >= 0) & self._good[rows], lengths)
        self._keep_gaps(steps.data[gaps])
        silent = np.ma.getmaskarray(events.tokens)
        counted = np.add.reduceat(events.tokens.filled(0), starts)
        quiet = np.add.reduceat(silent, starts, dtype=np.int64)
        tokens = self._tokens(events, rows, lengths, (counted, quiet))
        if self._offered.stretch is not None:
            place = self._offered.stretch.slice_of(events.at_ns.data)
            streams.slice_tokens += np.bincount(place, weights=tokens, minlength=SLICES + 1)[:SLICES]
        if self._watch is not None:
            self._watch(self._offered, Arrivals(events.at_ns.data, tokens, events.at_ns.data[gaps]))
        mine = rows >= 0
        streams.stray += int(lengths[~mine].sum())
        for column, values in ((streams.events, lengths), (streams.arrivals, np.add.reduceat(apart, starts, dtype=np.int64) + 1),
                               (streams.gap_sum_ns, np.add.reduceat(np.where(apart, steps.data, 0), starts)),
                               (streams.longest_gap_ns, np.maximum.reduceat(steps.data, starts)),
                               (streams.counted, counted), (streams.silent, quiet)):
            column[rows[mine]] = values[mine]

    def _keep_gaps(self, steps: Integers) -> None:
        offered, end = self._offered, self._filled + len(steps)
        if end > len(offered.gaps_s):
            offered.gaps_s = np.concatenate([offered.gaps_s[:self._filled], np.empty(2 * len(steps), dtype=np.float32)])
        offered.gaps_s[self._filled:end] = steps / NS_PER_S
        self._filled = end

    def _tokens(self, events: Events, rows: Integers, lengths: Integers, sums: tuple[Integers, Integers]) -> Floats:
        """The tokens of use that each event brought. Events that do not say how many share what is left of n evenly."""
        counted, quiet = sums
        left = np.where(np.ma.getmaskarray(self._total)[rows], quiet * self._usual, self._total.data[rows] - counted)
        each = np.maximum(left, 0) / np.maximum(quiet, 1)
        tokens = np.where(np.ma.getmaskarray(events.tokens), np.repeat(each, lengths), events.tokens.data).astype(np.float64, copy=False)
        tokens[~np.repeat((rows >= 0) & self._useful[rows], lengths)] = 0
        return tokens

    def finish(self) -> None:
        """Give back what was reserved for gaps that did not come."""
        self._offered.gaps_s = self._offered.gaps_s[:self._filled]


def by_case(points: Sequence[Offered]) -> dict[str, list[Offered]]:
    """The repeats of every case, in the order in which the cases were first offered."""
    cases: dict[str, list[Offered]] = {}
    for one in points:
        cases.setdefault(one.point.case, []).append(one)
    return cases
