"""What is asked of a footprint."""

from __future__ import annotations

from dataclasses import dataclass

from touchstone.footprint import DeviceMemory
from touchstone.simulate.architecture import Architecture


@dataclass(frozen=True)
class Question:
    """What is asked besides the log. ``tokens`` are lengths of sessions, empty for the defaults; ``claim`` is a pool's size as claimed."""

    model: Architecture | None = None
    dtype: str | None = None
    kv_dtype: str | None = None
    tp: int | None = None
    device: DeviceMemory | None = None
    tokens: tuple[int, ...] = ()
    sessions: int | None = None
    claim: str | None = None
