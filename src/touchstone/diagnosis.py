"""What is right or wrong with a machine, one rule at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from touchstone.message import Message


class Severity(str, Enum):
    """How much a diagnosis matters, gravest first."""

    PROBLEM = "problem"  # an engine fails, or its numbers are not what they seem
    WARNING = "warning"  # likely to fail, or to make numbers worse or less steady
    NOTE = "note"  # worth knowing before a number is compared
    CANNOT_TELL = "cannot tell"
    OK = "ok"


@dataclass(frozen=True)
class Diagnosis:
    """What ``rule`` says of a machine. ``evidence`` is what the machine itself says, word for word; ``cure`` what to do or to paste."""

    rule: str
    severity: Severity
    says: Message
    evidence: tuple[str, ...] = ()
    cure: Message | None = None
