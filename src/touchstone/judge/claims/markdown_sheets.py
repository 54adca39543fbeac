"""Tables of lines and pipes, whole or mangled: Markdown with or without outer pipes, and cells that came one to a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from touchstone.judge.claims.grid import LONGEST_CELL, MOST_COLUMNS, Grid
from touchstone.judge.claims.plain import plain
from touchstone.judge.claims.words import is_figure

_RULE_MARKS = " \t|+:=-"
_ESCAPED_PIPE = "\ue000"
_CODE_SPAN = re.compile(r"`[^`]*`")
_WIDE_PIPES = str.maketrans("｜│┃║", "||||")


@dataclass(frozen=True)
class Line:
    """A line of a table: ``number`` from 1, its ``text``, and of a rule the number of its cells (0: not a rule)."""

    number: int
    text: str
    rule: int = 0


def piped(text: str) -> str:
    """The line without quote marks, its pipes plain where it has only full-width or box ones."""
    text = text.strip()
    if text.startswith(">"):
        text = text.lstrip("> \t")
    return text if "|" in text else text.translate(_WIDE_PIPES)


def cells_of(text: str, most: int = MOST_COLUMNS) -> list[str]:
    """The plain cells of a line, without its outer pipes; a cell past ``most`` is kept whole, to be seen and left out."""
    if "\\" in text:
        text = text.replace("\\|", _ESCAPED_PIPE)
    text = text.removeprefix("|").removesuffix("|")
    cells = text.split("|", most + 1)
    cells = [plain(cell[:LONGEST_CELL + 1]) for cell in cells]
    return cells if _ESCAPED_PIPE not in text else [cell.replace(_ESCAPED_PIPE, "|") for cell in cells]


def rule_width(text: str) -> int:
    """How many cells a line of dashes has; 0 if it is not one."""
    if text.strip(_RULE_MARKS) or not ("-" in text or "=" in text) or not ("|" in text or "+" in text):
        return 0
    return min(sum(1 for part in re.split(r"[|+]", text) if part.strip()), MOST_COLUMNS)


def pipe_grids(block: Sequence[Line]) -> Iterator[Grid]:
    """The tables in a run of lines with pipes."""
    tables = list(_tables(block))
    if not tables:
        yield from _unruled(block)
    for index, (start, heading, body) in enumerate(tables):
        end = tables[index + 1][0] if index + 1 < len(tables) else len(block)
        rows, last = _rows(block[body:end], len(heading), is_open=not block[start].text.startswith("|"))
        yield Grid(block[start].number, last or block[body - 1].number, [heading, *rows])


def _tables(block: Sequence[Line]) -> Iterator[tuple[int, list[str], int]]:
    """Where each table starts, its heading, and where its rows start; a heading stands before a rule."""
    index, free = 0, 0
    while index < len(block):
        width = block[index].rule
        if not width or index == free or (free and _is_dashes(block[index].text)):
            index += 1
            continue
        after = index
        while after < len(block) and block[after].rule:
            after += 1
        found = _spread_pairs(block, index) or _heading_before(block, index, free, sum(line.rule for line in block[index:after]))
        if found is None:
            index = after
            continue
        start, heading, body = found
        yield start, heading, max(body, after)
        index = free = max(body, after)


def _is_dashes(text: str) -> bool:
    """Whether a line of a table's body that looks like a rule is a row of missing values."""
    return "+" not in text and all(len(part.strip()) < 3 for part in text.strip("|").split("|"))


def _spread_pairs(block: Sequence[Line], rule: int) -> tuple[int, list[str], int] | None:
    """Headings that came one to a line, each with a rule of its own below it."""
    heading, index = [], rule - 1
    while index + 1 < len(block) and _is_single(block[index]) and block[index + 1].rule == 1:
        heading.append(cells_of(block[index].text)[0])
        index += 2
    return (rule - 1, heading[:MOST_COLUMNS], index) if len(heading) > 1 else None


def _heading_before(block: Sequence[Line], rule: int, free: int, width: int) -> tuple[int, list[str], int] | None:
    """The heading in the line before the rule, or in as many lines of one cell as the rule is wide."""
    heading = cells_of(block[rule - 1].text)
    if len(heading) > 1:
        return rule - 1, heading, rule + 1
    singles = block[max(free, rule - width):rule]
    if width > 1 and len(singles) == width and all(map(_is_single, singles)):
        return rule - width, [cells_of(line.text)[0] for line in singles], rule + 1
    return None


def _is_single(line: Line) -> bool:
    """Whether the line is one cell that ends with a pipe."""
    return not line.rule and line.text.count("|") == 1 and line.text.endswith("|")


def _rows(lines: Sequence[Line], width: int, *, is_open: bool) -> tuple[list[list[str]], int]:
    """The rows, and the number of the last line; cells that came one to a line are gathered into rows.

    Below a heading that ``is_open``, without a pipe at its start, a pipe at the start follows an empty cell.
    """
    rows: list[list[str]] = []
    waiting: list[str] = []
    for line in lines:
        if _is_single(line):
            waiting += cells_of(line.text)
            if len(waiting) < width:
                continue
            cells, waiting = waiting, []
        else:
            if waiting:
                rows.append(waiting)
                waiting = []
            cells = cells_of(line.text)
            if is_open and len(cells) < width and line.text.startswith("|"):
                cells.insert(0, "")
            elif len(cells) > width and "`" in line.text:
                cells = cells_of(_CODE_SPAN.sub(lambda span: span[0].replace("|", "\\|"), line.text))
        rows.append(cells)
    if waiting:
        rows.append(waiting)
    return rows, lines[-1].number if lines else 0


def _unruled(block: Sequence[Line]) -> Iterator[Grid]:
    """A table whose rule was lost: at least three lines of the same width, a heading without numbers over rows with some."""
    if len(block) < 3:
        return
    rows = [cells_of(line.text) for line in block]
    width = len(rows[0])
    closed = all(line.text.startswith("|") and line.text.endswith("|") for line in block)
    if width < (2 if closed else 3) or any(len(row) != width for row in rows) or any(map(is_figure, rows[0])):
        return
    if sum(map(is_figure, (cell for row in rows[1:] for cell in row))) >= len(rows) - 1:
        yield Grid(block[0].number, block[-1].number, rows)
