"""A small table of what goes on now, a row for each case, for lines that are written over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NARROWEST_NAME = 8
_GAP = 2


@dataclass(frozen=True)
class Row:
    """A case's name and its cells, in the order of the columns; ``now`` is the one that is being played."""

    name: str
    cells: tuple[str, ...]
    now: bool = False


def table_lines(heads: Sequence[str], rows: Sequence[Row], room: tuple[int, int]) -> list[str]:
    """``rows`` in at most so many columns and lines: the first cells are kept longest, and the rows around the one that is played."""
    width, height = room
    most = max(height - 1, 1)
    if not rows or height < 2:
        return []
    heads = list(heads)
    cells = [list(row.cells) for row in rows]
    widths = _widths(heads, cells)
    while widths and width - sum(widths) - _GAP * (len(widths) + 1) < _NARROWEST_NAME:
        heads, cells = heads[:-1], [row[:-1] for row in cells]
        widths.pop()
    names = max(width - sum(widths) - _GAP * (len(widths) + 1), 1)
    names = min(names, max(_cells(row.name) for row in rows))
    shown = _window(rows, most)
    lines = [_line("", ["", *heads], [names, *widths], now=False)]
    lines += [_line(row.name, [row.name, *texts], [names, *widths], now=row.now)
              for row, texts in zip(rows[shown], cells[shown], strict=True)]
    return lines


def _window(rows: Sequence[Row], most: int) -> slice:
    now = next((place for place, row in enumerate(rows) if row.now), 0)
    start = max(0, min(now - most // 2, len(rows) - most))
    return slice(start, start + most)


def _widths(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(_cells, column)) for column in zip(heads, *cells, strict=True)]


def _line(name: str, texts: Sequence[str], widths: Sequence[int], *, now: bool) -> str:
    from rich.cells import set_cell_size

    first, *rest = texts
    parts = [set_cell_size(first, widths[0]), *(" " * (width - _cells(text)) + text for text, width in zip(rest, widths[1:], strict=True))]
    return (("> " if now and name else "  ") + (" " * _GAP).join(parts)).rstrip()


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
