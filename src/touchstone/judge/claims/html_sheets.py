"""Tables of HTML, and the text around them, in one pass over tags.

``html.parser`` of the standard library takes quadratic time on hostile text (11 s for 40 kB of ``<a `` with Python 3.11), so tags are
found here by one expression that looks at no character more than a few times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from touchstone.judge.claims.grid import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Grid
from touchstone.judge.claims.plain import unescaped
from touchstone.message import Message, say

_TOKEN = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})(?![a-zA-Z0-9])([^<>]*)>|<[!?][^<>]*>|([^<]+|<)")
_UNSEEN = re.compile(r"<!--|<(script|style)(?=[\s>/])", re.IGNORECASE)
_SPAN = re.compile(r"\b(row|col)span\s{0,9}=\s{0,9}[\"']?\s{0,9}([0-9]{1,9})", re.IGNORECASE)
_TABLE = re.compile(r"<(/?)table(?=[\s>/])", re.IGNORECASE)
_BREAKS = frozenset(["p", "div", "br", "hr", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre", "blockquote"])
_DEEPEST = 10
_MOST_HEADINGS = 3


@dataclass
class _Table:
    """A table being read. ``carried`` are cells that reach down into the next rows: column → (rows left, text)."""

    line: int
    caption: str
    rows: list[list[str]] = field(default_factory=list)
    carried: dict[int, tuple[int, str]] = field(default_factory=dict)
    row: list[tuple[str, int, int]] = field(default_factory=list)
    cell: list[str] | None = None
    spans: tuple[int, int] = (1, 1)
    cells: int = 0
    dropped: int = 0
    headings: int = 0
    is_heading: bool = True
    in_head: bool = False
    in_caption: bool = False

    def end_cell(self) -> None:
        """Add the cell that is open, if any, to the row."""
        if self.cell is not None:
            text = "".join(self.cell)
            self.row.append((" ".join(unescaped(text).split()) if text else "", *self.spans))
            self.cell = None

    def end_row(self) -> None:
        """Add the row that is open, its spans expanded."""
        self.end_cell()
        if self.row:
            if len(self.rows) >= MOST_ROWS or self.cells >= MOST_CELLS:
                self.dropped += 1
            else:
                if (self.is_heading or self.in_head) and self.headings == len(self.rows) < _MOST_HEADINGS:
                    self.headings += 1
                self.rows.append(self._expanded())
                self.cells += len(self.rows[-1])
        self.row, self.is_heading = [], True

    def _expanded(self) -> list[str]:
        row: list[str] = []
        for text, down, across in self.row:
            self._take_carried(row)
            for _ in range(min(across, MOST_COLUMNS + 1 - len(row))):
                if down > 1:
                    self.carried[len(row)] = (down - 1, text)
                row.append(text)
        self._take_carried(row)
        return row

    def _take_carried(self, row: list[str]) -> None:
        while self.carried and (held := self.carried.pop(len(row), None)):
            left, text = held
            if left > 1:
                self.carried[len(row)] = (left - 1, text)
            row.append(text)


class _Reader:
    """The state of one pass: the tables that are open, those that are done, and the prose with its line breaks."""

    def __init__(self, text: str, first: int) -> None:
        self.text = text
        self.first = first
        self.grids: list[Grid] = []
        self.open: list[_Table] = []
        self.too_deep = 0
        self.prose: list[str] = []
        self.above: list[str] = []
        self.written = 0
        self.counted = (0, 0)

    def read(self) -> None:
        for found in _TOKEN.finditer(self.text):
            closing, name, attributes, words = found.groups()
            if words is not None:
                self._say(words, found.start())
            elif name is not None:
                self._tag(name.lower(), attributes, found.start(), closing=bool(closing))
        while self.open:
            self._end_table(len(self.text))
        self.prose.append("\n" * self.text.count("\n", self.written))

    def _line(self, position: int) -> int:
        """The line of ``position``, which never goes back."""
        at, lines = self.counted
        lines += self.text.count("\n", at, position)
        self.counted = (position, lines)
        return self.first + lines

    def _say(self, words: str, position: int) -> None:
        if not self.open:
            self.prose.append("\n" * self.text.count("\n", self.written, position))
            self.prose.append(unescaped(words))
            self.written = position + len(words)
            self.above.append(words)
        elif self.open[-1].cell is not None:
            self.open[-1].cell.append(words)
        elif self.open[-1].in_caption:
            self.open[-1].caption += unescaped(words)

    def _tag(self, name: str, attributes: str, position: int, *, closing: bool) -> None:
        if name == "table":
            if closing:
                self._end_table(position)
            else:
                self._start_table(position)
        elif self.open:
            self._table_tag(self.open[-1], name, attributes, closing=closing)
        elif name in _BREAKS:
            self.prose.append(" ")
            if "".join(self.above[-50:]).strip() and not closing:
                self.above = []

    def _table_tag(self, table: _Table, name: str, attributes: str, *, closing: bool) -> None:
        if name in {"td", "th"}:
            table.end_cell()
            if not closing:
                table.cell = []
                table.is_heading &= name == "th"
                table.spans = _spans(attributes) if attributes else (1, 1)
        elif name in {"tr", "thead", "tbody", "tfoot"}:
            table.end_row()
            table.in_head = name == "thead" and not closing if name != "tr" else table.in_head
        elif name == "caption":
            table.in_caption = not closing
            table.caption = table.caption if closing else ""
        elif table.cell is not None and name in _BREAKS:
            table.cell.append(" ")

    def _start_table(self, position: int) -> None:
        if len(self.open) >= _DEEPEST:
            self.too_deep += 1
            return
        self.open.append(_Table(self._line(position), unescaped("".join(self.above[-50:]))))

    def _end_table(self, position: int) -> None:
        if self.too_deep and position < len(self.text):
            self.too_deep -= 1
            return
        if not self.open:
            return
        table = self.open.pop()
        table.end_row()
        outer = self.open[-1].cell if self.open else None
        if outer is not None and len(table.rows) == 1:  # laid out as a table, read as words of the cell around it
            outer.append(" " + " ".join(table.rows[0]) + " ")
        elif table.rows:
            self.grids.append(self._grid(table, position))
        if not self.open:
            self.prose.append("\n" * self.text.count("\n", self.written, position))
            self.written, self.above = position, []

    def _grid(self, table: _Table, position: int) -> Grid:
        width = max(map(len, table.rows))
        rows = [[*table.rows[0], *[""] * (width - len(table.rows[0]))], *table.rows[1:]]
        left_out: tuple[Message, ...] = ()
        if table.dropped:
            left_out = (say("The last {count} rows of the table were not read.", count=table.dropped),)
        end = table.line if self.open else self._line(position)
        return Grid(table.line, end, rows, max(1, min(table.headings, len(rows) - 1)), table.caption, left_out)


def _spans(attributes: str) -> tuple[int, int]:
    """How many rows and columns a cell takes."""
    given = {name.lower(): max(1, int(count)) for name, count in _SPAN.findall(attributes)}
    return min(given.get("row", 1), MOST_ROWS), min(given.get("col", 1), MOST_COLUMNS)


def read_html(text: str, first: int = 1) -> tuple[list[Grid], str]:
    """The tables in ``text``, which starts in line ``first``, and its words outside them, line for line.

    A table inside a table is one of its own unless it has a single row, which is part of the cell around it.
    """
    reader = _Reader(_seen(text), first)
    reader.read()
    return sorted(reader.grids, key=lambda grid: grid.line), "".join(reader.prose)


def _seen(text: str) -> str:
    """``text`` without comments, scripts and styles, whose line breaks stay."""
    kept, position = [], 0
    while found := _UNSEEN.search(text, position):
        kept.append(text[position:found.start()])
        end = re.compile(rf"</{found[1]}[^<>]*>" if found[1] else "-->", re.IGNORECASE).search(text, found.end())
        position = end.end() if end else len(text)
        kept.append("\n" * text.count("\n", found.start(), position))
    return "".join([*kept, text[position:]])


def table_regions(text: str) -> Iterator[tuple[int, int]]:
    """Where outermost tables start and end in ``text``; one that is not closed is none."""
    depth = start = 0
    for found in _TABLE.finditer(text):
        if not found[1]:
            start = found.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                end = text.find(">", found.end())
                yield start, len(text) if end < 0 else end + 1
