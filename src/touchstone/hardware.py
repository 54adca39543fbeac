"""Chips: what their memory and their matrix units can do at most, each figure with its source and grade (``hardware.toml``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Chip:
    """One addressable device. Bandwidths in B/s, FLOPs and integer operations per second, dense.

    ``bandwidth`` and ``flops`` (FP16 and BF16) are nominal; beyond the ``_hard`` ones a number cannot be real. ``memory_bytes`` is
    what the label says and ``visible_bytes`` what a program is offered; ``int8_ops`` and ``fp8_flops`` are the vendor's labels. None is
    not sourced. ``family`` names the entry that stands for a chip whose version is not said.
    """

    name: str
    match: tuple[str, ...]
    bandwidth: float
    bandwidth_hard: float
    flops: float
    flops_hard: float
    grade: str
    source: str
    memory_bytes: int | None = None
    visible_bytes: int | None = None
    int8_ops: float | None = None
    fp8_flops: float | None = None
    family: str | None = None

    @property
    def certain(self) -> bool:
        """Whether a verdict may rest on these figures."""
        return self.grade != "G"


@lru_cache(maxsize=1)
def chips() -> tuple[Chip, ...]:
    """All chips of the table."""
    table = tomllib.loads(resources.files("touchstone").joinpath("hardware.toml").read_text(encoding="utf-8"))
    return tuple(Chip(**{**row, "match": tuple(row["match"])}) for row in table["chip"])


def find_chip(device_name: str) -> Chip | None:
    """The chip that a driver's name or a person's word means; None for an unknown one, the first of several."""
    return next(iter(find_chips(device_name)), None)


def find_chips(text: str) -> list[Chip]:
    """The chips that a longer text names, in order, each once.

    Of patterns that overlap the first counts, the longer where they begin together; a family stands only where none of its versions
    is named.
    """
    found: dict[Chip, None] = {}
    behind = 0
    for start, minus_end, chip in sorted(_spans(text), key=lambda span: span[:2]):
        if start >= behind:
            found[chip] = None
            behind = -minus_end
    families = {chip.family for chip in found}
    return [chip for chip in found if chip.name not in families]


def _spans(text: str) -> Iterator[tuple[int, int, Chip]]:
    for chip, pattern in _patterns():
        for found in pattern.finditer(text):
            yield found.start(), -found.end(), chip


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Chip, re.Pattern[str]], ...]:
    """ASCII, so that a Chinese character next to a name ends it as a blank does."""
    return tuple((chip, re.compile(pattern, re.IGNORECASE | re.ASCII)) for chip in chips() for pattern in chip.match)
