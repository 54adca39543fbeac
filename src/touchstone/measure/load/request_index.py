"""The files that hold a point's requests while it is played, and how a client looks them up without having them in memory.

A point's requests lie one after another in ``requests.bin``. Each process that plays them has an index of its own,
``requests.<process>.index``: rows of ``ROW`` int64 in native byte order, nothing else, in the order of the schedule. So a client
maps its index, casts it to ``"q"``, and reads row ``r`` at ``cells[r * ROW + FIELD]``:

===  ===========  ==================================================================================================
 0   REQUEST      row of the whole schedule, the k-th request
 1   OFFSET_NS    planned send, from the start of the load; NONE: when a slot is free, or after its predecessor
 2   AFTER        row of this index whose answer must have ended first (the turn before it); NONE: it follows none
 3   THINK_NS     pause between that end and this send
 4   START        first byte in requests.bin
 5   SIZE         bytes in requests.bin
 6   SESSION      session it belongs to; all of a session's rows are neighbours, in order of turn
 7   TURN         0 for the first of a session
 8   INPUT_TOKENS     asked length of the prompt; NONE: not known beforehand
 9   OUTPUT_TOKENS    asked length of the answer; NONE: left to the server
===  ===========  ==================================================================================================

AFTER, where given, is always the row just before: whoever ends row ``r`` looks at row ``r + 1`` only.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import TracebackType

from touchstone.errors import DataError

ROW = 10
REQUEST, OFFSET_NS, AFTER, THINK_NS, START, SIZE, SESSION, TURN, INPUT_TOKENS, OUTPUT_TOKENS = range(ROW)
NONE = -(1 << 63)
"""In a cell: there is none."""


class RequestSlice:
    """A client's requests: ``cells`` is its index as int64, and nothing of it is in memory before it is looked at."""

    def __init__(self, index_path: Path, data_path: Path) -> None:
        try:
            self._data = os.open(data_path, os.O_RDONLY)
        except OSError as error:
            raise DataError("The requests in {path} cannot be read: {error}.", "", path=data_path, error=error.strerror or error) from error
        try:
            self._mapped = _mapped(index_path)
        except BaseException:
            os.close(self._data)
            raise
        self.cells: memoryview = memoryview(self._mapped).cast("q")

    def __len__(self) -> int:
        return len(self.cells) // ROW

    def request(self, row: int) -> bytes:
        """The bytes of ``row``."""
        cell = row * ROW + START
        return os.pread(self._data, self.cells[cell + 1], self.cells[cell])

    def close(self) -> None:
        """Let go of the files."""
        self.cells.release()
        if isinstance(self._mapped, mmap.mmap):
            self._mapped.close()
        os.close(self._data)

    def __enter__(self) -> RequestSlice:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _mapped(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size % (8 * ROW):
                raise DataError("The index {path} is cut off: {size} bytes are no whole number of rows.", "", path=path, size=size)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""  # an empty file cannot be mapped
    except OSError as error:
        raise DataError("The requests in {path} cannot be read: {error}.", "", path=path, error=error.strerror or error) from error
