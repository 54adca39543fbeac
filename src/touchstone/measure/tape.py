"""The hot path of a trial: stamps, and the bytes that came with them. Nothing here may fail or do work."""

from __future__ import annotations

from touchstone.clock import now_ns


class Tape:
    """What one call of an engine leaves behind.

    ``mark()`` is called once per decoding step after the device is synchronised; ``keep(payload)`` once per chunk of bytes.
    Decoding the payloads is the engine's business after the trial. Where several connections are read, ``lanes`` says which
    connection each payload came from, and ``lane_sent_ns`` when each was written to.
    """

    __slots__ = ("ended_ns", "lane_sent_ns", "lanes", "marks_ns", "payloads", "sent_ns")

    def __init__(self) -> None:
        self.sent_ns = 0
        self.ended_ns = 0
        self.marks_ns: list[int] = []
        self.payloads: list[bytes] = []
        self.lanes: list[int] = []
        self.lane_sent_ns: list[int] = []

    def start(self) -> None:
        """Stamp the moment the request is handed to the engine."""
        self.sent_ns = now_ns()

    def mark(self) -> None:
        """Stamp one decoding step."""
        self.marks_ns.append(now_ns())

    def keep(self, payload: bytes) -> None:
        """Stamp a chunk, the clock first, and keep its bytes."""
        at_ns = now_ns()
        self.marks_ns.append(at_ns)
        self.payloads.append(payload)

    def keep_of(self, lane: int, payload: bytes) -> None:
        """As :meth:`keep`, of one connection among several."""
        at_ns = now_ns()
        self.marks_ns.append(at_ns)
        self.payloads.append(payload)
        self.lanes.append(lane)

    def stop(self) -> None:
        """Stamp the moment the engine returned."""
        self.ended_ns = now_ns()


def mark_cost_ns(marks: int = 20_000) -> float:
    """The measured cost of one mark, in nanoseconds."""
    tape = Tape()
    started_ns = now_ns()
    for _ in range(marks):
        tape.mark()
    return (now_ns() - started_ns) / marks
