"""The lines of a program that believes it writes to a terminal: through a pipe it would keep rows back until a buffer is full."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
from collections.abc import Iterator, Sequence

_CHUNK_BYTES = 4096
_LONGEST_LINE = 1 << 16


class TerminalStream:
    """A program on a terminal of its own. If its reader dies, however, the terminal hangs up and the program ends too.

    Open it before threads are: it runs a line of Python between fork and exec. Iterate in one thread; :meth:`close` may come from
    another. Raises OSError where the program cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._terminal, other_end = pty.openpty()
        try:
            self._program = subprocess.Popen(
                [*command], stdin=other_end, stdout=other_end, stderr=other_end, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # noqa: PLW1509 - so that the terminal can hang up on it
        except OSError:
            os.close(self._terminal)
            raise
        finally:
            os.close(other_end)

    def __iter__(self) -> Iterator[str]:
        """Every line as it comes, without its end."""
        kept = b""
        while True:
            try:
                chunk = os.read(self._terminal, _CHUNK_BYTES)
            except OSError:  # what Linux says when the program has ended
                return
            if not chunk:
                return
            *lines, kept = (kept + chunk).split(b"\n")
            kept = kept[-_LONGEST_LINE:]
            for line in lines:
                yield line.decode("utf-8", "replace").rstrip("\r")

    def close(self) -> None:
        """End the program and wait for it; the iteration ends with it."""
        self._program.kill()
        self._program.wait()

    def hang_up(self) -> None:
        """Give the terminal back, when nobody iterates any more."""
        os.close(self._terminal)
