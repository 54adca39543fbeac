"""A terminal's width, kept: lines that wrap and tables that fit, or become lists where they cannot."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

_WIDEST = 120
_NARROWEST_TITLE = 6
_WIDE = "\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_OPENING, _CLOSING = "（【《〈「『“‘", "，。、；：？！）】》〉」』”’"
_PIECE = re.compile(
    rf"\s*(?:[{_OPENING}]*(?:[{_WIDE}]|[^\s{_WIDE}{_OPENING}{_CLOSING}]+)|[{_OPENING}]+|(?=[{_CLOSING}])|$)[{_CLOSING}]*(?: %(?!\w)[{_CLOSING}]*)?")
"""What stays on one line: a word, or a Chinese character, with the marks that may not be parted from it."""


class Screen:
    """Text for a terminal, as wide as it is (80 cells where there is none, at most 120)."""

    def __init__(self) -> None:
        from rich.console import Console

        self._buffer = io.StringIO()
        self.width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
        self._console = Console(file=self._buffer, width=self.width, no_color=True, highlight=False, markup=False, emoji=False)

    def line(self, text: str = "", hang: int = 0) -> None:
        """``text``, on as many lines as it needs, all but the first moved in by ``hang`` cells."""
        from rich.text import Text

        for line in _wrapped(text.expandtabs(), self.width, hang if self.width > 2 * hang else 0):
            self._console.print(Text(line))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
        """A table: the first column is the title of a row, the last is words (or with ``numbers`` a number), the others are numbers.

        Where the terminal is too narrow for it, one short list per row.
        """
        for line in _lines(columns, rows, self.width, words_last=not numbers) if rows else ():
            self._console.print(line)

    def text(self) -> str:
        """Everything so far, without blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._buffer.getvalue().rstrip().splitlines())


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


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, words_last: bool) -> Iterator[Any]:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    headers = list(map(_folded, columns))
    numbers = [max(cell_len(line) for text in (header, *column) for line in text.splitlines())
               for header, *column in zip(headers[1:], *(row[1:] for row in rows), strict=True)]
    titles = width - sum(numbers) - len(numbers)
    if titles < _NARROWEST_TITLE:
        for title, *values in rows:
            yield Text(title)
            for column, value in zip(columns[1:], values, strict=True):
                if value:
                    yield Text(f"  {column}: {value}")
        return
    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    longest = max(map(cell_len, (*headers[0].splitlines(), *(row[0] for row in rows))))
    grid.add_column(headers[0], width=min(titles, longest), overflow="fold")
    for header, least in zip(headers[1:], numbers, strict=True):
        grid.add_column(header, justify="left" if words_last and header is headers[-1] else "right", width=least)
    for row in rows:
        grid.add_row(*map(Text, row))
    yield grid


def _folded(header: str) -> str:
    """A column name on several short lines, cut where its parts meet."""
    for part in ("首token", "长度", "(", "s/req"):
        header = header.replace(part, f"\n{part}")
    return "\n".join(line.strip() for line in header.replace(" ", "\n").splitlines() if line.strip())
