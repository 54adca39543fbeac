"""One page of memory that a worker shares with its parent: stored to and looked at, so that nothing is sent while a load runs."""

from __future__ import annotations

import mmap
from enum import IntEnum
from pathlib import Path

_BYTES = 4096


class Slot(IntEnum):
    """What each number of the page is. Times are on the monotonic clock; ``STOP`` is 1 for "nothing new", 2 for "at once"."""

    STAGE = 0
    START_NS = 1
    STOP = 2
    SENT = 3
    ENDED = 4
    FAILED = 5


class Stage(IntEnum):
    """How far a worker is."""

    STARTING = 0
    READY = 1
    PLAYED = 2
    DONE = 3


class Page:
    """A file of one page, mapped. The numbers are int64, so that storing one is a single write to memory."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)
        self.numbers = memoryview(self._map).cast("q")

    def __getitem__(self, slot: Slot) -> int:
        return self.numbers[slot]

    def __setitem__(self, slot: Slot, value: int) -> None:
        self.numbers[slot] = value

    def close(self) -> None:
        """Let go of the mapping."""
        self.numbers.release()
        self._map.close()
