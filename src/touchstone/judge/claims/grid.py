"""Rows of cells as a reader of one format found them, and how they become a sheet: headings joined, tables turned, merged cells filled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from touchstone.judge.claims.orientation import turned
from touchstone.judge.claims.sheet import Sheet
from touchstone.judge.claims.words import is_condition, is_figure, is_missing, is_sub_heading
from touchstone.message import Message, say

MOST_COLUMNS = 200
MOST_ROWS = 100_000
MOST_CELLS = 2_000_000
LONGEST_CELL = 1000
_LONGEST_CAPTION = 200

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Grid:
    """A table as found on the lines ``line`` to ``end`` (from 1, both included).

    The first ``headings`` of its ``rows`` are headings, and the first row is as wide as the table; 0 is a table without.
    """

    line: int
    end: int
    rows: Rows
    headings: int = 1
    caption: str = ""
    left_out: tuple[Message, ...] = ()


def sheet_of(grid: Grid, number: int, room: int) -> Sheet | None:
    """The sheet of ``grid``, the document's table ``number``, of at most ``room`` cells. None if there is nothing in it to read."""
    width = min(len(grid.rows[0]), MOST_COLUMNS) if grid.rows else 0
    if width < 2 or room < 2 * width:
        return None
    most = min(MOST_ROWS, room // width)
    left_out = [*grid.left_out, *_beyond(grid, width, most)]
    rows = [_fit(row, width) for row in grid.rows[:most + grid.headings]]
    left_out += _shorten(rows)
    heading, body, notes = _headed(rows, grid.headings)
    body = [row for row in body if any(row)]
    if not body:
        return None
    turn = turned(heading, body)
    if turn is not None:
        heading, body = turn.heading, turn.rows
        notes.append(turn.note)
        left_out += turn.left_out
    notes += _fill_merged(heading, body)
    return Sheet(f"table {number}, line {grid.line}", grid.line, tuple(heading), tuple(tuple(row) for row in body),
                 " ".join(grid.caption.split())[:_LONGEST_CAPTION], tuple(notes), tuple(left_out))


def _fit(row: Sequence[str], width: int) -> list[str]:
    return [*row[:width], *[""] * (width - len(row))]


def _beyond(grid: Grid, width: int, most: int) -> list[Message]:
    """What of the grid lies outside ``width`` columns and ``most`` rows."""
    found = []
    if len(grid.rows[0]) > MOST_COLUMNS:
        found.append(say("Only the first {limit} columns of the table were read.", limit=MOST_COLUMNS))
    elif spilled := sum(1 for row in grid.rows if len(row) > width and any(row[width:])):
        found.append(say("Cells beyond the last heading were not read, in {count} rows.", count=spilled))
    if (more := len(grid.rows) - grid.headings - most) > 0:
        found.append(say("The last {count} rows of the table were not read.", count=more))
    return found


def _shorten(rows: list[list[str]]) -> list[Message]:
    cut = 0
    for row in rows:
        if max(map(len, row)) > LONGEST_CELL:
            cut += sum(1 for cell in row if len(cell) > LONGEST_CELL)
            row[:] = [cell[:LONGEST_CELL] for cell in row]
    return [say("{count} cells were cut at {limit} characters.", count=cut, limit=LONGEST_CELL)] if cut else []


def _headed(rows: list[list[str]], headings: int) -> tuple[list[str], list[list[str]], list[Message]]:
    """The heading, the rows below it, and what was done to tell them apart."""
    if headings == 0:
        return [""] * len(rows[0]), rows, [say("The table has no heading.")]
    heading, body = rows[0], rows[headings:]
    for below in rows[1:headings]:
        heading = _joined(heading, below)
    if body and headings == 1 and _is_second_heading(heading, body):
        return _joined(heading, body[0]), body[1:], [say("The second row was read as part of the heading.")]
    return heading, body, []


def _is_second_heading(heading: list[str], body: list[list[str]]) -> bool:
    """Whether the first row under the heading has no numbers, where others have, and says what a cell of the heading leaves open."""
    first = body[0]
    given = [cell for cell in first if not is_missing(cell)]
    if len(body) < 2 or not given or any(map(is_figure, first)) or not any(is_figure(cell) for row in body[1:] for cell in row):
        return False
    if all(map(is_sub_heading, given)):
        return True
    open_cells = [index for index, cell in enumerate(heading) if not cell or (index and cell == heading[index - 1])]
    return len(open_cells) * 2 >= len(given) and all(first[index] and not is_missing(first[index]) for index in open_cells)


def _joined(above: list[str], below: list[str]) -> list[str]:
    """Each heading with its second line; a heading that spans several columns is repeated over them."""
    joined, last = [], ""
    for upper, lower in zip(above, below, strict=True):
        last = upper or (last if lower else "")
        joined.append(last if last == lower or not lower else f"{last} {lower}".strip())
    return joined


def _fill_merged(heading: list[str], body: list[list[str]]) -> list[Message]:
    """Fill the empty cells of conditions in words with the cell above: such a column was merged. A number is never filled in."""
    notes = []
    for column, name in enumerate(heading):
        cells = [row[column] for row in body]
        if not cells[0] or all(cells) or not is_condition(name) or any(map(is_figure, cells)):
            continue
        last = ""
        for row in body:
            row[column] = last = row[column] or last
        notes.append(say("Empty cells of {heading} were read as the cell above.", heading=name))
    return notes


_CJK_EDGE = re.compile(r"[　-鿿＀-￯]")


def wrapped(lines: Sequence[str]) -> str:
    """The text of a cell that was printed over several lines; Chinese is joined without a space."""
    text = ""
    for line in filter(None, lines):
        gap = "" if not text or (_CJK_EDGE.match(text[-1]) and _CJK_EDGE.match(line)) else " "
        text += gap + line
    return text
