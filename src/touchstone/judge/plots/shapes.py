"""Cases that ask for the same work and differ in how much of it goes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from touchstone.finding import CaseFinding
from touchstone.record import Run

ALIKE = 0.01
"""Mean lengths that differ by less, relatively, are one: a tokenizer may need a token more for the same prompt."""


@dataclass(frozen=True)
class Shape:
    """Cases of one mean length in and out (tokens, as measured), by rising batch size. ``sampling`` is how their tokens were chosen."""

    input_tokens: float
    output_tokens: float
    sampling: str
    cases: tuple[CaseFinding, ...]

    @property
    def batched(self) -> bool:
        """Whether there are several batch sizes to compare."""
        return len({case.batch_size for case in self.cases}) > 1


def shapes_of(run: Run, cases: Sequence[CaseFinding]) -> tuple[Shape, ...]:
    """The shapes of the cases of fixed length that have a result, by rising length."""
    groups: list[list[CaseFinding]] = []
    known = [case for case in cases if case.speed and case.ok and case.input_tokens and case.output_tokens]
    planned = planned_cases(run)
    for case in sorted(known, key=lambda one: (one.input_tokens or 0.0, one.output_tokens or 0.0, one.batch_size)):
        fits = (group for group in groups if _alike(group[0], case) and sampling(planned, group[0]) == sampling(planned, case))
        group = next(fits, None)
        if group is None:
            groups.append(group := [])
        group.append(case)
    return tuple(Shape(fmean(case.input_tokens or 0.0 for case in group), fmean(case.output_tokens or 0.0 for case in group),
                       sampling(planned, group[0]), tuple(sorted(group, key=lambda case: case.batch_size))) for group in groups)


def planned_cases(run: Run) -> Mapping[str, Mapping[str, Any]]:
    """The cases of the plan by name."""
    plan = run.header["plan"]
    return {case["name"]: case for case in plan["cases"]} if isinstance(plan, Mapping) else {}


def sampling(planned: Mapping[str, Mapping[str, Any]], case: CaseFinding) -> str:
    """How tokens were chosen, as one word to compare."""
    return repr(sorted((planned.get(case.name, {}).get("sampling") or {}).items()))


def alike(one: float, other: float) -> bool:
    """Whether two mean lengths are the same."""
    return abs(one - other) <= ALIKE * max(one, other)


def _alike(one: CaseFinding, other: CaseFinding) -> bool:
    return alike(one.input_tokens or 0.0, other.input_tokens or 0.0) and alike(one.output_tokens or 0.0, other.output_tokens or 0.0)
