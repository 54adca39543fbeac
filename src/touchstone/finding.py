"""What may be said about a run: estimates, verdicts, advice. Reports see nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from touchstone.message import Message


class Judgement(str, Enum):
    """The status of one rule."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    SUSPECT = "suspect"
    INCONSISTENT = "inconsistent"
    IMPOSSIBLE = "impossible"
    CANNOT_TELL = "cannot tell"


class Trust(str, Enum):
    """The verdict on a whole run or case."""

    TRUSTED = "trusted"
    SUSPECT = "suspect"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Estimate:
    """A number with its proof, in SI units. A value the sample cannot support is None and has a reason.

    ``low`` and ``high`` bound the mean (or, for a maximum, the range of the trials) at ``confidence``;
    ``method`` says how, and over which unit of replication. ``share`` is of a rate of good requests: their share of all issued.
    ``bounds`` are the order statistics between which each quantile lies at ``confidence``, as far as the values are independent.
    """

    metric: str
    unit: str
    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    method: str = ""
    quantiles: Mapping[str, float | None] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reasons: Mapping[str, Message] = field(default_factory=dict)
    share: Estimate | None = None

    @property
    def relative_half_width(self) -> float | None:
        """Half the interval as a share of the value; None without an interval."""
        if not self.value or self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2 / self.value


@dataclass(frozen=True)
class Verdict:
    """One rule applied to one case (or to the whole run, where ``case`` is None).

    ``low`` to ``high`` are the values that would be printed like ``observed``, where it was read from print.
    """

    rule: str
    status: Judgement
    message: Message
    case: str | None = None
    observed: float | None = None
    bound: float | None = None
    unit: str = ""
    cure: Message | None = None
    low: float | None = None
    high: float | None = None


GRAVITY = (Judgement.IMPOSSIBLE, Judgement.INCONSISTENT, Judgement.SUSPECT, Judgement.PASS, Judgement.CANNOT_TELL)
"""From the gravest. What cannot be told comes last: it takes nothing away from what passed."""


@dataclass(frozen=True)
class AuditedRow:
    """A row of somebody's table, counted from 1, and everything the rules say of it."""

    row: int
    label: str
    verdicts: tuple[Verdict, ...]

    @property
    def status(self) -> Judgement:
        """The gravest verdict; cannot tell where nothing could be checked."""
        return min((verdict.status for verdict in self.verdicts), key=GRAVITY.index, default=Judgement.CANNOT_TELL)


@dataclass(frozen=True)
class AuditedTable:
    """A table of ``source``, judged row by row under what was ``assumptions``; ``left_out`` of it could not be read."""

    source: str
    assumptions: tuple[Message, ...]
    rows: tuple[AuditedRow, ...]
    left_out: tuple[Message, ...] = ()


@dataclass(frozen=True)
class AuditFindings:
    """The audit of a text, a results file or a run."""

    name: str
    tables: tuple[AuditedTable, ...]
    left_out: tuple[Message, ...] = ()

    @property
    def rows(self) -> tuple[AuditedRow, ...]:
        """The rows of all tables."""
        return tuple(row for table in self.tables for row in table.rows)


@dataclass(frozen=True)
class ForeignMetric:
    """A number of ours, computed the way another tool does it, under that tool's name and in its ``unit``.

    ``statistics`` by id (mean, std, min, max, p50, p99; ``value`` where there is one number), None where the tool would have nothing to
    compute it from. ``ours`` is the id of our nearest metric, ``differs`` why the two are not the same; None where they are.
    """

    name: str
    unit: str
    statistics: Mapping[str, float | None]
    formula: str
    ours: str | None = None
    differs: Message | None = None


class Soundness(str, Enum):
    """The verdict on the load client itself."""

    VALID = "valid"
    SUSPECT = "suspect"
    INVALID = "invalid"


@dataclass(frozen=True)
class ClientDoubt:
    """What speaks against the client where it played ``case``; where that is None, throughout."""

    soundness: Soundness
    message: Message
    case: str | None = None


@dataclass(frozen=True)
class ClientFinding:
    """Whether the client that measured a server may be believed. ``floor_s`` is its own TTFT error, measured before the run.

    ``doubts`` begin with the gravest; ``notes`` say what could not be told of it.
    """

    floor_s: float | None
    doubts: tuple[ClientDoubt, ...] = ()
    notes: tuple[Message, ...] = ()

    @property
    def verdict(self) -> Soundness:
        """As bad as the gravest doubt."""
        return self.doubts[0].soundness if self.doubts else Soundness.VALID

    @property
    def reasons(self) -> tuple[Message, ...]:
        """Doubts and notes in words."""
        return (*(doubt.message for doubt in self.doubts), *self.notes)


@dataclass(frozen=True)
class SloFinding:
    """A service level on one case: ``outcome`` is passes, fails or undecided; ``share`` of ``issued`` kept the limit.

    ``low`` and ``high`` bound the true share, each at 95 % to its side; ``more`` is how many further requests might decide it.
    """

    level: str
    metric: str
    quantile: float
    limit_s: float
    outcome: str
    observed_s: float | None
    issued: int
    share: float | None
    low: float
    high: float
    more: int | None


@dataclass(frozen=True)
class DeviceState:
    """How the devices fared during the measured trials of a case, over ``samples``; None where they do not say.

    ``throttled_fraction`` is the share of the samples in which heat or power held the clock down, for ``throttle_reasons``.
    """

    samples: int
    temperature_max_c: float | None = None
    frequency_min_hz: int | None = None
    frequency_median_hz: float | None = None
    throttled_fraction: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    other_processes_max: int | None = None


@dataclass(frozen=True)
class TelemetryFinding:
    """How a run was watched, and its devices at rest: of ``idle_samples`` before anything was loaded, the sum over ``devices``.

    ``period_s`` is as measured, ``cost_fraction`` the sampler's CPU time as a share of one core; ``missing`` is what could not be
    watched, and why.
    """

    period_s: float | None = None
    cost_fraction: float | None = None
    devices: int = 0
    idle_samples: int = 0
    idle_memory_bytes: int | None = None
    idle_power_w: float | None = None
    sensors: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[Message, ...] = ()


@dataclass(frozen=True)
class CaseFinding:
    """Everything known about one case, as measured.

    ``load`` holds the conditions of a served case, and ``window_s`` the measured stretch of time; both are None for an engine in
    this process.
    """

    name: str
    title: Mapping[str, str]
    input_tokens: float | None
    output_tokens: float | None
    batch_size: int
    speed: bool
    trials: int
    launches: int
    issued: int
    ok: int
    failed: Mapping[str, int]
    metrics: Mapping[str, Estimate]
    texts: tuple[str, ...] = ()
    thinking_tokens: float | None = None
    kv_bytes: int | None = None
    memory_peaks: Mapping[str, int | None] = field(default_factory=dict)
    device: DeviceState | None = None
    trust: Trust = Trust.TRUSTED
    load: Mapping[str, Any] | None = None
    window_s: float | None = None
    slos: tuple[SloFinding, ...] = ()


@dataclass(frozen=True)
class Advice:
    """A recommendation and the verdict or case that carries it."""

    workload: Message
    text: Message
    evidence: str


@dataclass(frozen=True)
class SearchFinding:
    """The answer of a search, or how far it is: the highest load that keeps the levels and the lowest that does not.

    Either is None where nothing can be claimed. Concurrencies or requests per second, at ``confidence``.
    """

    sentence: Message | None
    notes: tuple[Message, ...]
    passes_at: float | None
    fails_at: float | None
    confidence: float
    requests: int


@dataclass(frozen=True)
class Card:
    """One of the few numbers that are read first. ``id`` is a metric, or best_batch; ``case`` is the case it is of.

    ``limit_share`` is how much of what physics allows was reached (0 to 1, for memory how much of the device is full), and ``limit`` says
    what that limit is and where it is from; without a share, ``limit`` says why none can be told.
    """

    id: str
    case: str
    estimate: Estimate
    trust: Trust
    limit: Message
    limit_share: float | None = None
    note: Message | None = None


@dataclass(frozen=True)
class Headline:
    """What is read first: at most six cards, and one sentence that rests on believable rows only (None where there is none)."""

    cards: tuple[Card, ...]
    sentence: Message | None


@dataclass(frozen=True)
class Findings:
    """All that a face of a report may show. ``kind`` is run (an engine in this process) or load (a server, seen by ``client``)."""

    run_id: str
    path: str
    status: str
    created: str
    plan_name: str
    identity: Mapping[str, Any]
    cases: tuple[CaseFinding, ...]
    verdicts: tuple[Verdict, ...]
    analysis: tuple[tuple[str, Message], ...]
    advice: tuple[Advice, ...]
    silent: tuple[Message, ...]
    trust: Trust
    environment: Mapping[str, Any]
    memory: Mapping[str, Any]
    loads: tuple[Mapping[str, Any], ...]
    texts: Mapping[str, str]
    method: Mapping[str, Any]
    definitions: tuple[tuple[str, str, Message], ...]
    reproduce: tuple[str, ...]
    kind: str = "run"
    client: ClientFinding | None = None
    telemetry: TelemetryFinding | None = None
    search: SearchFinding | None = None
    headline: Headline = field(default_factory=lambda: Headline((), None))
