"""Somebody's published numbers with their conditions: what an audit looks at, whether the numbers are ours or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from touchstone.message import Message

FIGURE_UNITS: Mapping[str, str] = {
    # conditions
    "batch_size": "sequences", "concurrency": "requests", "input_tokens": "tokens", "output_tokens": "tokens", "requests": "requests",
    "duration": "s", "request_rate": "requests/s", "devices": "devices", "prompt_bytes": "B", "prompt_words": "words",
    "runs": "runs", "device_memory": "B", "memory_fraction": "1",
    # results
    "ttft": "s", "tpot": "s", "itl": "s", "e2e": "s", "decode_speed": "tokens/s", "user_throughput": "tokens/s",
    "output_throughput": "tokens/s", "prompt_throughput": "tokens/s", "total_throughput": "tokens/s", "throughput": "tokens/s",
    "request_throughput": "requests/s", "peak_memory": "B", "weight_memory": "B", "kv_memory": "B",
}
"""Figure id → its SI unit. ``throughput`` is one that does not say which tokens it counts; ``decode_speed`` is of one request after its
first token, ``user_throughput`` of one request or stream, first token included. A statistic other than the mean follows a dot."""

STATISTICS = ("p1", "p5", "p10", "p25", "p50", "p75", "p80", "p90", "p95", "p99", "p99.9", "min", "max", "std", "var", "range")
"""What may follow the dot: ``ttft.p99``. Without a dot a figure is a mean, or a condition. ``e2e.var`` is in s² and so on."""


@dataclass(frozen=True)
class Figure:
    """A printed number in SI units. ``low`` to ``high`` are the values that would be printed like this; ``text`` is what was printed."""

    value: float
    low: float
    high: float
    text: str = ""


@dataclass(frozen=True)
class Claim:
    """One row of somebody's table. ``row`` counts from 1 in the table's order; ``label`` is what the row calls itself.

    ``figures`` by id, see :data:`FIGURE_UNITS`; an absent figure was not given. ``words`` are the row's cells that are not numbers by
    their heading, for the conditions they may name (a dtype, a model, an engine).
    """

    row: int
    label: str
    figures: Mapping[str, Figure]
    words: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """The printed value of figure ``name``, or None."""
        figure = self.figures.get(name)
        return None if figure is None else figure.value


@dataclass(frozen=True)
class Subject:
    """What the numbers are about, as stated or found; None is not stated.

    ``model`` is a model's name or the path of a config.json, ``dtype`` of the weights, ``accepted_tokens`` what speculative decoding
    yields per step, ``lockstep`` whether a batch's sequences start and end together.
    """

    model: str | None = None
    hardware: str | None = None
    dtype: str | None = None
    devices: int | None = None
    accepted_tokens: float | None = None
    cached_prefix: bool | None = None
    lockstep: bool = True


@dataclass(frozen=True)
class ClaimTable:
    """A table of claims. ``source`` names it for a reader; ``assumptions`` are what was inferred, ``left_out`` what could not be read."""

    source: str
    claims: tuple[Claim, ...]
    subject: Subject = Subject()
    assumptions: tuple[Message, ...] = ()
    left_out: tuple[Message, ...] = ()
