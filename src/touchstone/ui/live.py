"""Follows what a run writes of itself while it measures, whatever becomes of the file, and keeps what a reader wants to see."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from touchstone.clock import realtime_ns
from touchstone.units import NS_PER_S

_CHUNK_BYTES = 4 << 20
_LONGEST_LINE = 1 << 20
_LONGEST_TEXT = 300
_MOST_CASES, _MOST_KEPT = 64, 12
_SILENT_S = 60.0


@dataclass
class CaseProgress:
    """How far one case is: measured trials that ended (of a load: requests), of how many, those that failed, and what is under way."""

    done: int = 0
    of: int | None = None
    failed: int = 0
    in_flight: int | None = None


@dataclass
class LiveState:
    """What the events said so far. ``progress`` is 0 to 1, None where nobody knows; a verdict is a case, its trust and the gravest reason."""

    facts: dict[str, str] = field(default_factory=dict)
    stage: str = ""
    case: str = ""
    launch: int | None = None
    progress: float | None = None
    heard: str = ""
    cases: dict[str, CaseProgress] = field(default_factory=dict)
    warnings: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))
    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    ended: str = ""
    error: str = ""

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take one event. Fields that are not what they should be are left out, and so is every event of another kind."""
        kind = event.get("event")
        if kind == "run.start" and event.get("resumed") is not True:  # a run that is resumed goes on where it was
            self.__init__()  # type: ignore[misc]  # everything anew
        self.heard = _text(event.get("ts")) or self.heard
        share = event.get("progress")
        if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 <= share <= 1:
            self.progress = float(share)
        taken = {"run.start": self._start, "stage.start": self._stage, "trial": self._trial, "sample": self._sample, "warning": self._warning,
                 "verdict": self._verdict, "run.end": self._end}.get(str(kind))
        if taken is not None:
            taken(event)

    def _start(self, event: Mapping[str, Any]) -> None:
        self.ended = self.error = ""
        self.facts = {name: text for name in ("kind", "plan") if (text := _text(event.get(name)))}
        if model := _text(event.get("model")):
            self.facts["model"] = model.rstrip("/").rpartition("/")[2]
        cases = event.get("cases")
        for one in cases[:_MOST_CASES] if isinstance(cases, list) else ():
            if isinstance(one, dict) and (found := self._of(one)):
                found.of = _count(one.get("repeats")) if self.facts.get("kind") == "run" else None

    def _stage(self, event: Mapping[str, Any]) -> None:
        self.stage, self.case, self.launch = _text(event.get("stage")), _text(event.get("case")), _count(event.get("launch"))
        found = self._of(event)
        if found is not None and self.stage == "measuring" and self.facts.get("kind") != "run":
            found.done, found.failed, found.in_flight, found.of = 0, 0, 0, _count(event.get("requests"))

    def _of(self, event: Mapping[str, Any]) -> CaseProgress | None:
        name = _text(event.get("case"))
        if not name or (name not in self.cases and len(self.cases) >= _MOST_CASES):
            return None
        return self.cases.setdefault(name, CaseProgress())

    def _trial(self, event: Mapping[str, Any]) -> None:
        failed = event.get("status") != "ok"
        found = self._of(event) if failed or event.get("phase") == "measured" else None
        if found is not None:
            found.done += event.get("phase") == "measured"
            found.failed += failed

    def _sample(self, event: Mapping[str, Any]) -> None:
        found, ended = self._of(event), _count(event.get("ended"))
        if found is not None and ended is not None:
            found.done, found.failed, found.in_flight = ended, _count(event.get("failed")) or 0, _count(event.get("in_flight"))

    def _warning(self, event: Mapping[str, Any]) -> None:
        self.warnings.append((_text(event.get("case")), _text(event.get("message"))))

    def _verdict(self, event: Mapping[str, Any]) -> None:
        reasons = event.get("reasons")
        first = reasons[0] if isinstance(reasons, list) and reasons and isinstance(reasons[0], dict) else {}
        if len(self.verdicts) <= _MOST_CASES:
            self.verdicts[_text(event.get("case"))] = _text(event.get("trust")), _text(first.get("message"))

    def _end(self, event: Mapping[str, Any]) -> None:
        self.ended, self.error = _text(event.get("status")) or "complete", _text(event.get("error"))


def _text(value: object) -> str:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53 else None


class Follower:
    """Reads lines of JSON as they are written. A file that is cut, or put in another's place, is read from its beginning again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read, self._rest, self._file = 0, b"", (0, 0)
        self._skipping = False
        self.state = LiveState()

    def advance(self) -> bool:
        """Take what has come since; whether there was anything. A line that nobody has ended yet waits, one without end is dropped."""
        try:
            with self._path.open("rb") as file:
                chunk = self._next(file.fileno())
        except OSError:
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if not self._skipping:
                self._take(line)
            self._skipping = False
        if len(self._rest) > _LONGEST_LINE:
            self._rest, self._skipping = b"", True
        return bool(chunk)

    @property
    def silent(self) -> bool:
        """Whether a run that has not ended has written nothing for a while."""
        try:
            changed_ns = self._path.stat().st_mtime_ns
        except OSError:
            return False
        return not self.state.ended and realtime_ns() - changed_ns > _SILENT_S * NS_PER_S

    def _next(self, descriptor: int) -> bytes:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != self._file or status.st_size < self._read:
            self._file, self._read, self._rest, self._skipping = (status.st_dev, status.st_ino), 0, b"", False
            self.state = LiveState()
        chunk = os.pread(descriptor, _CHUNK_BYTES, self._read)
        self._read += len(chunk)
        return chunk

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(event, dict):
            self.state.hear(event)
