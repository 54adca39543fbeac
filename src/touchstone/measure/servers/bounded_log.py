"""A log file that cannot fill the disk: its beginning and its end are kept, and how much was left out between them."""

from __future__ import annotations

import contextlib
from pathlib import Path

KEPT_HEAD_BYTES = 16 << 20
KEPT_TAIL_BYTES = 8 << 20


class BoundedLog:
    """Writes up to ``head_bytes``, then goes on in one of two files beside it, in turn, so that the last ``tail_bytes`` are on disk.

    :meth:`close` puts the pieces together. Whatever ends the program before that, the pieces stay.
    """

    def __init__(self, path: Path, head_bytes: int = KEPT_HEAD_BYTES, tail_bytes: int = KEPT_TAIL_BYTES) -> None:
        self._path = path
        self._tail_bytes = tail_bytes
        self._room = max(0, head_bytes - (path.stat().st_size if path.exists() else 0))
        self._file = path.open("ab", buffering=0)
        self._tails = tail_files(path)
        self._tail_size: int | None = None  # of the piece being written; None while there is room in the head
        self._total_tail = 0

    def write(self, chunk: bytes) -> None:
        """Add ``chunk``. A disk that takes no more loses log lines, not the measurement."""
        head, rest = chunk[:self._room], chunk[self._room:]
        with contextlib.suppress(OSError):
            if head:
                self._file.write(head)
            self._room -= len(head)
            if rest:
                self._write_tail(rest)

    def _write_tail(self, chunk: bytes) -> None:
        if self._tail_size is None or self._tail_size > self._tail_bytes:
            self._file.close()
            if self._tail_size is not None:
                self._tails[1].replace(self._tails[0])
            self._file = self._tails[1].open("wb", buffering=0)
            self._tail_size = 0
        self._file.write(chunk)
        self._tail_size += len(chunk)
        self._total_tail += len(chunk)

    def close(self) -> None:
        """Put the end behind the beginning, and say between them how many bytes are left out."""
        self._file.close()
        if self._tail_size is None:
            return
        with contextlib.suppress(OSError):
            tail = b"".join(path.read_bytes() for path in self._tails if path.exists())[-self._tail_bytes:]
            with self._path.open("ab") as whole:
                whole.write(b"\n[... %d bytes left out ...]\n" % (self._total_tail - len(tail)))
                whole.write(tail)
            for path in self._tails:
                path.unlink(missing_ok=True)


def tail_files(path: Path) -> tuple[Path, Path]:
    """Where the older and the newer piece of the end lie until the log is closed."""
    return path.with_name(path.name + ".older"), path.with_name(path.name + ".newer")


def last_lines(path: Path, count: int, *, since: int = 0, most_bytes: int = 1 << 16) -> list[str]:
    """The last ``count`` lines that say something, of the log at ``path`` as it is now, its first ``since`` bytes left out."""
    lines = last_bytes(path, since, most_bytes).decode("utf-8", errors="replace").splitlines()
    return [line for line in lines if line.strip()][-count:]


def last_bytes(path: Path, since: int, most_bytes: int) -> bytes:
    """The end of the log at ``path`` as it is now, not further back than its byte ``since``; nothing where there is no log."""
    newest = next((piece for piece in (tail_files(path)[1], path) if piece.exists()), None)
    if newest is None:
        return b""
    with contextlib.suppress(FileNotFoundError), newest.open("rb") as file:  # the pieces may just have been put together
        file.seek(max(since if newest is path else 0, newest.stat().st_size - most_bytes))
        return file.read()
    return b""
