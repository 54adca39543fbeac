"""One event, many listeners, none of which can hold up a measurement or end it.

A terminal that is paused, a pipe that nobody reads and a full disk stop whoever writes to them. So each listener has a thread of its
own, and whoever measures only puts the event into its queue, which is also all that a signal handler may do.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from touchstone.clock import now_ns
from touchstone.message import say

_PATIENCE_S = 10.0  # for a listener whose own reader has stopped reading


class Listener(Protocol):
    """Hears every event and when it was, on the monotonic clock; ``tick`` is called where nothing was heard for ``period_s``."""

    period_s: float | None

    def hear(self, kind: str, event: Mapping[str, Any], at_ns: int) -> None:
        """Take one event."""

    def tick(self, at_ns: int) -> None:
        """Take note that time goes by."""

    def close(self) -> None:
        """Nothing more will be said."""


class Audience:
    """Tells ``listeners`` of every event, in order. One that fails is left out from then on, and the others hear a warning."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._seats = [_Seat(listener, self) for listener in listeners]

    def __call__(self, kind: str, event: Mapping[str, Any]) -> None:
        """Tell of one event; returns at once. May be called by a signal handler."""
        at_ns = now_ns()
        for seat in self._seats:
            seat.events.put((kind, event, at_ns))

    def __enter__(self) -> Audience:  # noqa: PYI034 - typing.Self needs Python 3.11
        for seat in self._seats:
            seat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait until everybody has heard everything, but not for ever."""
        for seat in self._seats:
            seat.events.put(None)
        for seat in self._seats:
            seat.join(_PATIENCE_S)


class _Seat(threading.Thread):
    def __init__(self, listener: Listener, audience: Audience) -> None:
        super().__init__(name=type(listener).__name__, daemon=True)  # one that hangs cannot keep the program alive
        self.events: queue.SimpleQueue[tuple[str, Mapping[str, Any], int] | None] = queue.SimpleQueue()
        self._listener, self._audience = listener, audience

    def run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._listener.hear(*item)
            self._listener.close()
        except Exception as error:  # noqa: BLE001 - a display or a log is never worth a measurement
            self._audience("warning", {"code": "listener-lost", "message": say("{name} has stopped: {error}", name=self.name, error=repr(error))})

    def _next(self) -> tuple[str, Mapping[str, Any], int] | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self.events.get(timeout=self._listener.period_s)
            self._listener.tick(now_ns())
