"""What a rule on published numbers is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from touchstone.claim import Claim, Figure
from touchstone.finding import Judgement, Verdict
from touchstone.hardware import Chip
from touchstone.judge.audit.rules.boxes import exact
from touchstone.judge.audit.rules.readings import OF_THE_SYSTEM, UNSURE, Reading, common_constant, composed
from touchstone.judge.limits.costs import Costs
from touchstone.message import Message


@dataclass(frozen=True)
class Setting:
    """The conditions of a row, as far as they are known. ``stated`` names those that somebody said, the rest is assumed.

    ``gigabyte_bytes`` is set where it is certain how many bytes a GB of the table has. ``lockstep``: the sequences of a batch start and
    end together. ``unknown`` is why the costs or the chip are not known, where a word of the row is the reason.
    """

    costs: Costs | None = None
    chip: Chip | None = None
    dtype: str | None = None
    devices: int = 1
    accepted_tokens: float = 1.0
    stated: frozenset[str] = frozenset()
    cached_prefix: bool | None = None
    gigabyte_bytes: int | None = None
    lockstep: bool = True
    unknown: Message | None = None


Work = tuple[object, ...]
_CONDITIONS = ("input_tokens", "output_tokens", "devices", "request_rate")
_WORDS = ("model", "hardware", "dtype", "engine")


def work_of(claim: Claim, *, batch: float | None = None) -> Work:
    """What was asked of what: equal for rows that measured the same thing; with ``batch`` as if so many sequences were at work."""
    counts = [claim.value(name) for name in ("batch_size", "concurrency")]
    if batch is not None:
        counts = [None if count is None else batch for count in counts]
    figures = [*counts, *(claim.value(name) for name in _CONDITIONS)]
    return (*figures, *(claim.words.get(name) for name in _WORDS))


@dataclass(frozen=True)
class Neighbours:
    """The claims of the same table, and those of the other tables of the same document."""

    table: tuple[Claim, ...] = ()
    elsewhere: tuple[Claim, ...] = ()

    @cached_property
    def by_work(self) -> Mapping[Work, Claim]:
        """The first claim of the table for each work."""
        found: dict[Work, Claim] = {}
        for claim in self.table:
            found.setdefault(work_of(claim), claim)
        return found

    @cached_property
    def elsewhere_by_work(self) -> Mapping[Work, tuple[Claim, ...]]:
        """The claims of other tables for each work."""
        found: dict[Work, tuple[Claim, ...]] = {}
        for claim in self.elsewhere:
            work = work_of(claim)
            found[work] = (*found.get(work, ()), claim)
        return found

    @cached_property
    def constants(self) -> Mapping[str, float | None]:
        """Of each throughput the number that all its values are multiples of, see :func:`readings.common_constant`."""
        return {name: common_constant([claim.figures[name] for claim in self.table if name in claim.figures])
                for name in OF_THE_SYSTEM}

    @cached_property
    def raw_times(self) -> Mapping[float, tuple[float, ...]]:
        """Latencies of rows that are single measurements, by their output length."""
        found: dict[float, tuple[float, ...]] = {}
        for claim in (*self.table, *self.elsewhere):
            output, time = claim.value("output_tokens"), claim.value("e2e")
            if output is not None and time is not None and not any("." in name for name in claim.figures):
                found[output] = (*found.get(output, ()), time) if len(found.get(output, ())) < _MOST_RAW else found[output]
        return found


_MOST_RAW = 1000


@dataclass(frozen=True)
class Row:
    """A claim in its setting, the reading of the table's bare ``throughput``, and the claims beside it."""

    claim: Claim
    setting: Setting
    reading: Reading = UNSURE
    beside: Neighbours = Neighbours()

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The claim's figures, with the bare throughput under the name it was read as."""
        named = dict(self.claim.figures)
        if "throughput" in named:
            named.setdefault(self.reading.name, named.pop("throughput"))
        return named

    def find(self, *names: str) -> list[Figure] | None:
        """All the figures ``names``, or None if one is missing or not positive."""
        found = []
        for name in names:
            figure = self.figures.get(name)
            if figure is None or figure.low <= 0:
                return None
            found.append(figure)
        return found

    def count(self, name: str) -> Figure | None:
        """A count as it was written. No rounding is allowed for, unless it is "4k" or "about 1000"."""
        return self._counts.get(name)

    @cached_property
    def _counts(self) -> Mapping[str, Figure]:
        return {name: exact(figure.value) if figure.high - figure.low <= 1 else figure for name in _COUNTS
                if (figure := self.figures.get(name)) and figure.value > 0}

    @cached_property
    def vagueness(self) -> float:
        """The share by which the row's lengths may be other than written: of "4k", which is 4000 or 4096, 2.4 %."""
        lengths = [figure for name in ("input_tokens", "output_tokens") if (figure := self.count(name))]
        return max(((figure.high - figure.low) / figure.value for figure in lengths), default=0.0)

    @cached_property
    def composed(self) -> list[Figure]:
        """How long a request took by its first token and its decoding, see :func:`readings.composed`."""
        return [time for time in composed(self.figures) if time.low > 0]

    @cached_property
    def static(self) -> bool:
        """Whether the row is of a batch that starts and ends together, and not of a server under load."""
        if not self.setting.lockstep or not _OF_A_LOAD.isdisjoint(self.figures):
            return False
        return "batch_size" in self.figures or not any(name.partition(".")[2] in _OF_MANY or name in _OF_REQUESTS for name in self.figures)

    @cached_property
    def batch(self) -> Figure | None:
        """Sequences in flight at most: the batch, or the concurrency."""
        return self.count("batch_size") or self.count("concurrency")


_COUNTS = ("batch_size", "concurrency", "input_tokens", "output_tokens", "requests", "runs")
_OF_A_LOAD = frozenset({"concurrency", "request_rate"})
_OF_REQUESTS = frozenset({"requests", "request_throughput"})
_OF_MANY = frozenset({"p50", "p90", "p95", "p99"})
"""Statistics that a single measurement or a handful of them does not have."""

Check = Callable[["Row"], Iterator["Ruling"]]


class Ruling(NamedTuple):
    """What a check says: a verdict without the name of its rule and row."""

    status: Judgement
    message: Message
    observed: Figure | None = None
    bound: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class ClaimRule:
    """One line of the table of rules: what must hold, how far off is too far, and what would excuse it.

    ``says`` is the gravest status it gives, ``margin`` the share by which a number may miss beyond its rounding. Without the figures
    ``needs`` the check has nothing to say; "." is any statistic other than a mean.
    """

    id: str
    says: Judgement
    formula: str
    margin: float
    escapes: str
    check: Check
    needs: tuple[str, ...] = ()

    def applies(self, names: AbstractSet[str]) -> bool:
        """Whether a table with the figures ``names`` has what the check needs, in any of its rows."""
        return all(any("." in name for name in names) if need == "." else need in names for need in self.needs)

    def verdicts(self, row: Row) -> Iterator[Verdict]:
        """The verdicts of this rule on ``row``."""
        for ruling in self.check(row):
            seen = ruling.observed
            yield Verdict(self.id, ruling.status, ruling.message, row.claim.label or str(row.claim.row),
                          None if seen is None else seen.value, ruling.bound, ruling.unit,
                          low=None if seen is None else seen.low, high=None if seen is None else seen.high)

