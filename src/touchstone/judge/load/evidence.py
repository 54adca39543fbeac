"""What a rule on a load run may look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from touchstone.finding import CaseFinding, ClientFinding
from touchstone.judge.load.scan import Offered
from touchstone.load_plan import LoadPlan
from touchstone.served import LoadRun


@dataclass(frozen=True)
class LoadEvidence:
    """A load run, its plan, what was summarised from it, the points behind each case, and the verdict on the client."""

    run: LoadRun
    plan: LoadPlan
    cases: tuple[CaseFinding, ...]
    points: Mapping[str, Sequence[Offered]]
    client: ClientFinding

    def __iter__(self) -> Iterator[tuple[CaseFinding, Sequence[Offered]]]:
        """Each case with its points."""
        return ((case, self.points[case.name]) for case in self.cases)
