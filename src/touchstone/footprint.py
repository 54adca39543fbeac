"""Where a model's memory goes: what a serving engine's log says, what arithmetic expects, and how many sessions fit.

Every size is in bytes of one rank (one device) unless its name says otherwise; unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from touchstone.message import Message

FIGURES: Mapping[str, str] = {
    "weights_bytes": "weights, a draft model's too",
    "kv_cache_bytes": "the pool of keys and values, a draft model's too; negative where the log says so",
    "kv_cache_tokens": "tokens that the pool holds",
    "state_bytes": "the pool of recurrent states (Mamba and its kin)",
    "activation_bytes": "peak of activations while profiling; llama.cpp's compute buffers",
    "graph_bytes": "what capturing device graphs took",
    "graph_estimate_bytes": "what the engine expected graphs to take",
    "non_torch_bytes": "what the device holds outside the framework's allocator",
    "device_total_bytes": "memory of the device as the engine sees it",
    "budget_bytes": "the share of it that the engine may take",
    "available_bytes": "left free when the engine had taken its share",
    "memory_fraction": "that share, as configured",
    "block_size": "tokens of a block",
    "kv_cache_blocks": "blocks of the pool",
    "max_model_len": "the longest sequence, in tokens",
    "max_concurrency": "sequences of that length that fit",
    "max_running_requests": "the most requests at a time, as configured",
    "tensor_parallel": "devices that share the model's matrices",
}
"""Everything that a log may say of a rank, by name."""
OF_A_RANK = frozenset({"weights_bytes", "kv_cache_bytes", "state_bytes", "activation_bytes", "graph_bytes", "graph_estimate_bytes", "non_torch_bytes",
                       "device_total_bytes", "budget_bytes", "available_bytes"})
"""Figures that each rank has for itself; the others are of the whole engine."""


@dataclass(frozen=True)
class LogLine:
    """A line of a log as it stands there, shortened; ``number`` is from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class LoggedFigure:
    """A figure and the lines that say it: several where it is a sum or follows from two."""

    value: float
    lines: tuple[LogLine, ...]


@dataclass(frozen=True)
class EngineLog:
    """What the last start in a log says.

    ``figures`` are those of ``rank``: of the lowest one that says most. ``rank`` is None where the log names none. ``rank_count`` is
    what the log states (a world size, the product of its parallel sizes), else how many ranks speak in it. ``starts`` counts the starts.
    """

    engine: str | None = None
    version: str | None = None
    rank: str | None = None
    rank_count: int | None = None
    ready: bool = False
    starts: int = 0
    figures: Mapping[str, LoggedFigure] = field(default_factory=dict)
    notes: tuple[Message, ...] = ()

    def count(self, name: str) -> int | None:
        """The figure ``name`` as a whole number."""
        found = self.figures.get(name)
        return None if found is None else round(found.value)

    def value(self, name: str) -> float | None:
        """The figure ``name``."""
        found = self.figures.get(name)
        return None if found is None else found.value


@dataclass(frozen=True)
class Accounting:
    """What arithmetic says of a model: all of it, and the share of one of ``tp`` devices.

    ``session_bytes`` maps tokens of a session to its keys and values on one device: less than tokens times ``kv_bytes_per_token``
    where layers have a window.
    """

    model: str
    dtype: str
    parameters: int
    tp: int
    weights_bytes: int
    rank_weights_bytes: int
    kv_value_bytes: int
    kv_bytes_per_token: int
    rank_kv_bytes_per_token: int
    session_bytes: Mapping[int, int]
    max_positions: int | None = None
    assumptions: tuple[Message, ...] = ()


@dataclass(frozen=True)
class DeviceMemory:
    """Memory of one device: ``visible_bytes`` is what a program is offered, ``label_bytes`` what the label says.

    ``used_bytes`` is the driver's reading, which counts all processes and the driver itself, or else what ``used_counts`` says.
    """

    source: Message
    visible_bytes: int | None = None
    label_bytes: int | None = None
    used_bytes: int | None = None
    used_counts: Message | None = None


@dataclass(frozen=True)
class Part:
    """One part of the memory as the log has it, beside arithmetic and the device. ``ratio`` is log to accounting."""

    part: str
    log_bytes: int | None = None
    accounting_bytes: int | None = None
    device_bytes: int | None = None
    ratio: float | None = None
    says: Message | None = None


@dataclass(frozen=True)
class Capacity:
    """How many sessions of ``tokens`` fit into a pool: the log's (``fraction`` None), or what that share of the device leaves."""

    tokens: int
    sessions: int
    pool_bytes: int | None = None
    fraction: float | None = None


@dataclass(frozen=True)
class Need:
    """The share of the device that ``sessions`` of ``tokens`` take with the weights; above 1 they do not fit."""

    tokens: int
    sessions: int
    needed_bytes: int
    fraction: float | None = None


@dataclass(frozen=True)
class ClaimedPool:
    """One reading of a claimed size of the pool: what it would hold, and whether it fits beside the weights."""

    unit: str
    pool_bytes: int
    pool_tokens: int | None
    sessions: Mapping[int, int]
    total_bytes: int | None = None
    limit_bytes: int | None = None
    fraction: float | None = None
    says: Message | None = None


@dataclass(frozen=True)
class Footprint:
    """Everything that can be said from a log, a model and a device; each of them may be missing."""

    log: EngineLog | None = None
    accounting: Accounting | None = None
    device: DeviceMemory | None = None
    parts: tuple[Part, ...] = ()
    capacity: tuple[Capacity, ...] = ()
    needs: tuple[Need, ...] = ()
    claim: str | None = None
    claimed: tuple[ClaimedPool, ...] = ()
    notes: tuple[Message, ...] = ()
