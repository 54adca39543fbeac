"""What a rule of method is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from touchstone.judge.lint.timing import Procedure
from touchstone.mistake import Mistake


@dataclass(frozen=True)
class Rule:
    """``check`` yields mistakes that carry the rule's id; ``statement`` is what the rule asks, for the documentation."""

    id: str
    statement: str
    check: Callable[[Procedure, str], Iterable[Mistake]]
