"""A heading, sentences and a table: what several faces render alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from touchstone.report.markdown import cell, grid
from touchstone.report.table import plain
from touchstone.report.terminal import Screen


@dataclass(frozen=True)
class Section:
    """``lines`` are facts that stand above the table, ``notes`` what has to be known to read it. Everything is said already.

    A ``listing`` is a table of many short rows, which are neither folded nor made to fit.
    """

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[Sequence[str], ...] = ()
    notes: tuple[str, ...] = ()
    listing: bool = False


def to_screen(sections: Iterable[Section]) -> str:
    """The sections for a terminal, as wide as it is."""
    parts = []
    for section in sections:
        screen = Screen()
        screen.line(plain(section.title))
        for line in section.lines:
            screen.line(f"  {plain(line)}", hang=4)
        rows = [[plain(one) for one in row] for row in section.rows]
        if not section.listing:
            screen.table(section.columns, rows, numbers=True)
        listed = list(_aligned([section.columns, *rows])) if section.listing else []
        notes = Screen()
        for note in section.notes:
            notes.line(f"  * {plain(note)}", hang=4)
        parts.append("\n".join(filter(None, (screen.text(), *listed, notes.text()))))
    return "\n\n".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines, the first column to the left and the others to the right; a hundred thousand of them take no long time."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        line = first + " " * (widths[0] - cell_len(first))
        yield line + "".join(" " * (1 + width - cell_len(one)) + one for one, width in zip(others, widths[1:], strict=True))


def to_markup(sections: Iterable[Section]) -> str:
    """The sections in Markdown, the first as its title; hostile text stays text."""
    parts: list[str] = []
    for place, section in enumerate(sections):
        parts.append(f"{'##' if place else '#'} {cell(section.title)}")
        if section.lines:
            parts.append("\n".join(f"* {cell(line)}" for line in section.lines))
        if section.rows:
            parts.append(grid([cell(one) for one in section.columns], [[cell(one) for one in row] for row in section.rows]))
        if section.notes:
            parts.append("\n".join(f"* {cell(note)}" for note in section.notes))
    return "\n\n".join(parts)
