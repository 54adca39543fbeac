"""Samples as lines of JSON in a run's directory: a sampler must disturb nothing, so it leaves the Parquet library alone.

What a killed sampler wrote of its last line does not count; :mod:`touchstone.store` reads and merges the rest.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PARTS = "parts"
ENDING = "jsonl"


def part(directory: Path, table: str, launch: int, process: int) -> Path:
    """The file of one process's samples for ``table``."""
    return directory / PARTS / f"{table}-{launch:03d}-{process:03d}.{ENDING}"


def append(path: Path, samples: Iterable[object]) -> None:
    """Add dataclasses as lines, all or none. Raises OSError, on a full disk for instance."""
    text = "".join(json.dumps(vars(sample)) + "\n" for sample in samples).encode()
    if not text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            written = file.write(text)
        except OSError:
            written = 0
            raise
        finally:
            if written != len(text):  # half a line would spoil those that come after it
                file.truncate(before)
    if written != len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of every whole line. Raises ValueError naming a line in the middle that is damaged."""
    *lines, _unfinished = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {str(error)[:100]}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no object")  # noqa: TRY004 - the one error of a damaged file
        rows.append(row)
    return rows
