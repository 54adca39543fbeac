"""A terminal's width and height, kept: lines that wrap, tables that fit or become lists where they cannot, and signs that it has."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TextIO

_WIDEST = 120
USUAL_WIDTH, USUAL_HEIGHT = 80, 24
_NARROWEST_TITLE = 6
_WIDE = "\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_OPENING, _CLOSING = "（【《〈「『“‘", "，。、；：？！）】》〉」』”’"
_PIECE = re.compile(
    rf"\s*(?:[{_OPENING}]*(?:[{_WIDE}]|[^\s{_WIDE}{_OPENING}{_CLOSING}]+)|[{_OPENING}]+|(?=[{_CLOSING}])|$)[{_CLOSING}]*(?: %(?!\w)[{_CLOSING}]*)?")
"""What stays on one line: a word, or a Chinese character, with the marks that may not be parted from it."""


_SPELLINGS: Mapping[str, str] = {"✓": "+", "✗": "x", "✕": "x", "×": "x", "±": "+-", "·": "|", "→": "->", "–": "-", "—": "-", "−": "-",
                                 "…": "...", "≤": "<=", "≥": ">=", "≈": "~", "μ": "u", "µ": "u", "“": '"', "”": '"', "’": "'"}
"""How a terminal of few letters reads the signs that our texts use."""


def spelled(text: str, stream: TextIO) -> str:
    """``text`` in the letters of ``stream``: a sign that its encoding cannot hold is spelled in ASCII, and is ``?`` where it cannot be."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_spelled(character, encoding) for character in text)
    except LookupError:
        pass
    return text


def _spelled(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return _SPELLINGS.get(character, "?")
    return character


@dataclass
class _Block:
    """Lines that stand or fall together. Of the blocks that are too many for a screen those of the highest rank go first."""

    rank: int
    lines: list[str]


class Screen:
    """Text for a terminal, as wide as it is (80 cells where there is none, at most 120).

    ``height`` is how many lines there may be: what has a rank above 0 is left out, the highest and last first, until they are that
    few. None: any number.
    """

    def __init__(self, height: int | None = None) -> None:
        self._blocks: list[_Block] = []
        self._height = height
        self.width = min(shutil.get_terminal_size((USUAL_WIDTH, USUAL_HEIGHT)).columns, _WIDEST)

    def line(self, text: str = "", hang: int = 0, *, rank: int = 0, most: int | None = None) -> None:
        """``text``, on as many lines as it needs (of 80 cells, at most ``most``), all but the first moved in by ``hang`` cells."""
        text = spelled(text.expandtabs(), sys.stdout)
        lines = list(_wrapped(text, self.width, hang if self.width > 2 * hang else 0))
        room = None if most is None else max(most, -(-most * USUAL_WIDTH // self.width))
        self._blocks.append(_Block(rank, lines if room is None or len(lines) <= room else [*lines[:room - 1], _cut(lines[room - 1], self.width)]))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False, names: Sequence[str] = (),
              below: Sequence[str] = ()) -> None:
        """A table: the first column is the title of a row, the last is words (or with ``numbers`` a number), the others are numbers.

        Where titles are too long for one line and ``names`` are not, it has the names. Where the terminal is too narrow for it, it is
        one short list per row. ``below`` are words under each row, as wide as the terminal.
        """
        from rich.console import Console

        buffer = io.StringIO()
        console = Console(file=buffer, width=self.width, no_color=True, highlight=False, markup=False, emoji=False)
        columns, rows = [spelled(one, sys.stdout) for one in columns], [[spelled(cell, sys.stdout) for cell in row] for row in rows]
        called = [[spelled(name, sys.stdout), *row[1:]] for name, row in zip(names, rows, strict=True)] if names else None
        said = ["\n".join(_wrapped(f"  {spelled(words, sys.stdout)}", self.width, 4)) for words in below]
        for line in _lines(columns, _that_fit(columns, rows, called, self.width), self.width, said, words_last=not numbers) if rows else ():
            console.print(line)
        self._blocks.append(_Block(0, buffer.getvalue().splitlines()))

    def text(self) -> str:
        """Everything that there is room for, without blanks at the ends of lines."""
        lines = [line.rstrip() for block in self._kept() for line in block.lines]
        return "\n".join(lines).rstrip()

    def _kept(self) -> list[_Block]:
        kept = list(self._blocks)
        while self._height is not None and sum(len(block.lines) for block in kept) > self._height:
            rank = max(block.rank for block in kept)
            if not rank:
                break
            kept.remove([block for block in kept if block.rank == rank][-1])
        return kept


def _cut(line: str, width: int) -> str:
    """``line`` with a sign that something was cut off."""
    from rich.cells import cell_len, set_cell_size

    sign = spelled("…", sys.stdout)
    return set_cell_size(line, min(cell_len(line), width - len(sign))).rstrip() + sign


def _wrapped(text: str, width: int, hang: int) -> Iterator[str]:
    """``text`` in lines of ``width`` cells, all but the first moved in; Chinese breaks between any two characters that are not marks."""
    from rich.cells import cell_len, chop_cells

    room, indent = width, ""
    for paragraph in text.split("\n"):
        line = ""
        for word in _PIECE.findall(paragraph):
            piece = word
            if line.strip() and cell_len(line + piece) > room:
                yield indent + line
                room, indent, line, piece = width - hang, " " * hang, "", word.lstrip()
            line += piece
            while len(line) > room or cell_len(line) > room:
                part = chop_cells(line[:room], room)[0]
                yield indent + part
                room, indent, line = width - hang, " " * hang, line[len(part):]
        yield indent + line


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> tuple[int, list[int]]:
    """Cells for the titles of the rows, and those that each other column needs."""
    from rich.cells import cell_len

    needed = [max(cell_len(line) for text in (_folded(header), *column) for line in text.splitlines())
              for header, *column in zip(columns[1:], *(row[1:] for row in rows), strict=True)]
    return width - sum(needed) - len(needed), needed


def _that_fit(columns: Sequence[str], rows: Sequence[Sequence[str]], called: Sequence[Sequence[str]] | None, width: int) -> Sequence[Sequence[str]]:
    """``rows``, or the same ones as ``called`` by shorter names where the titles would take more than a line each."""
    from rich.cells import cell_len

    room, _ = _widths(columns, rows, width)
    longest, shorter = (max((cell_len(row[0]) for row in some or ()), default=0) for some in (rows, called))
    return called if called is not None and longest > room and shorter < longest else rows


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, below: Sequence[str], *, words_last: bool) -> Iterator[Any]:
    from rich.cells import cell_len
    from rich.text import Text

    headers = list(map(_folded, columns))
    titles, numbers = _widths(columns, rows, width)
    if titles < _NARROWEST_TITLE:
        colon = "：" if re.search(f"[{_WIDE}]", "".join(columns)) else ": "
        for (title, *values), words in zip_longest(rows, below):
            yield Text(title)
            if words:
                yield Text(words)
            for column, value in zip(columns[1:], values, strict=True):
                if value:
                    yield Text(f"  {column}{colon}{value}")
        return
    longest = max(map(cell_len, (*headers[0].splitlines(), *(row[0] for row in rows))))
    widths = [min(titles, longest), *numbers]
    if not below:
        yield _grid(headers, widths, rows, words_last=words_last)
    for place, (row, words) in enumerate(zip(rows, below, strict=False)):
        yield _grid(headers, widths, [row], words_last=words_last, headed=place == 0)
        yield Text(words)


def _grid(headers: Sequence[str], widths: Sequence[int], rows: Sequence[Sequence[str]], *, words_last: bool, headed: bool = True) -> Any:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=headed)
    for place, (header, width) in enumerate(zip(headers, widths, strict=True)):
        words = place == 0 or (words_last and place == len(headers) - 1)
        grid.add_column(header, justify="left" if words else "right", width=width, overflow="ellipsis" if place else "fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


def _folded(header: str) -> str:
    """A column name on several short lines, cut where its parts meet."""
    for part in ("首token", "长度", "(", "s/req"):
        header = header.replace(part, f"\n{part}")
    return "\n".join(line.strip() for line in header.replace(" ", "\n").splitlines() if line.strip())
