"""Lines on stderr that are written over while something goes on; where there is no terminal, plain lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from touchstone.report.terminal import spelled

_COLUMNS, _ROWS = 80, 24
_WIDEST = 78
_ERASE = "\r\x1b[2K"
_UP, _ERASE_BELOW = "\x1b[{count}A", "\r\x1b[J"
_SPARE = 3  # "^C" is echoed where the cursor stands, and must not make the line longer than the terminal


class LiveLine:
    """``ui`` is rich or dashboard (live lines), plain or simple (lines that stay), none, or auto: whatever suits ``stream``.

    By hand and not by rich.live: it writes six rows in 0.16 ms of a processor that may be the measured one, instead of 3.2 ms, and
    leaves a terminal clean that was made narrower meanwhile.
    """

    def __init__(self, ui: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr  # asked for now: a default of the signature would be what it was when this was imported
        terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self.silent = ui == "none"
        self.live = ui in {"rich", "dashboard"} or (ui == "auto" and terminal)
        self._shown: Sequence[str] = ()

    def show(self, text: str) -> None:
        """Write over what was shown last, as much as one line holds; a Chinese character takes two columns."""
        self.show_all((text,), min(max(self._size().columns - 1, 1), _WIDEST))

    def room(self) -> tuple[int, int]:
        """Columns and lines that can be written over: a line as wide as the terminal has already gone on to the next."""
        size = self._size()
        return max(size.columns - _SPARE, 1), max(size.lines - 1, 1)

    def show_all(self, lines: Sequence[str], width: int) -> None:
        """Write over what was shown last with ``lines``, each cut to ``width`` cells."""
        if self.live and not self.silent and lines:
            from rich.cells import cell_len, set_cell_size

            fitting = [set_cell_size(line, min(width, cell_len(line))) for line in lines]
            self._write(self._erased() + "\n".join(fitting))
            self._shown = fitting

    def say(self, text: str) -> None:
        """One line that stays, above what is written over."""
        if not self.silent:
            shown = self._shown
            self._write((self._erased() if self.live else "") + text + "\n" + "\n".join(shown))
            self._shown = shown

    def insist(self, text: str) -> None:
        """One line that stays, also where silence was asked for: the answer to a key that was pressed."""
        if self.silent:
            self._write(text + "\n")
        else:
            self.say(text)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self.live and not self.silent:
            self._write(self._erased())

    def _erased(self) -> str:
        """What removes the shown lines, also where the terminal has become narrower since and has broken them."""
        from rich.cells import cell_len

        columns = self._size().columns
        above = sum(max(1, -(-cell_len(line) // columns)) for line in self._shown) - 1
        self._shown = ()
        return _ERASE if above < 1 else "\r" + _UP.format(count=above) + _ERASE_BELOW

    def _size(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):  # no terminal, or none that knows how wide it is
            size = os.terminal_size((0, 0))
        return os.terminal_size((size.columns or _COLUMNS, size.lines or _ROWS))

    def _write(self, text: str) -> None:
        self._stream.write(spelled(text, self._stream))
        self._stream.flush()
