"""What a tracker takes, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from touchstone.finding import Findings
from touchstone.histogram import Histogram
from touchstone.message import Message


@dataclass(frozen=True)
class Tracked:
    """A finished run: its findings, its directory, and what only some trackers take.

    ``ended`` is an ISO 8601 time, ``labels`` what the user says of the target, ``note`` one sentence. ``histograms`` reads every request
    of the run, so it is called only where they are wanted.
    """

    findings: Findings
    directory: Path
    ended: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    histograms: Callable[[], Sequence[Histogram]] = tuple


@dataclass(frozen=True)
class Settings:
    """``online`` is the leave to use the network and an account; ``endpoint`` and ``output`` are where OpenTelemetry goes."""

    online: bool = False
    project: str = "touchstone"
    endpoint: str | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Sent:
    """Where the run is now, to be said to the user."""

    where: Message
