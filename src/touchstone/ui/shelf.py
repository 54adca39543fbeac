"""The runs of a directory: found again whenever they are asked for, each read and judged once until its files change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from touchstone import store
from touchstone.clock import now_ns, realtime_ns
from touchstone.errors import DataError
from touchstone.finding import Findings
from touchstone.header import UNFINISHED
from touchstone.listing import Basis, Catalogue, LeftOut, ListedRun
from touchstone.message import Message
from touchstone.record import Run
from touchstone.run_directories import Found, Stamp, find_runs, read_run, stamp_of
from touchstone.served import LoadRun
from touchstone.ui.kept import Kept
from touchstone.ui.lines import listed_document, listed_header
from touchstone.units import NS_PER_S

EVENTS = "events.jsonl"
"""What a run writes while it measures, line by line."""
_REPORT = "report.json"
_LARGEST_REPORT = 64 << 20
_SILENT_S = 120.0  # a run that wrote nothing for so long is not going on any more


def key_of(path: str) -> str:
    """What names a run in an address: of its path below the directory, which an address must not hold."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def is_live(directory: Path, header: Mapping[str, Any]) -> bool:
    """Whether a run is still going on: it has not ended, and wrote something lately. A killed one cannot say that it ended."""
    if header.get("status") not in UNFINISHED:
        return False
    changed = [changed_ns for _, changed_ns, _ in stamp_of(directory)]
    with contextlib.suppress(OSError):  # it has none yet
        changed.append((directory / EVENTS).stat().st_mtime_ns)
    return bool(changed) and realtime_ns() - max(changed) < _SILENT_S * NS_PER_S


class Shelf:
    """The runs below ``directory``; safe to be used by several threads, of which one judges at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lines: dict[str, tuple[Stamp, ListedRun]] = {}
        self._judged: Kept[Path, tuple[Run | LoadRun, Findings]] = Kept()
        self._judging = threading.RLock()

    def catalogue(self, patience_s: float | None = None, tell: Callable[[str], None] | None = None) -> Catalogue:
        """One line per run. After ``patience_s`` no further run is judged: what has no report beside it then says only what it is.

        ``tell`` hears of every run before it is judged.
        """
        deadline = None if patience_s is None else now_ns() + round(patience_s * NS_PER_S)
        lines = [self._line(found, deadline, tell) for found in find_runs(self.directory)]
        return Catalogue(str(self.directory), tuple(one for one in lines if isinstance(one, ListedRun)),
                         tuple(one for one in lines if isinstance(one, LeftOut)))

    def find(self, key: str) -> Path | None:
        """The directory of the run called ``key``; None if there is none now."""
        return next((one.directory for one in find_runs(self.directory) if one.reason is None and key_of(self._path(one.directory)) == key), None)

    def judged(self, directory: Path) -> tuple[Run | LoadRun, Findings]:
        """The run in ``directory`` and what may be said of it. Raises :class:`DataError`."""
        from touchstone.judge.findings import findings_of

        with self._judging:
            return self._judged.get(directory, stamp_of(directory), lambda: (run := read_run(directory), findings_of(run)))

    def _path(self, directory: Path) -> str:
        """Where a run is, below the directory; a run that is the directory itself by its own name."""
        relative = directory.relative_to(self.directory).as_posix()
        return directory.resolve().name if relative == "." else relative

    def _line(self, found: Found, deadline: int | None, tell: Callable[[str], None] | None) -> ListedRun | LeftOut:
        path = self._path(found.directory)
        if found.reason is not None:
            return LeftOut(path, found.reason)
        try:
            return self._listed(found.directory, path, deadline, tell)
        except DataError as error:
            return LeftOut(path, Message(error.message, tuple(error.fields.items())))

    def _listed(self, directory: Path, path: str, deadline: int | None, tell: Callable[[str], None] | None) -> ListedRun:
        stamp, kept = stamp_of(directory), self._lines.get(path)
        if kept is not None and kept[0] == stamp and kept[1].basis is not Basis.HEADER:
            return kept[1]
        header = store.read_header(directory)
        live = is_live(directory, header)
        line = None if live else _from_report(directory, path, stamp, header)
        if line is None and not live and self._judging.acquire(blocking=deadline is None):
            try:
                if deadline is None or now_ns() < deadline:
                    if tell is not None:
                        tell(path)
                    line = self._from_findings(directory, path)
            finally:
                self._judging.release()
        line = line or listed_header(key_of(path), path, header, live=live)
        self._lines[path] = stamp, line
        return line

    def _from_findings(self, directory: Path, path: str) -> ListedRun | None:
        from touchstone.report.document import to_json

        document = json.loads(to_json(self.judged(directory)[1], str, "en"))
        return listed_document(key_of(path), path, document, Basis.JUDGED)


def _from_report(directory: Path, path: str, stamp: Stamp, header: Mapping[str, Any]) -> ListedRun | None:
    """The line of a run by the report beside it; None where there is none, or it is older than what it is of, or no such report."""
    report = directory / _REPORT
    try:
        status = report.stat()
        if status.st_size > _LARGEST_REPORT or any(changed_ns > status.st_mtime_ns for _, changed_ns, _ in stamp):
            return None
        document = json.loads(report.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    line = listed_document(key_of(path), path, document, Basis.REPORT)
    return line if line is not None and line.run_id == str(header.get("id")) else None
