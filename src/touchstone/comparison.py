"""What may be said of two sides that were measured alike, or of one thing measured again and again. Reports see nothing else.

Side A is the old one and side B the new one; every ratio is B ÷ A.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from touchstone.finding import Trust
from touchstone.message import Message, say


class Outcome(str, Enum):
    """What the measurements of one metric say of the two sides. Only CHANGED is a claim that one side is better."""

    CHANGED = "changed"
    TRIVIAL = "trivial"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    WITHIN = "differs within this launch"


class Factor(str, Enum):
    """What a condition belongs to. WORK must be equal; of the factors ENGINE to PROCEDURE one may differ; the others are only listed.

    With another engine come other libraries and other settings, and with another machine its host, device and driver: each is one factor.
    """

    WORK = "work"
    ENGINE = "engine"
    SETTINGS = "settings"
    MACHINE = "machine"
    PROCEDURE = "procedure"
    LABEL = "label"
    MEASURED = "measured"


FACTOR_WORDS: Mapping[Factor, Message] = {
    Factor.WORK: say("work"), Factor.ENGINE: say("engine"), Factor.SETTINGS: say("settings"), Factor.MACHINE: say("machine"),
    Factor.PROCEDURE: say("procedure"), Factor.LABEL: say("label"), Factor.MEASURED: say("as measured"),
}
COUNTED = (Factor.ENGINE, Factor.SETTINGS, Factor.MACHINE, Factor.PROCEDURE)
"""The factors of which at most one may differ between two sides."""


@dataclass(frozen=True)
class Difference:
    """A condition that is not the same on both sides; None is not set, or not known there."""

    factor: Factor
    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.old or '-'} → {self.new or '-'}"


def foremost(differences: Sequence[Difference], most: int) -> tuple[Difference, ...]:
    """At most ``most`` of them, in their order: the first few of every factor, so that forty of one do not hide one of another."""
    before: Counter[Factor] = Counter()
    ranks = []
    for place, one in enumerate(differences):
        ranks.append((before[one.factor], place))
        before[one.factor] += 1
    return tuple(differences[place] for place in sorted(place for _, place in sorted(ranks)[:most]))


class Unit(str, Enum):
    """What the replicates of a side are: processes of an engine, repeats of a load, or whole runs."""

    LAUNCH = "launch"
    REPEAT = "repeat"
    RUN = "run"


@dataclass(frozen=True)
class SideFinding:
    """One side: where it is, what it is, and how many replicates it rests on. ``trust`` is None for results that nobody has audited."""

    paths: tuple[str, ...]
    identity: tuple[str, ...]
    replicates: int
    unit: Unit
    trust: Trust | None


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one case. ``old`` and ``new`` are geometric means over the replicates, in ``unit`` (SI).

    ``half_old`` and ``half_new`` are the half-widths of their 95 % intervals as shares of them. ``low`` and ``high`` bound ``ratio`` at
    95 %; ``p`` is of the ratio, ``p_adjusted`` over everything that was compared, ``p_rank`` that of the rank test. ``better`` is whether B is better;
    None unless the outcome says that the sides differ. ``more`` replicates per side might decide an inconclusive one. Every None has a
    reason in ``reasons``.
    """

    case: str
    metric: str
    unit: str
    higher_is_better: bool
    old: float | None
    new: float | None
    n_old: int
    n_new: int
    outcome: Outcome
    half_old: float | None = None
    half_new: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    p_rank: float | None = None
    better: bool | None = None
    more: int | None = None
    method: str = ""
    reasons: Mapping[str, Message] | None = None


@dataclass(frozen=True)
class NoiseFloor:
    """How far two measurements of the same thing lie apart: 95 % of them by less than ``floor``; ``margin`` is what follows from it.

    ``ratios`` are those seen, by case and metric. ``machine`` and ``engine`` are the key: a floor says nothing of another host or engine.
    """

    machine: str
    machine_words: str
    engine: str
    floor: float
    margin: float
    ratios: Mapping[str, Mapping[str, float]]
    runs: tuple[str, ...]
    created: str


class Piece(str, Enum):
    """Where the time of a request goes. HTTP is whatever lies between the client and the engine of a server, its queue included.

    CALL is what an engine in the measuring process takes beyond its own clock; PREFILL and DECODE are the two halves of ENGINE.
    """

    ENGINE = "engine"
    HTTP = "http"
    TOKENIZER = "tokenizer"
    CLIENT = "client"
    CALL = "call"
    PREFILL = "prefill"
    DECODE = "decode"


@dataclass(frozen=True)
class Part:
    """A part of a request's time on both sides, on average; of several ``pieces`` where nothing tells them apart.

    Of the parts of a whole None means that a side has no such piece; of PREFILL and DECODE, that its engine has no clock.
    ``share`` is that of the difference of the whole; None where there is none.
    """

    pieces: tuple[Piece, ...]
    old_ns: int | None
    new_ns: int | None
    share: float | None = None

    @property
    def difference_ns(self) -> int:
        """B − A; a piece that a side does not have takes it no time."""
        return (self.new_ns or 0) - (self.old_ns or 0)


@dataclass(frozen=True)
class Alike:
    """How far two sides answered the same requests alike. Shares are of the requests that both sides have; None where that is not known.

    ``prompts`` were the same tokens; ``texts``, of the requests with the same prompt, were the same greedy text. Tokens are means per
    request, ``token_ns`` times per output token: only where the numbers of output tokens differ.
    """

    prompts: float | None
    texts: float | None
    input_tokens: tuple[float | None, float | None]
    output_tokens: tuple[float | None, float | None]
    token_ns: tuple[int, int] | None = None


@dataclass(frozen=True)
class Attribution:
    """Where two engines spend the time of a case's requests: from sent to the last token, in whole microseconds, so that sums are exact.

    ``parts`` add up to ``whole`` on either side. ``phases`` are the engines' own clocks. ``requests`` are those that ended well.
    ``shown``: the difference of the whole is more than chance.
    """

    case: str
    whole: Part
    parts: tuple[Part, ...]
    phases: tuple[Part, ...]
    requests: tuple[int, int]
    alike: Alike
    shown: bool


@dataclass(frozen=True)
class Comparison:
    """Two sides, what differs between them, and every metric of every case they share.

    ``headline`` is what the one sentence is about; its case is empty where it is the geometric mean of several. ``confounded``: so much
    differs that nothing can be said of why the numbers do. ``floor`` is there where one thing was measured twice (A/A), ``attributions``
    where the engines differ and nothing else does. ``device`` is the kind on which all of them ran, where that is one and known.
    """

    old: SideFinding
    new: SideFinding
    margin: float
    differences: tuple[Difference, ...]
    confounded: bool
    metrics: tuple[MetricComparison, ...]
    headline: MetricComparison | None
    notes: tuple[Message, ...]
    floor: NoiseFloor | None = None
    attributions: tuple[Attribution, ...] = ()
    device: str | None = None

    @property
    def regressed(self) -> bool:
        """Whether any metric changed for the worse."""
        return any(one.outcome is Outcome.CHANGED and one.better is False for one in self.metrics)

    @property
    def undecided(self) -> bool:
        """Whether any metric could not be decided, or there was none to decide."""
        return not self.metrics or any(one.outcome in {Outcome.INCONCLUSIVE, Outcome.WITHIN} for one in self.metrics)


@dataclass(frozen=True)
class HistoryPoint:
    """One run on the axis of time; ``low`` and ``high`` bound ``value`` at 95 %, None for a single replicate. ``changed`` since the run before."""

    path: str
    created: str
    value: float
    low: float | None
    high: float | None
    replicates: int
    changed: tuple[Difference, ...]
    trust: Trust | None


@dataclass(frozen=True)
class HistoryChange:
    """From the run at ``index`` on, the values are others: ``ratio`` is after ÷ before."""

    index: int
    before: float
    after: float
    ratio: float
    p: float
    better: bool


@dataclass(frozen=True)
class Series:
    """One metric of one case on one machine and engine, oldest run first; ``missing`` runs are needed before changes are looked for."""

    machine: str
    engine: str
    model: str
    case: str
    metric: str
    unit: str
    higher_is_better: bool
    points: tuple[HistoryPoint, ...]
    changes: tuple[HistoryChange, ...]
    missing: int


@dataclass(frozen=True)
class History:
    """All series below a directory, and what could not be read."""

    path: str
    margin: float
    series: tuple[Series, ...]
    notes: tuple[Message, ...]
