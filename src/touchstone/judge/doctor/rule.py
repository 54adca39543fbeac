"""What a rule of the doctor is, and the words it answers with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from touchstone.diagnosis import Diagnosis, Severity
from touchstone.machine import Machine
from touchstone.message import Message

Check = Callable[[Machine], "Answer | None"]


@dataclass(frozen=True)
class Answer:
    """A diagnosis before it has its rule's id; one that says nothing says what the rule looks at."""

    severity: Severity
    says: Message | None
    cure: Message | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """``looks_at`` names what is looked at, for the list of what is fine; ``check`` is None where the rule does not apply."""

    id: str
    looks_at: Message
    check: Check

    def diagnose(self, machine: Machine) -> Diagnosis | None:
        """What the rule says of ``machine``."""
        answer = self.check(machine)
        return None if answer is None else Diagnosis(self.id, answer.severity, answer.says or self.looks_at, answer.evidence, answer.cure)


def problem(says: Message, cure: Message | None = None, *evidence: str) -> Answer:
    """An engine fails, or its numbers are not what they seem."""
    return Answer(Severity.PROBLEM, says, cure, evidence)


def warning(says: Message, cure: Message | None = None, *evidence: str) -> Answer:
    """Likely to fail, or to make numbers worse or less steady."""
    return Answer(Severity.WARNING, says, cure, evidence)


def note(says: Message, cure: Message | None = None, *evidence: str) -> Answer:
    """Worth knowing before a number is compared."""
    return Answer(Severity.NOTE, says, cure, evidence)


def fine(says: Message | None = None) -> Answer:
    """As it should be; what was seen, where that says more than what was looked at."""
    return Answer(Severity.OK, says)


def cannot_tell(why: Message, cure: Message | None = None) -> Answer:
    """A fact that the rule needs could not be read."""
    return Answer(Severity.CANNOT_TELL, why, cure)


def paste(command: str) -> Message:
    """A cure that is a command: the same in every language."""
    return Message("{command}", (("command", command),))
