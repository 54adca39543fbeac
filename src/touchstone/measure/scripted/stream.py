"""The hot path of the server: one answer on its way out, a write at a time, each at its own absolute time."""

from __future__ import annotations

import heapq
import ssl
from array import array
from collections.abc import Callable, Sequence
from typing import Protocol

from touchstone.clock import now_ns
from touchstone.measure.scripted.answers import Answer, Asked

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Due(Protocol):
    """Something in the agenda; ``fire`` is called once it is due, and takes its entry out or moves it."""

    def fire(self) -> None: ...


Agenda = list[tuple[int, int, Due]]
"""A heap of (due time in ns, turn, what): among things due at once, the one that waited longest goes first."""


class Outlet(Protocol):
    """Where a stream goes: the server's side of a connection."""

    number: int
    transmit: Callable[[bytes | memoryview], int]

    def keep_unsent(self, rest: bytes) -> None: ...
    def finished(self) -> None: ...
    def lost(self) -> None: ...


class Stream:
    """One request and its answer. ``stamps_ns`` holds two stamps per write: just before it and just after."""

    __slots__ = ("_agenda", "_at", "_turn", "answer", "asked", "base_ns", "connection_number", "cut", "fault", "keep_alive",
                 "kernel_stamp", "number", "offsets_ns", "outlet", "received_ns", "request_id", "stamps_ns")

    def __init__(self, number: int, asked: Asked, answer: Answer, offsets_ns: Sequence[int], outlet: Outlet) -> None:
        self.number, self.asked, self.answer, self.offsets_ns = number, asked, answer, offsets_ns
        self.outlet: Outlet | None = outlet
        self.connection_number = outlet.number
        self.request_id: str | None = None
        self.fault: str | None = None
        self.received_ns, self.kernel_stamp, self.base_ns = 0, False, 0
        self.stamps_ns = array("q")
        self.cut, self.keep_alive = False, True
        self._at = 0

    def begin(self, base_ns: int, agenda: Agenda, turn: Callable[[], int]) -> None:
        """Take the request up: every write is due at ``base_ns`` plus its offset."""
        self.base_ns, self._agenda, self._turn = base_ns, agenda, turn
        heapq.heappush(agenda, (base_ns + self.offsets_ns[0], turn(), self))

    def fire(self) -> None:
        """Send the next write; this stream is the first entry of the agenda."""
        outlet, agenda, at = self.outlet, self._agenda, self._at
        if outlet is None:
            heapq.heappop(agenda)
            return
        payload = self.answer.payloads[at]
        stamps_ns = self.stamps_ns
        stamps_ns.append(now_ns())
        try:
            count = outlet.transmit(payload)
        except WOULD_BLOCK:
            count = 0
        except OSError:
            heapq.heappop(agenda)
            outlet.lost()
            return
        if count != len(payload):
            heapq.heappop(agenda)
            outlet.keep_unsent(payload[count:])
            return
        sent_ns = now_ns()
        stamps_ns.append(sent_ns)
        self._at = at = at + 1
        if at < len(self.offsets_ns):
            due_ns = self.base_ns + self.offsets_ns[at]
            # What is overdue goes behind what else is, so that streams without gaps share the server evenly.
            heapq.heapreplace(agenda, (max(sent_ns, due_ns), self._turn(), self))
        else:
            heapq.heappop(agenda)
            outlet.finished()

    def resume(self) -> None:
        """Go on after a write that the connection could not take at once; it has left now."""
        self.stamps_ns.append(now_ns())
        self._at += 1
        if self._at < len(self.offsets_ns):
            heapq.heappush(self._agenda, (self.base_ns + self.offsets_ns[self._at], self._turn(), self))
        elif self.outlet is not None:
            self.outlet.finished()

    def tokens_sent(self) -> int:
        """Tokens in the events that have left whole."""
        return sum(self.answer.tokens[:self.answer.events_after[self._at - 1]]) if self._at else 0
