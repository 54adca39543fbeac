"""Where the events of a measurement go: the end of a file, a pipe, or whatever else takes records."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

Record = dict[str, Any]


class Outlet(Protocol):
    """Where records go. ``put`` raises OSError where it cannot go on; it is not asked again."""

    name: str

    def put(self, record: Record) -> None:
        """Take one record."""


class LineFile:
    """Lines of JSON at the end of a file or pipe, each by one write, so that whoever follows it never reads half a line of a whole disk."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name, self._descriptor = name, descriptor

    @classmethod
    def at(cls, path: Path) -> LineFile:
        """At the end of the file ``path``; what a killed process left there of a line is ended first. Raises OSError."""
        lines = cls(str(path), os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
        if _cut_off(path):
            lines._write(b"\n")
        return lines

    def put(self, record: Record) -> None:
        """Write ``record``. Raises OSError, also where only a part of it could be written.

        In ASCII, so that no name in it can end the line for a reader or steer a terminal that it is shown on.
        """
        self._write(json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._descriptor, rest):]  # a pipe takes what it has room for; a full disk raises

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def _cut_off(path: Path) -> bool:
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
