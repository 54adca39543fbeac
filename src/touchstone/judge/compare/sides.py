"""One side of a comparison: a run or several, and which cases of two sides belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from touchstone.comparison import Difference, Factor, SideFinding, Unit
from touchstone.errors import NotReadyError, UsageError
from touchstone.finding import Trust
from touchstone.judge.compare.attribution import Cost
from touchstone.judge.compare.conditions import Conditions, differences
from touchstone.judge.compare.measured import Key, Measured, Sample

Pairs = Sequence[tuple[str, str]]
"""Names of a case on side A and on side B."""
LENGTH_TOLERANCE = 0.02
_UNITS = {"run": Unit.LAUNCH, "load": Unit.REPEAT, "result": Unit.RUN}
_GRAVITY = (Trust.TRUSTED, None, Trust.SUSPECT, Trust.REJECTED)


@dataclass(frozen=True)
class Side:
    """The runs of one side and what they give together; ``unit`` is what its replicates are."""

    runs: tuple[Measured, ...]
    samples: dict[Key, Sample]
    unit: Unit

    @property
    def conditions(self) -> Conditions:
        """Of the first run; the others must be alike."""
        return self.runs[0].conditions

    @property
    def case_names(self) -> list[str]:
        """The cases that have any value, in their order."""
        return list(dict.fromkeys(case for case, _ in self.samples))

    @property
    def replicates(self) -> int:
        """The most that any metric has."""
        return max((len(sample.replicates) for sample in self.samples.values()), default=0)

    def costs(self, case: str) -> tuple[Cost, ...]:
        """What the requests of ``case`` took, of every run."""
        return tuple(cost for run in self.runs for cost in run.costs.get(case, ()))

    @property
    def finding(self) -> SideFinding:
        """The side as reports show it."""
        return SideFinding(tuple(run.path for run in self.runs), tuple(dict.fromkeys(run.words for run in self.runs)), self.replicates, self.unit,
                           max((run.trust for run in self.runs), key=_GRAVITY.index))


def side_of(runs: Sequence[Measured]) -> Side:
    """A single run has its launches or repeats as replicates; of several each is one.

    Raises :class:`UsageError` without any, and :class:`NotReadyError` for one in which nothing has been measured yet.
    """
    if not runs:
        raise UsageError("There is nothing to compare on one of the two sides.", "Give a run for each: touchstone compare OLD NEW")
    empty = next((run for run in runs if not run.samples), None)
    if empty is not None:
        raise NotReadyError("Nothing in {path} was measured to its end, so there is nothing to compare.",
                            "If it is still going on, wait for it. What it holds: touchstone report {path}", path=empty.path)
    if len(runs) == 1:
        return Side(tuple(runs), dict(runs[0].samples), _UNITS[runs[0].kind])
    shared = [key for key in runs[0].samples if all(key in run.samples for run in runs)]
    return Side(tuple(runs), {key: Sample({place: _centre(run.samples[key].values) for place, run in enumerate(runs)}) for key in shared}, Unit.RUN)


def _centre(values: Sequence[float]) -> float:
    return geometric_mean(values) if min(values) > 0 else fmean(values)


def refuse_same(old: Side, new: Side) -> None:
    """A run compared with itself agrees with itself. Raises :class:`UsageError`."""
    seen: dict[str, str] = {}
    for run in (*old.runs, *new.runs):
        if run.identity in seen:
            raise UsageError("{path} and {other} are the same measurement.", "Compare two that were measured apart.", path=seen[run.identity],
                             other=run.path)
        seen[run.identity] = run.path


def pairs_of(old: Side, new: Side, *, forced: bool) -> Pairs:
    """Cases of one name; beside another tool's those of one load; and where there is but one on each side and it is ``forced``, these."""
    mine, yours = old.case_names, new.case_names
    named = [(name, name) for name in mine if name in yours]
    foreign = not (old.conditions.complete and new.conditions.complete)
    if not named and foreign:
        named = [(name, others[0]) for name in mine if (load := _load(old, name)) and len(others := [one for one in yours if _load(new, one) == load]) == 1
                 and sum(_load(old, one) == load for one in mine) == 1]
    if not named and len(mine) == len(yours) == 1 and (forced or foreign):
        named = [(mine[0], yours[0])]
    return named


def _load(side: Side, case: str) -> tuple[str | None, str | None] | None:
    asked = side.conditions.cases.get(case, {})
    load = asked.get("concurrency"), asked.get("request_rate")
    return load if any(load) else None


def differences_of(old: Side, new: Side, pairs: Pairs) -> tuple[Difference, ...]:
    """Between the sides, inside each of them, and in the lengths as measured, which of another tool's file are all it says of its work."""
    found = list(differences(old.conditions, new.conditions, pairs))
    for side, names, letter in ((old, [mine for mine, _ in pairs], "A"), (new, [yours for _, yours in pairs], "B")):
        for other in side.runs[1:]:
            found += [Difference(one.factor, f"{one.name} (within {letter})", one.old, one.new)
                      for one in differences(side.conditions, other.conditions, [(name, name) for name in names])]
    factor = Factor.MEASURED if old.conditions.complete and new.conditions.complete else Factor.WORK
    for mine, yours in pairs:
        found += [Difference(factor, f"{mine}: {name}", f"{one:.5g}", f"{other:.5g}") for name, one, other in unequal_lengths(old, new, mine, yours)]
    order = list(Factor)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: order.index(one.factor)))


def unequal_lengths(old: Side, new: Side, mine: str, yours: str) -> list[tuple[str, float, float]]:
    """The mean lengths of a case that differ by more than 2 %: (input_tokens or output_tokens, A's, B's)."""
    one, other = old.runs[0].lengths.get(mine, {}), new.runs[0].lengths.get(yours, {})
    return [(name, one[name], other[name]) for name in one
            if name in other and abs(one[name] - other[name]) > LENGTH_TOLERANCE * max(one[name], other[name])]
