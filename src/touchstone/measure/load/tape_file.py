"""Answers on disk as they come: everything a worker saw, undecoded, one after another in one file.

An answer is a fixed head, then the arrays of its reads (our stamps, the kernel's stamps, sizes) and the bytes. The file grows while
the load runs, so that memory holds only the answers that are under way.
"""

from __future__ import annotations

import os
import struct
from array import array
from enum import IntEnum
from pathlib import Path

HEAD = struct.Struct("=qqqqqii")
"""Row, scheduled, sent and ended (ns), bytes, reads, outcome."""
STAMP_BYTES = 16
_SPILL_BYTES = 1 << 18


class Outcome(IntEnum):
    """How an exchange ended on the wire; what the bytes say is decoded later."""

    WHOLE = 0
    CLOSED = 1
    RESET = 2
    TIMEOUT = 3
    UNREACHABLE = 4
    STOPPED = 5


class TapeWriter:
    """Packs finished answers and appends them to a file in pieces of a quarter of a megabyte."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, row: int, times: tuple[int, int, int], outcome: int, reads: tuple[list[int], list[bytes], list[bytes]]) -> None:
        """Add one answer: ``times`` are scheduled, sent and ended; ``reads`` our stamps, the kernel's, and the bytes."""
        at_ns, stamps, chunks = reads
        payload = b"".join(chunks)
        pieces = (HEAD.pack(row, *times, len(payload), len(at_ns), outcome), array("q", at_ns).tobytes(), b"".join(stamps),
                  array("i", map(len, chunks)).tobytes(), payload)
        self._pieces += pieces
        self._size += sum(map(len, pieces))
        if self._size >= _SPILL_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the kernel. Raises OSError, on a full disk for instance."""
        content = memoryview(b"".join(self._pieces))
        self._pieces, self._size = [], 0
        while content:
            content = content[os.write(self._file.fileno(), content):]

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._file.close()
