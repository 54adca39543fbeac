"""Where runs lie: those below a directory, and one of either kind as read back."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from touchstone import load_store, sample_lines, store
from touchstone.errors import UsageError, making_sense_of
from touchstone.message import Message, say
from touchstone.record import Run
from touchstone.served import LoadRun

_TABLES = frozenset(f"{table}.parquet" for table in (*store.TABLES, *load_store.TABLES))
Stamp = tuple[tuple[str, int, int], ...]
"""Name, time of the last change in nanoseconds, and size of every file that a run's numbers come from."""


@dataclass(frozen=True)
class Found:
    """A directory that holds a run, or the ``reason`` why what lies there is none."""

    directory: Path
    reason: Message | None = None


def must_hold_runs(directory: Path) -> None:
    """Raise :class:`UsageError` where there is no such directory: most likely nothing was measured here yet."""
    if not directory.is_dir():
        raise UsageError("There is no directory {directory}.", "Name one that holds runs, or measure something first: touchstone run quick", directory=directory)


def find_runs(directory: Path) -> list[Found]:
    """Every run in or below ``directory`` once, nearest first; what cannot be read, and what is left of a run, with the reason.

    Nothing is looked for inside a run or in hidden directories, and no link is followed but one that leads straight to a run: a loop of
    links, or a link to the whole disk, costs nothing.
    """
    found: list[Found] = []
    links: list[Path] = []
    waiting = deque([directory])
    while waiting:
        here = waiting.popleft()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            found.append(Found(here, say("it cannot be read: {why}", why=error.strerror or error)))
            continue
        names = {entry.name for entry in entries}
        if store.HEADER in names:
            found.append(Found(here))
        elif names & _TABLES:
            found.append(Found(here, say("it has tables of a run but no run.json")))
        else:
            waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]
            links += [Path(entry.path) for entry in entries if entry.is_symlink()]
    return found + list(_linked(links, {os.path.realpath(one.directory) for one in found}))


def _linked(links: list[Path], known: set[str]) -> Iterator[Found]:
    """The runs that only a link leads to."""
    for link in links:
        real = os.path.realpath(link)
        if real not in known and os.path.isfile(os.path.join(real, store.HEADER)):  # noqa: PTH113, PTH118 - Path.is_file raises where it may not look
            known.add(real)
            yield Found(link)


def read_run(directory: Path) -> Run | LoadRun:
    """The run in ``directory``, of either kind. Raises :class:`touchstone.errors.DataError`."""
    header = store.read_header(directory)
    with making_sense_of(directory):
        return load_store.load_test(directory) if load_store.is_load(header) else store.load(directory)


def stamp_of(directory: Path) -> Stamp:
    """What tells whether the numbers of a run may have changed; files that come and go meanwhile do not count."""
    return (*_stamps(directory, (store.HEADER, ".parquet")), *_stamps(directory / store.PARTS, (".parquet", f".{sample_lines.ENDING}")))


def _stamps(folder: Path, endings: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    with contextlib.suppress(OSError):  # of a run that goes on, or that somebody removes
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.endswith(endings):
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    yield entry.name, status.st_mtime_ns, status.st_size
