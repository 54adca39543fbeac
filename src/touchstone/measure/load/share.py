"""A worker's share of the requests, looked up as they are needed: nothing grows with their number."""

from __future__ import annotations

import hashlib
from pathlib import Path

from touchstone.measure.load.request_index import (
    AFTER,
    INPUT_TOKENS,
    NONE,
    OFFSET_NS,
    OUTPUT_TOKENS,
    REQUEST,
    ROW,
    SESSION,
    THINK_NS,
    TURN,
    RequestSlice,
)

_DIGEST_BYTES = 8


class Share:
    """The rows of one process.

    ``row`` is the next session to begin (``count`` when there is none) and ``offset_ns`` its planned
    time from the start of the load, None where it waits for a free slot.
    """

    __slots__ = ("_cells", "_slice", "count", "offset_ns", "request", "row")

    def __init__(self, index_path: Path, data_path: Path) -> None:
        self._slice = RequestSlice(index_path, data_path)
        self._cells = self._slice.cells
        self.request = self._slice.request
        self.count = len(self._slice)
        self.row = -1
        self.offset_ns: int | None = None
        self.advance()

    def advance(self) -> None:
        """Go on to the next row that follows no other."""
        cells, row = self._cells, self.row + 1
        while row < self.count and cells[row * ROW + AFTER] != NONE:
            row += 1
        self.row = row
        self.offset_ns = None
        if row < self.count and cells[row * ROW + OFFSET_NS] != NONE:
            self.offset_ns = cells[row * ROW + OFFSET_NS]

    def stop(self) -> None:
        """Begin no more sessions."""
        self.row = self.count
        self.offset_ns = None

    def successor(self, row: int) -> tuple[int, int] | None:
        """The row that follows ``row`` in its session, and the pause before it in ns."""
        following = row + 1
        if following < self.count and self._cells[following * ROW + AFTER] == row:
            return following, self._cells[following * ROW + THINK_NS]
        return None

    def number(self, row: int) -> int:
        """The row's place in the whole schedule."""
        return self._cells[row * ROW + REQUEST]

    def asked(self, row: int) -> tuple[int, int, int | None, int | None, str]:
        """Session, turn, asked input and output tokens (None: not known), and a digest of the request's body."""
        first = row * ROW
        body = self.request(row).partition(b"\r\n\r\n")[2]
        lengths = (self._cells[first + cell] for cell in (INPUT_TOKENS, OUTPUT_TOKENS))
        input_tokens, output_tokens = (None if length == NONE else length for length in lengths)
        return (self._cells[first + SESSION], self._cells[first + TURN], input_tokens, output_tokens,
                hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest())
