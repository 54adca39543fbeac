"""Gathers the rows of a document into one result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from touchstone.claim import Claim, ClaimTable, Subject
from touchstone.judge.foreign.document import MOST_ROWS, Document
from touchstone.judge.foreign.figures import RowReader
from touchstone.judge.foreign.result import ForeignResult, PerRequest
from touchstone.message import Message, say

Row = TypeVar("Row")


class Collector:
    """The claims of ``document`` so far, with what else was found beside them."""

    def __init__(self, tool: str, document: Document, notes: Sequence[Message]) -> None:
        self.tool = tool
        self.notes = list(notes)
        self._name = document.name
        self._claims: list[Claim] = []
        self._per_request: dict[int, PerRequest] = {}
        self._left_out: list[Message] = list(document.left_out)

    def readers(self, rows: Sequence[tuple[str, Row]]) -> Iterator[tuple[RowReader, Row]]:
        """A reader for each row of a file, for as many as are read."""
        if len(rows) > MOST_ROWS:
            self._left_out.append(say("only the first {count} rows were read", count=f"{MOST_ROWS:,}"))
        for file, row in rows[:MOST_ROWS]:
            yield RowReader(self.tool, file), row

    def add(self, reader: RowReader, label: str, words: Mapping[str, str], columns: PerRequest | None = None) -> None:
        """Keep what ``reader`` found as the next claim."""
        row = len(self._claims) + 1
        self._claims.append(reader.claim(row, label, words))
        self._left_out += reader.left_out
        if columns is not None:
            self._per_request[row] = columns

    def result(self, version: str | None, subject: Subject, conditions: Mapping[str, str]) -> ForeignResult:
        """Everything that was kept."""
        table = ClaimTable(self._name, tuple(self._claims), subject, left_out=tuple(self._left_out))
        return ForeignResult(self.tool, version, table, self._per_request, conditions, tuple(dict.fromkeys(self.notes)))
