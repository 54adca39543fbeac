"""One line per run, per trial and per request: what lists are made of. Facts in SI units; missing is None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from touchstone.finding import Findings, Trust
from touchstone.message import Message


class Basis(str, Enum):
    """What a line of a list of runs rests on: the report beside the run, a judgement just made, or only what the run says of itself."""

    REPORT = "report"
    JUDGED = "judged"
    HEADER = "header"


@dataclass(frozen=True)
class Foremost:
    """The number of a run that is read first, in SI units, and the case it is of."""

    value: float
    case: str


@dataclass(frozen=True)
class ListedRun:
    """One run of a list. ``key`` names it in an address, ``path`` is below the directory that was listed.

    ``throughput`` in tokens/s and ``ttft`` in seconds are those of the report's headline; ``trust`` is None for a run that was not judged.
    """

    key: str
    path: str
    run_id: str
    kind: str
    created: str
    plan: str | None
    model: str | None
    dtype: str | None
    engine: str | None
    device: str | None
    cases: int | None
    status: str
    trust: Trust | None
    throughput: Foremost | None
    ttft: Foremost | None
    basis: Basis

    @property
    def words(self) -> str:
        """What was measured, on what: without what nobody said."""
        model = " ".join(filter(None, (self.model, self.dtype)))
        return " · ".join(filter(None, (self.plan, model, self.engine, self.device)))


@dataclass(frozen=True)
class LeftOut:
    """What lies among runs and is none, or cannot be read, and why."""

    path: str
    reason: Message


@dataclass(frozen=True)
class Catalogue:
    """The runs below ``path``, and what there was left out."""

    path: str
    runs: tuple[ListedRun, ...]
    left_out: tuple[LeftOut, ...]


def _when(run: ListedRun) -> float:
    """Seconds since 1970; what is no date is older than any."""
    try:
        stamp = datetime.fromisoformat(run.created.replace("Z", "+00:00"))
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")


_TRUSTS = (Trust.TRUSTED, Trust.SUSPECT, Trust.REJECTED, None)
ORDERS: Mapping[str, Callable[[ListedRun], Any]] = {
    "created": lambda run: (-_when(run), run.path), "trust": lambda run: (_TRUSTS.index(run.trust), -_when(run), run.path), "name": lambda run: run.path,
}
"""Name → key of an order: newest first, most believable first, by path."""


def in_order(runs: Sequence[ListedRun], order: str) -> tuple[ListedRun, ...]:
    """``runs`` in one of ``ORDERS``."""
    return tuple(sorted(runs, key=ORDERS[order]))


@dataclass(frozen=True)
class ListedTrial:
    """One trial of an engine (``launch`` and ``phase`` say which), or one point of a load (both None), as it was played.

    ``sent_s`` is since the first trial of the run. Latencies are means over its requests.
    """

    case: str
    launch: int | None
    number: int
    phase: str | None
    status: str
    requests: int
    ok: int
    sent_s: float
    duration_s: float
    ttft_s: float | None
    tpot_s: float | None
    output_throughput: float | None
    peak_memory_bytes: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class ListedRequest:
    """One request. ``trial`` is the number of the trial, or of the point of load, that it was part of; ``sent_s`` is since the first request."""

    case: str
    launch: int | None
    trial: int
    phase: str | None
    name: str
    status: str
    sent_s: float | None
    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True)
class RunInDetail:
    """One run with its parts; ``trials`` and ``requests`` are None where nobody asked for them."""

    findings: Findings
    trials: tuple[ListedTrial, ...] | None = None
    requests: tuple[ListedRequest, ...] | None = None
