"""What it takes to start a server, as data: how it is asked for, and the command that does it; one file per server beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from touchstone.plan import EngineOptions


@dataclass(frozen=True)
class ServerSpec:
    """A server to be started on this machine, on a port that was free a moment ago.

    ``python`` is the interpreter that has the engine; ``model`` a directory or file; ``directory`` an empty private one for files the
    server needs. ``sequence_tokens`` and ``batch_size`` are the longest sequence and the most requests at a time of the plan.
    ``dummy_weights``: the directory has no weight files, and the server is to make random ones.
    ``kv_bytes_per_token`` is what a token keeps in the cache; None where nobody can tell.
    """

    python: str
    model: str
    device: str
    dtype: str
    host: str
    port: int
    batch_size: int
    sequence_tokens: int
    directory: str
    options: EngineOptions
    dummy_weights: bool = False
    kv_bytes_per_token: int | None = None

    @property
    def device_kind(self) -> str:
        """``cpu``, ``cuda`` or ``npu``."""
        return self.device.partition(":")[0]


@dataclass(frozen=True)
class ServerCommand:
    """How to start a server and how it shows that it is ready.

    ``files`` are written before it starts (path → text). It is ready when ``ready_path`` answers 200 and, where there is one, its log
    has a line that contains ``ready_line``. ``served_model`` is the name to ask for, ``answers_as`` other names that answers to it may
    carry, ``api_path`` the completions endpoint.
    """

    arguments: tuple[str, ...]
    served_model: str
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/health"
    ready_line: str | None = None
    api_path: str = "/v1/completions"
    answers_as: tuple[str, ...] = ()
