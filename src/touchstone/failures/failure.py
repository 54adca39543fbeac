"""A failure that is known: by what words a log shows it, why it happens, and what cures it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from touchstone.message import Message

WORD = re.compile(r"[a-z0-9_]+")
"""A word, in small letters. Letters beyond ASCII end one: codes stand in Chinese sentences without blanks."""


class Standing(Enum):
    """How near to the reason of a failure a line stands; in the order in which a person should read them."""

    CAUSE = "cause"  # the line itself says why
    STEP = "step"  # names what failed; the reason, if it is known at all, stands beside it
    UNKNOWN = "unknown"  # looks like an error, and no row knows it
    ECHO = "echo"  # says that something failed, not what: another line of the log knows more
    WARNING = "warning"  # the program went on

    @property
    def rank(self) -> int:
        """Its place in that order, from 0."""
        return list(Standing).index(self)


@dataclass(frozen=True)
class Phrase:
    """Words that a line holds in this order, with anything between the parts; whether in capitals does not matter.

    The first part stands there as whole words (EL0004 is not found in XEL00041), the others in whatever surroundings.
    Plain words instead of regular expressions: the time is linear in the line whatever the line holds.
    """

    parts: tuple[str, ...]
    opens: bool

    @property
    def words(self) -> list[str]:
        """The words of the first part; every line with the phrase has them all."""
        return WORD.findall(self.parts[0])

    def place(self, lowered: str) -> int:
        """Where in the line, all in small letters, the words begin; -1 if they are not there."""
        first = self._first(lowered)
        at = first + len(self.parts[0])
        for part in self.parts[1:] if first >= 0 else ():
            found = lowered.find(part, at)
            if found < 0:
                return -1
            at = found + len(part)
        return first

    def _first(self, lowered: str) -> int:
        part = self.parts[0]
        found = lowered.find(part)
        while found >= 0:
            if self.opens and found:
                return -1
            if not (_joined(lowered, found) or _joined(lowered, found + len(part))):
                return found
            found = lowered.find(part, found + 1)
        return -1


def _joined(lowered: str, place: int) -> bool:
    """Whether a word goes on over ``place``."""
    return 0 < place < len(lowered) and WORD.fullmatch(lowered[place - 1:place + 1]) is not None


def phrases(*texts: str) -> tuple[Phrase, ...]:
    """Each text as a :class:`Phrase`: `` … `` stands for anything between its parts, a leading ``^`` for the beginning of the line."""
    return tuple(Phrase(tuple(text.removeprefix("^").lower().split(" … ")), text.startswith("^")) for text in texts)


def acl_codes(*codes: int) -> tuple[Phrase, ...]:
    """The forms in which torch_npu, CANN and its logs print a return code of the runtime."""
    return phrases(*(form.format(code) for code in codes for form in (
        "error code is {}", "error code:{}", "error code: {}", "runtime result = {}", "failed: {}", "errcode={}")))


@dataclass(frozen=True)
class Failure:
    """One row of what is known: ``example`` is a line that somebody's log really held, ``source`` where it was seen and explained.

    ``area`` is whose failure it is, by its usual name; ``standing`` how much the line itself says.
    """

    id: str
    area: str
    patterns: tuple[Phrase, ...]
    cause: Message
    cure: Message
    source: str
    example: str
    standing: Standing = Standing.CAUSE
