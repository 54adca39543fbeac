"""What a section of the page is made of. A text is in both languages, or a plain string that reads alike in both; templates escape it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from touchstone.finding import Findings
from touchstone.message import Message
from touchstone.report.both import Both, both
from touchstone.report.charts.chart import Chart
from touchstone.report.i18n import translator
from touchstone.report.sheets import Sheet, SheetOf
from touchstone.report.table import NOTHING

Text = Both | str
_NUMBER = re.compile(r"[-+−±]?[\d,.]+( ?%)?( … [\d,.]+)?( \([\d,.]+( ?%)?( …|,) [\d,.]+( ?%)?\))?|-|")
"""A number, an interval, or a number with its interval."""


@dataclass(frozen=True)
class Cell:
    """A text in a table with what it looks like: ``tone`` is code, or a verdict; ``name`` is what else it is called."""

    text: Text
    tone: str = ""
    name: str = ""


@dataclass(frozen=True)
class Grid:
    """A table. Where its rows have ``tones``, they can be filtered by them."""

    id: str
    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Cell | Text, ...], ...]
    note: Text = ""
    tones: tuple[str, ...] = ()
    kind: str = "grid"

    @property
    def filters(self) -> tuple[tuple[str, Text, int], ...]:
        """Each tone with the words of its first row, and how many rows have it; nothing where that would choose nothing."""
        first = {tone: row[0] for tone, row in reversed(list(zip(self.tones, self.rows, strict=False)))}
        words = {tone: cell.text if isinstance(cell, Cell) else cell for tone, cell in first.items()}
        return tuple((tone, words[tone], self.tones.count(tone)) for tone in dict.fromkeys(self.tones)) if len(words) > 1 else ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Of each column, whether it holds nothing but numbers, and any at all."""
        columns = [[_plain(row[place]) for row in self.rows] for place in range(len(self.columns))]
        return tuple(all(map(_NUMBER.fullmatch, column)) and any(set(column) - {"", NOTHING}) for column in columns)


def _plain(cell: Cell | Text) -> str:
    text = cell.text if isinstance(cell, Cell) else cell
    return text.en if isinstance(text, Both) else text


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: Text
    kind: str = "prose"


@dataclass(frozen=True)
class Point:
    """An entry of a list: what it is about, what it says, and where it stands written."""

    label: Text
    text: Text
    source: Cell | None = None


@dataclass(frozen=True)
class Points:
    """A list under a heading."""

    title: Text
    points: tuple[Point, ...]
    kind: str = "points"


@dataclass(frozen=True)
class Command:
    """Lines for a shell, to be copied."""

    id: str
    lines: str
    kind: str = "command"


@dataclass(frozen=True)
class Figure:
    """A picture with its table. Without ``svg`` the table stands in its place."""

    chart: Chart
    svg: str | None
    table: Grid
    kind: str = "figure"


@dataclass(frozen=True)
class Unseen:
    """Pictures with the reason why they are not there, or, where the last is false, with what they cannot show."""

    reasons: tuple[tuple[Both, Both, bool], ...]
    kind: str = "unseen"


@dataclass(frozen=True)
class Fold:
    """Blocks that are there for whoever opens them: what the rest rests on, or the same of other cases."""

    title: Text
    blocks: tuple[Block, ...]
    kind: str = "fold"


Block = Grid | Prose | Points | Command | Figure | Unseen | Fold


@dataclass(frozen=True)
class Section:
    """A part of the page with a place in its table of contents."""

    id: str
    title: Both
    blocks: tuple[Block, ...]


def in_both(make: Callable[[Callable[[str], str], str], Sequence[str]]) -> tuple[Both, ...]:
    """What ``make`` gives for each language, text by text."""
    return tuple(map(Both, make(translator("en"), "en"), make(translator("zh"), "zh")))


def grid_of(name: str, make: SheetOf, findings: Findings) -> Grid:
    """The sheet that ``make`` gives, in both languages."""
    english, chinese = make(findings, translator("en"), "en"), make(findings, translator("zh"), "zh")
    rows = tuple(tuple(_cell(Both(*pair), english, place) for place, pair in enumerate(zip(*both_rows, strict=True)))
                 for both_rows in zip(english.rows, chinese.rows, strict=True))
    return Grid(name, Both(english.title, chinese.title), tuple(map(Both, english.columns, chinese.columns)), rows,
                Both(english.note, chinese.note))


def _cell(text: Both, sheet: Sheet, place: int) -> Cell | Text:
    return Cell(text, "code") if place in sheet.code else text


def shown(grid: Grid) -> tuple[Block, ...]:
    """``grid``, unless it has no row."""
    return (grid,) if grid.rows else ()


def text_of(message: Message | None) -> Text:
    """``message`` in both languages; nothing for None."""
    return both(message) if message else ""
