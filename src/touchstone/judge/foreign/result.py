"""What another tool's file says, in our words and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from touchstone.claim import ClaimTable
from touchstone.message import Message

Column = tuple[float | None, ...]
"""One value per request, in the file's order; None is unknown, such as the first token of a request that failed."""


@dataclass(frozen=True)
class PerRequest:
    """The columns of a file that lists its requests, in seconds and tokens; a column that the file does not have is None.

    ``itls_s`` are the gaps of each answer, as that tool defines a gap. ``start_times_s`` are on that tool's own clock.
    """

    ttfts_s: Column | None = None
    latencies_s: Column | None = None
    input_tokens: Column | None = None
    output_tokens: Column | None = None
    start_times_s: Column | None = None
    itls_s: tuple[tuple[float, ...], ...] | None = None

    def __len__(self) -> int:
        return max((len(column) for column in vars(self).values() if column is not None), default=0)


@dataclass(frozen=True)
class ForeignResult:
    """A result of ``tool``: one claim per load it offered, figures in SI units.

    ``per_request`` is keyed by the claim's row. ``notes`` say where the tool's definitions differ from ours.
    """

    tool: str
    version: str | None
    claims: ClaimTable
    per_request: Mapping[int, PerRequest] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Message, ...] = ()
