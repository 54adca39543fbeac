"""The figures of one row of another tool's file, while they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.claim import STATISTICS, Claim, Figure
from touchstone.errors import DataError
from touchstone.judge.foreign.document import word
from touchstone.judge.foreign.result import Column, PerRequest
from touchstone.message import Message, say

MS = 1e-3
_LARGEST = 1e30
_PRINTED = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?)\s*(ms|s|us|token/s|req/s)?\s*")
_NAMES = {"mean": "", "avg": "", "average": "", "median": "p50", "std": "std", "stddev": "std", "std_dev": "std"}


def number(value: object) -> float | None:
    """A finite number, also one printed with a unit after it; None for anything else."""
    if isinstance(value, str):
        found = _PRINTED.fullmatch(value[:100])
        return number(float(found[1])) if found else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -_LARGEST < value < _LARGEST else None  # a whole number may be longer than any float


def statistic(name: str) -> str | None:
    """What a tool calls a statistic → what follows the dot in a figure's name, "" for the mean; None for one that has no name here."""
    lowered = name.lower()
    if lowered in _NAMES:
        return _NAMES[lowered]
    lowered = re.sub(r"^p0*([0-9])", r"p\1", lowered.removesuffix("%") if lowered.startswith("p") else
                     f"p{lowered.removesuffix('%')}" if lowered.endswith("%") else lowered)
    return lowered if lowered in STATISTICS else None


class RowReader:
    """Collects the figures of one row of ``tool``'s ``file``, and what of it could not be read."""

    def __init__(self, tool: str, file: str) -> None:
        self.tool = tool
        self.file = file
        self.figures: dict[str, Figure] = {}
        self.left_out: list[Message] = []

    def put(self, figure: str, key: str, value: object, scale: float = 1.0, half: float = 0.0) -> None:
        """Keep ``value``, which the file calls ``key``, as ``figure``: times ``scale`` in SI, printed to ± ``half`` before that.

        None is not given. Tools write 0 or -1 where nothing was measured, so neither is a measured value, but a spread may be 0.
        """
        if value is None or figure in self.figures:
            return
        found = number(value)
        if found is None:
            self.left_out.append(say("{file}: {key} is not a number", file=word(self.file), key=word(key)))
        elif found < 0 or (found == 0 and not figure.endswith((".std", ".var", ".range"))):
            self.left_out.append(say("{file}: {key} is {value}, which {tool} writes where nothing was measured", file=word(self.file),
                                     key=word(key), value=word(value), tool=self.tool))
        else:
            low, high = max(found - half, 0.0) * scale, (found + half) * scale
            self.figures[figure] = Figure(found * scale, low, high, word(value)[:40])

    def put_statistics(self, figure: str, given: Mapping[str, Any], scale: float = 1.0, half: float = 0.0) -> None:
        """Keep every statistic of ``figure`` that ``given`` has under any name of it; a name that is no statistic is passed over."""
        for name, value in given.items():
            known = statistic(name) if isinstance(name, str) else None
            if known is not None:
                self.put(f"{figure}.{known}" if known else figure, f"{figure} {name}", value, scale, half)

    def need(self, row: Mapping[str, Any], key: str) -> float:
        """The number that a whole file has under ``key``. Raises :class:`DataError` naming the key."""
        found = number(row.get(key))
        if found is None:
            raise DataError("{path} is a result of {tool}, but {key} is missing or is not a number.",
                            "Make the file again, or give another one.", path=word(self.file), tool=self.tool, key=key)
        return found

    def put_mean(self, figure: str, total: object, count: object) -> None:
        """Keep ``total`` / ``count`` as the mean ``figure``, where both are given."""
        above, below = number(total), number(count)
        if above and below:
            self.put(figure, figure, above / below)

    def claim(self, row: int, label: str, words: Mapping[str, str]) -> Claim:
        """The row as a claim."""
        return Claim(row, word(label) or str(row), self.figures, words)

    def columns(self, given: Mapping[str, object], failed: Sequence[bool] = (), scale: float = 1.0) -> PerRequest | None:
        """The per-request columns among ``given`` (by their name in :class:`PerRequest`); None where there are none.

        ``scale`` applies to times. Zeros and the values of requests that ``failed`` are unknown.
        """
        kept: dict[str, Any] = {}
        longest = max((len(column) for column in given.values() if isinstance(column, list)), default=0)
        for name, column in given.items():
            if isinstance(column, list) and len(column) == longest:
                factor = scale if name.endswith("_s") else 1.0
                kept[name] = _gaps(column, factor) if name == "itls_s" else _column(column, failed, factor)
            elif column is not None:
                self.left_out.append(say("{file}: {key} is not a list with one value per request", file=word(self.file), key=word(name)))
        if all(one is None for values in kept.values() for one in values):
            return None
        return PerRequest(**kept)


def _column(values: list[Any], failed: Sequence[bool], scale: float) -> Column:
    known = [number(value) for value in values]
    bad = failed if len(failed) == len(values) else [False] * len(values)
    return tuple(value * scale if value and value > 0 and not wrong else None for value, wrong in zip(known, bad, strict=True))


def _gaps(values: list[Any], scale: float) -> tuple[tuple[float, ...], ...]:
    """The gaps of each answer. A list with anything else in it is no list of gaps, and none are given for that answer."""
    return tuple(tuple(gap * scale for gap in gaps)
                 if isinstance(gaps, list) and all(type(gap) in {int, float} and 0 <= gap < _LARGEST for gap in gaps) else ()
                 for gaps in values)
