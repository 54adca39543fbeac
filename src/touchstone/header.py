"""What the header of a run says, read with care: it is a file, and whatever somebody wrote there may be of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNFINISHED = frozenset({"created", "running"})
"""What a run says of itself until it has ended; one that was killed says so for ever."""


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def outcome(header: Mapping[str, Any]) -> str:
    """How the run ended. One that was killed could not say so: whoever reads it later finds it still "running"."""
    status = str(header.get("status"))
    return "incomplete" if status in UNFINISHED else status
