"""What one line of a log says: readings of figures, and events of a start."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

SIZE = r"(-?[\d,]{0,15}\.?\d{1,15})\s*([KMGT]i?[Bb]|[Bb]ytes\b|B\b)"
"""Two groups: a number and its unit."""
_POWERS = {"k": 10, "m": 20, "g": 30, "t": 40, "b": 0}
_LARGEST = 1 << 60

How = Literal["first", "last", "add", "most"]


class Reading(NamedTuple):
    """A ``value`` for ``figure``. Of two the one of higher ``priority`` counts; of equals the first, the last, the sum, or the larger."""

    figure: str
    value: float
    priority: int = 0
    how: How = "first"


class Loaded(NamedTuple):
    """A model's weights are in memory: ``value`` bytes (None: see ``free``), of the model or class ``model`` where it is said.

    ``free`` is what the device has left afterwards.
    """

    value: float | None
    model: str | None = None
    free: float | None = None


class Pool(NamedTuple):
    """A pool of keys and values is allocated. A ``whole`` one is the sum of those that were announced just before it."""

    value: float
    tokens: int | None
    whole: bool = False


class Event(NamedTuple):
    """``begin`` of a start, ``engine`` (its name), ``version``, ``loading`` (a model's name), ``ranks`` (a number), ``ready``.

    ``free`` is what the device has left before something is loaded or captured; None where that is not said.
    """

    kind: Literal["begin", "engine", "version", "loading", "ranks", "ready", "free"]
    text: str = ""
    value: float | None = None


Said: TypeAlias = "Reading | Loaded | Pool | Event"


def size(number: str, unit: str) -> float | None:
    """Bytes; of units with and without an i, because these engines mean the same by both. None for what is no size."""
    value = whole(number)
    value = None if value is None else value * (1 << _POWERS[unit[0].lower()])
    return value if value is not None and abs(value) < _LARGEST else None


def whole(number: str) -> float | None:
    """A number with or without thousands commas; None for what is none."""
    try:
        value = float(number.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < _LARGEST else None


@dataclass(frozen=True)
class Row:
    """A pattern, the figures of its groups in order (a size takes two groups), and how they count.

    ``needle`` is in every line that the pattern is in, and found faster.
    """

    needle: str
    pattern: re.Pattern[str]
    figures: tuple[tuple[str, Literal["size", "number"]], ...]
    priority: int = 0
    how: How = "first"


def row(needle: str, pattern: str, *figures: str, priority: int = 0, how: How = "first") -> Row:
    """A row of an engine's table; ``_bytes`` in a figure's name makes it a size."""
    return Row(needle, re.compile(pattern), tuple((one, "size" if one.endswith("_bytes") else "number") for one in figures), priority, how)


def readings(rows: Sequence[Row], line: str) -> Iterator[Reading]:
    """What the ``rows`` find in ``line``, outside quotations: a prompt in a server's log may say anything."""
    for one in rows:
        found = one.pattern.search(line) if one.needle in line else None
        if found is None or quoted(line, found.start()):
            continue
        groups = iter(found.groups())
        for figure, kind in one.figures:
            value = size(next(groups), next(groups)) if kind == "size" else whole(next(groups))
            if value is not None:
                yield Reading(figure, value, one.priority, one.how)


def quoted(line: str, at: int) -> bool:
    """Whether ``at`` stands within quotation marks; a log that is JSON is not itself a quotation."""
    before = line[:at]
    if before.lstrip().startswith('{"'):
        before = before.partition(":")[2].replace('"', "", 1)
    return "'" in before or '"' in before
