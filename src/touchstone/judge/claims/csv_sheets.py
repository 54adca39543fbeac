"""Tables of separated values: whole files, and the runs of such lines that stand in a text."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from touchstone.judge.claims.grid import MOST_ROWS, Grid
from touchstone.judge.claims.words import is_figure
from touchstone.message import Message, say

_DELIMITERS = "\t;,"
_SAMPLE = 200
_MOST_RECORDS = 2 * MOST_ROWS
_LONGEST_LINE = 100_000
_DECIMAL_COMMA = re.compile(r"\d{1,12},(?:\d{1,2}|\d{4,12})")
_EITHER_COMMA = re.compile(r"\d{1,12}(?:\.\d{3}){0,4},\d{1,12}")
_DECIMAL_POINT = re.compile(r"\d{1,12}\.(?:\d{1,2}|\d{4,12})")


class _Record(NamedTuple):
    """A record on the lines ``line`` to ``end``; one without anything in it has no cells."""

    line: int
    end: int
    cells: list[str]


def delimiter_of(lines: Sequence[str]) -> str | None:
    """The delimiter that most lines have equally often, outside quotes; None if fewer than two lines in three agree on one."""
    sample = [line for line in lines[:_SAMPLE] if line.strip() and not line.startswith("#")]
    best, share = None, 0.0
    for delimiter in _DELIMITERS:
        counts = Counter(_outside_quotes(line, delimiter) for line in sample)
        count, agreeing = max(((count, lines) for count, lines in counts.items() if count), key=lambda pair: pair[1], default=(0, 0))
        if count and agreeing >= 2 and agreeing / len(sample) > share:
            best, share = delimiter, agreeing / len(sample)
    return best if share >= 2 / 3 else None


def _outside_quotes(line: str, delimiter: str) -> int:
    return sum(part.count(delimiter) for part in line.split('"')[::2])


def read_csv(lines: Sequence[str], first: int, delimiter: str | None = None) -> tuple[list[Grid], list[Message]]:
    """The tables in a file of separated values, parted by empty lines, and what was not read.

    A line of one cell above a table is its caption; lines after a ``#`` are comments, unless the heading starts so.
    """
    delimiter = delimiter or delimiter_of(lines) or ","
    records, left_out = _records(lines, first, delimiter)
    grids: list[Grid] = []
    caption = ""
    for run in _runs(records):
        width = Counter(len(record.cells) for record in run).most_common(1)[0][0]
        while run and len(run[0].cells) < min(width, 2):
            caption = " ".join(run.pop(0).cells).lstrip("# ")
        kept = [record for record in run if len(record.cells) > 1 and (record is run[0] or not record.cells[0].startswith("#"))]
        if not kept or (len(kept) == 1 and not any(map(is_figure, kept[0].cells))):
            continue
        rows = _with_points([record.cells for record in kept]) if delimiter != "," else [record.cells for record in kept]
        headings = 0 if all(is_figure(cell) for cell in rows[0] if cell) else 1
        rows[0] = [rows[0][0].lstrip("# "), *rows[0][1:], *[""] * (width - len(rows[0]))]
        grids.append(Grid(kept[0].line, kept[-1].end, rows, headings, caption))
        caption = ""
    return grids, left_out


def _with_points(rows: list[list[str]]) -> list[list[str]]:
    """``rows`` with decimal points where their numbers have decimal commas, as spreadsheets of half the world write them.

    "8,608" alone is eight thousand; beside "38,3" it is not.
    """
    cells = [cell for row in rows for cell in row]
    if not any(map(_DECIMAL_COMMA.fullmatch, cells)) or any(map(_DECIMAL_POINT.fullmatch, cells)):
        return rows
    return [[cell.replace(".", "").replace(",", ".") if _EITHER_COMMA.fullmatch(cell) else cell for cell in row] for row in rows]


def _records(lines: Sequence[str], first: int, delimiter: str) -> tuple[list[_Record], list[Message]]:
    """The records; quotes that do not close are plain characters."""
    notes: list[Message] = []
    try:
        records = list(islice(_parsed(lines, first, delimiter, quoted=True), _MOST_RECORDS + 1))
    except csv.Error:
        records = list(islice(_parsed(lines, first, delimiter, quoted=False), _MOST_RECORDS + 1))
        notes.append(say("Quotes that do not close were read as plain characters."))
    if len(records) > _MOST_RECORDS:
        records.pop()
        notes.append(say("The lines after line {line} were not read.", line=records[-1].end))
    return records, notes


def _parsed(lines: Sequence[str], first: int, delimiter: str, *, quoted: bool) -> Iterator[_Record]:
    short = (line[:_LONGEST_LINE] + "\n" for line in lines)  # the reader refuses a longer field, quoted or not
    reader = csv.reader(short, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, skipinitialspace=True,
                        strict=quoted)
    line = first
    for row in reader:
        cells = [" ".join(cell.split()) for cell in row]
        end = first + reader.line_num - 1
        yield _Record(line, end, cells if any(cells) else [])
        line = end + 1


def _runs(records: Iterable[_Record]) -> Iterator[list[_Record]]:
    """Records between empty ones; after an empty line rows with numbers go on with the table above."""
    run: list[_Record] = []
    was_empty = False
    for record in records:
        if not record.cells:
            was_empty = True
            continue
        if was_empty and run and not (any(map(is_figure, record.cells)) and len(record.cells) == len(run[-1].cells)):
            yield run
            run = []
        was_empty = False
        run.append(record)
    if run:
        yield run


def runs_in_text(lines: Sequence[str], first: int) -> Iterator[Grid]:
    """Runs of at least three lines of a text with as many delimiters each: a heading without numbers over rows that are mostly numbers."""
    index = 0
    while index < len(lines):
        run, delimiter = 1, next((mark for mark in _DELIMITERS if lines[index].count(mark) >= (1 if mark == "\t" else 2)), "")
        if delimiter:
            count = lines[index].count(delimiter)
            while index + run < len(lines) and lines[index + run].count(delimiter) == count:
                run += 1
            if run > 2 and (grid := _numeric_run(lines[index:index + run], first + index, delimiter)):
                yield grid
        index += run


def _numeric_run(lines: Sequence[str], first: int, delimiter: str) -> Grid | None:
    kept = lines[:MOST_ROWS + 1]
    records, unread = _records(kept, first, delimiter)
    rows = [record.cells for record in records]
    if unread or any(len(row) != len(rows[0]) for row in rows) or any(map(is_figure, rows[0])) or not all(rows[0][1:]):
        return None
    cells = [cell for row in rows[1:] for cell in row if cell]
    if not cells or sum(map(is_figure, cells)) * 2 < len(cells):
        return None
    more = len(lines) - len(kept)
    left_out = (say("The last {count} rows of the table were not read.", count=more),) if more else ()
    return Grid(first, first + len(lines) - 1, rows, left_out=left_out)
