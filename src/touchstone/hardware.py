"""Chips: what their memory can do at most, each figure with its source and grade (``hardware.toml``)."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Chip:
    """Bytes per second that the memory gives nominally, and beyond which (``bandwidth_hard``) a number cannot be real."""

    name: str
    match: tuple[str, ...]
    bandwidth: float
    bandwidth_hard: float
    grade: str
    source: str

    @property
    def certain(self) -> bool:
        """Whether a verdict may rest on these figures."""
        return self.grade != "G"


def chips() -> tuple[Chip, ...]:
    """All chips of the table."""
    table = tomllib.loads(resources.files("touchstone").joinpath("hardware.toml").read_text(encoding="utf-8"))
    return tuple(Chip(**{**row, "match": tuple(row["match"])}) for row in table["chip"])


def find_chip(device_name: str) -> Chip | None:
    """The chip one of whose patterns is found in the name the driver gives; None for an unknown one."""
    return next((chip for chip in chips() if any(re.search(pattern, device_name) for pattern in chip.match)), None)
