"""One line on stderr that is written over while something goes on; where there is no terminal, plain lines."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_COLUMNS = 78
_ERASE = "\r\x1b[2K"


class LiveLine:
    """``ui`` is rich or dashboard (a live line), plain or simple (lines), none, or auto: whatever suits ``stream``."""

    def __init__(self, ui: str, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.silent = ui == "none"
        self.live = ui in {"rich", "dashboard"} or (ui == "auto" and terminal)

    def show(self, text: str) -> None:
        """Write over what was shown last, as much as one line holds; a Chinese character takes two columns."""
        if self.live and not self.silent:
            from rich.cells import cell_len, set_cell_size

            self._write(_ERASE + set_cell_size(text, min(self._room(), cell_len(text))))

    def _room(self) -> int:
        """What can be written over: a line that is as wide as the terminal has already gone on to the next."""
        try:
            return max(min(os.get_terminal_size(self._stream.fileno()).columns - 1, _COLUMNS), 1)
        except (OSError, ValueError):  # no terminal, or none that knows how wide it is
            return _COLUMNS

    def say(self, text: str) -> None:
        """One line that stays."""
        if not self.silent:
            self._write((_ERASE if self.live else "") + text + "\n")

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self.live and not self.silent:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
