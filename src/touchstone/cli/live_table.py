"""A small table of what goes on now, a row for each case, in lines that are written over; without a terminal a line now and then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from touchstone.cli.live_line import LiveLine
from touchstone.message import Message, Translate
from touchstone.units import NS_PER_S

_PLAIN_PERIOD_NS = 10 * NS_PER_S  # of what is written one below the other
_DRAW_PERIOD_NS = NS_PER_S // 4
_TICK_S = 1.0
"""Where nothing happens, a live display is drawn anew so often: each drawing is work that is not the measurement's."""
_NARROWEST_NAME = 8
_GAP = 2


@dataclass(frozen=True)
class Row:
    """A case's name and its cells, in the order of the columns; ``now`` is the one that is being played."""

    name: str
    cells: tuple[str, ...]
    now: bool = False


class LiveTable:
    """The table under ``heads`` on ``stream``. ``line`` is for what is said beside it, ``period_s`` how often it wants to be drawn anew."""

    def __init__(self, heads: Sequence[Message], translate: Translate, ui: str, stream: TextIO | None) -> None:
        self.line = LiveLine(ui, stream)
        self.period_s = _TICK_S if self.line.live and not self.line.silent else None
        self._heads = [head.render(translate) for head in heads]
        self._drawn_ns = self._rested_ns = 0

    def draw(self, above: str, rows: Sequence[Row], at_ns: int) -> None:
        """Draw ``rows``, with one line ``above`` them."""
        self._drawn_ns = at_ns
        width, height = self.line.room()
        self.line.show_all([above, *table_lines(self._heads, rows, (width, height - 1))], width)

    def rest(self, at_ns: int) -> None:
        """From now on it is a whole period until the next plain line."""
        self._rested_ns = at_ns

    def is_due(self, at_ns: int) -> bool:
        """Whether it is time to draw again, or where there is no terminal to say something."""
        if self.line.live:
            return at_ns - self._drawn_ns >= _DRAW_PERIOD_NS
        return at_ns - self._rested_ns > _PLAIN_PERIOD_NS


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
