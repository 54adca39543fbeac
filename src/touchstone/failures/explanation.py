"""Reads a log of any length and says what in it is a failure, the likeliest cause first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from touchstone.failures.facts import facts_in
from touchstone.failures.failure import Failure, Standing
from touchstone.failures.table import Table
from touchstone.failures.unknown import Unknown, unknown_in
from touchstone.log_lines import LONGEST, without_colours
from touchstone.message import Message

MOST_UNKNOWN = 200
"""Different errors without a row that are kept; more are not a cause but a flood."""
_SHOWN, _BEFORE = 300, 80
_DIGITS = re.compile("[0-9]+")
_FRAME, _QUOTED = '", line ', re.compile(r"(?:^|[\])] ?) {4}")
_WARNS = re.compile(r"\b(?:WARNING|WARN)\b")
_LEVEL_STANDS_WITHIN = 200  # a level word further on belongs to the message


@dataclass(frozen=True)
class Explanation:
    """A failure as a log shows it: ``count`` lines, the first of them (from 1) with its text, shortened to where it says so.

    ``failure`` is None for an error that no row knows; ``name`` is then its class or code and ``about`` what its form tells.
    ``facts`` are what the line says besides, as it prints it.
    """

    failure: Failure | None
    name: str
    standing: Standing
    line: int
    count: int
    text: str
    facts: Mapping[str, str]
    about: Message | None = None


@dataclass
class _Seen:
    """A failure while the log is read."""

    failure: Failure | None
    standing: Standing
    line: int
    text: str
    unknown: Unknown | None = None
    count: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> Explanation:
        name, about = (self.unknown.name, self.unknown.about) if self.unknown else (self.failure.id if self.failure else "", None)
        return Explanation(self.failure, name, self.standing, self.line, self.count, self.text, self.facts, about)


def explain_with(table: Table, lines: Iterable[str]) -> list[Explanation]:
    """What in ``lines`` a row of ``table`` knows, or looks like an error; causes first, each group in the order of the log.

    Memory does not grow with the log. Never raises, whatever the lines hold.
    """
    seen: dict[str, _Seen] = {}
    unknowns: dict[str, _Seen] = {}
    for number, line in _spoken(lines):
        lowered = line.lower()
        row, place = table.nearest(lowered)
        if row:
            standing = Standing.WARNING if _warns(line) else row.standing  # what a program itself calls a warning did not end it
            _note(seen, row.id, _Seen(row, standing, number, _shown(line, place, lowered)), line)
        elif (unknown := unknown_in(line)) and not _warns(line):
            key = f"{unknown.name} {_DIGITS.sub('#', line[unknown.begins:unknown.begins + _SHOWN])}"
            if key in unknowns or len(unknowns) < MOST_UNKNOWN:
                _note(unknowns, key, _Seen(None, Standing.UNKNOWN, number, _shown(line, unknown.begins, lowered), unknown), line)
    found = [one.told() for one in (*seen.values(), *unknowns.values())]
    return sorted(found, key=lambda one: (one.standing.rank, one.line))


def _spoken(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """What the program says, with the numbers of the lines; the source lines that a traceback quotes say nothing."""
    previous = ""
    for number, raw in enumerate(lines, start=1):
        line = _clean(raw)
        quoted = _FRAME in previous and _QUOTED.search(line) is not None
        previous = line if 'File "' in line else ""
        if line and not quoted:
            yield number, line


def _clean(raw: str) -> str:
    line = raw[:LONGEST]
    return without_colours(line).rstrip()


def _warns(line: str) -> bool:
    return _WARNS.search(line[:_LEVEL_STANDS_WITHIN]) is not None


def _note(seen: dict[str, _Seen], key: str, new: _Seen, line: str) -> None:
    old = seen.setdefault(key, new)
    if old is new or new.standing.rank < old.standing.rank:
        new.count, new.facts = old.count, facts_in(line)
        seen[key] = new
    seen[key].count += 1


def _shown(line: str, place: int, lowered: str) -> str:
    """The part of a long line where it says what failed."""
    if len(line) <= _SHOWN:
        return line.strip()
    begin = max(place - _BEFORE, 0) if len(lowered) == len(line) else 0  # a few letters have small forms of another length
    end = begin + _SHOWN
    return ("…" if begin else "") + line[begin:end].strip() + ("…" if end < len(line) else "")
