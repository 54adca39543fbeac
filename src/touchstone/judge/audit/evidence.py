"""What a rule may look at, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from touchstone.finding import CaseFinding, Verdict
from touchstone.record import Run, Status, Trial


@dataclass(frozen=True)
class Evidence:
    """A run and what was summarised from it."""

    run: Run
    cases: tuple[CaseFinding, ...]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The first launch's engine facts; empty where no launch got that far."""
        launches = self.run.header.get("launches")
        return launches[0]["facts"] if isinstance(launches, list) and launches else {}

    @property
    def target(self) -> Mapping[str, Any]:
        target = self.run.header["target"]
        assert isinstance(target, Mapping)
        return target

    def good(self, case: str) -> tuple[Trial, ...]:
        """The measured trials of ``case`` that ended well."""
        return tuple(trial for trial in self.run.measured(case) if trial.status is Status.OK)


Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Rule(Generic[Seen]):
    """``check`` yields verdicts that carry the rule's id; ``formula`` is its one-line statement for the documentation."""

    id: str
    formula: str
    check: Callable[[Seen, str], Iterable[Verdict]]
