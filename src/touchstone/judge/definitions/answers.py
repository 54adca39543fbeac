"""The answers of one point as another tool reads them: which of their events it takes for tokens, and when those came.

Events pass by once, batch by batch. What is kept is one row per request, the gaps between the events that count, and how many of them
came in each second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from touchstone.judge.metrics import Flags, answer_starts
from touchstone.served import Ending, EventKind, Events, Requests
from touchstone.units import NS_PER_S

Integers = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
LONGEST_SECONDS = 31 * 86_400
"""Nothing is counted second by second over a longer time."""


@dataclass(frozen=True)
class Reading:
    """Which events count: the ``kinds``, and once one of them came also the kinds ``then``.

    ``good`` are the rows that the tool takes for a success; with ``needs_event`` only if an event counted. ``gaps`` and ``per_second`` say
    whether the tool looks at them.
    """

    kinds: tuple[EventKind, ...]
    good: Callable[[Requests], Flags]
    then: tuple[EventKind, ...] = ()
    needs_event: bool = True
    gaps: bool = True
    per_second: bool = False


@dataclass
class Answers:
    """One row per request of a point. Stamps in nanoseconds; of an answer without any event that counts they are those of sending.

    ``second_ns`` is the second event that counts, ``end_ns`` the last event of any kind. ``gaps_s`` are those of good rows, in any order;
    ``per_second`` how many of their events came in each second since the first of them was sent, None if nobody asked or it is too long.
    """

    requests: Requests
    good: Flags
    chat: bool
    streamed: bool
    first_ns: Integers
    second_ns: Integers
    last_ns: Integers
    end_ns: Integers
    counted: Integers
    gaps_s: Floats
    per_second: Integers | None

    @property
    def sent_ns(self) -> Integers:
        return np.asarray(self.requests.sent_ns.data)

    @cached_property
    def ended_ns(self) -> Integers:
        """The end of every answer; where nobody knows it, its last event."""
        return np.where(np.ma.getmaskarray(self.requests.ended_ns), self.end_ns, self.requests.ended_ns.data)

    @cached_property
    def sent(self) -> Flags:
        """The rows that were sent at all."""
        return ~np.ma.getmaskarray(self.requests.sent_ns)


def ended(*endings: Ending) -> Callable[[Requests], Flags]:
    """The rows that ended in one of these ways."""
    return lambda requests: np.isin(requests.ending.filled(Ending.STOPPED), endings)


class Reader:
    """Reads the answers of one point."""

    def __init__(self, requests: Requests, reading: Reading, *, chat: bool, streamed: bool) -> None:
        self._reading = reading
        sent = requests.sent_ns.data.astype(np.int64)
        good = np.asarray(reading.good(requests)) & ~np.ma.getmaskarray(requests.sent_ns)
        self._answers = Answers(requests, good, chat, streamed, sent.copy(), sent.copy(), sent.copy(), sent.copy(),
                                np.zeros(len(sent), dtype=np.int64), np.empty(0), _seconds(requests, good) if reading.per_second else None)
        self._start_ns = int(sent[good].min()) if good.any() else 0
        self._order = np.argsort(requests.request.data, kind="stable")
        self._numbers = requests.request.data[self._order]
        self._gaps: list[Floats] = []

    def add(self, events: Events) -> None:
        """Take events of this point; a request's events come in one piece."""
        known = ~np.ma.getmaskarray(events.at_ns)
        if not known.all():
            events = Events(**{one.name: getattr(events, one.name)[known] for one in fields(Events)})
        if not len(events) or not len(self._numbers):
            return
        starts = answer_starts(events)
        lengths = np.diff(np.append(starts, len(events)))
        rows = self._rows(events.request.data[starts])
        mine = rows >= 0
        at_ns = events.at_ns.data
        self._answers.end_ns[rows[mine]] = at_ns[(starts + lengths - 1)[mine]]
        owner = np.repeat(rows, lengths)
        counts = self._counts(events.kind.data, starts, lengths) & (owner >= 0)
        self._keep(owner[counts], at_ns[counts])

    def _rows(self, numbers: Integers) -> Integers:
        """The row of each request number; -1 for a stray."""
        place = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        return np.where(self._numbers[place] == numbers, self._order[place], -1)

    def _counts(self, kinds: Integers, starts: Integers, lengths: Integers) -> Flags:
        """Which events count."""
        counts = np.isin(kinds, self._reading.kinds)
        if self._reading.then:
            before = np.concatenate([[0], np.cumsum(counts)])
            begun = before[:-1] > np.repeat(before[starts], lengths)
            counts |= begun & np.isin(kinds, self._reading.then)
        return np.asarray(counts)

    def _keep(self, owner: Integers, at_ns: Integers) -> None:
        """Add up the events that count: ``owner`` is the row of each."""
        if not len(owner):
            return
        answers = self._answers
        heads = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        lengths = np.diff(np.append(heads, len(owner)))
        rows, several = owner[heads], lengths > 1
        answers.first_ns[rows], answers.last_ns[rows] = at_ns[heads], at_ns[heads + lengths - 1]
        answers.second_ns[rows[several]] = at_ns[heads[several] + 1]
        answers.counted[rows] = lengths
        good = answers.good[owner]
        if self._reading.gaps:
            within = (owner[1:] == owner[:-1]) & good[1:]
            self._gaps.append(np.diff(at_ns)[within] / NS_PER_S)
        if answers.per_second is not None:
            second = (at_ns[good] - self._start_ns) // NS_PER_S
            inside = (second >= 0) & (second < len(answers.per_second))
            answers.per_second += np.bincount(second[inside], minlength=len(answers.per_second))

    def answers(self) -> Answers:
        """What was read."""
        self._answers.gaps_s = np.concatenate(self._gaps) if self._gaps else np.empty(0)
        self._gaps = []
        if self._reading.needs_event:
            self._answers.good &= self._answers.counted > 0
        return self._answers


def read_answers(requests: Requests, events: Iterable[Events], reading: Reading, *, chat: bool = True, streamed: bool = True) -> Answers:
    """The answers to ``requests`` (all of one point) as ``reading`` has them."""
    reader = Reader(requests, reading, chat=chat, streamed=streamed)
    for batch in events:
        reader.add(batch)
    return reader.answers()


def _seconds(requests: Requests, good: Flags) -> Integers | None:
    """A place for every second from the first good request to the end of the last; None where they are too many."""
    if not good.any():
        return None
    ends = np.where(np.ma.getmaskarray(requests.ended_ns), requests.sent_ns.data, requests.ended_ns.data)[good]
    seconds = (int(ends.max()) - int(requests.sent_ns.data[good].min())) // NS_PER_S + 2
    return np.zeros(seconds, dtype=np.int64) if 0 < seconds <= LONGEST_SECONDS else None
