"""Engines: what is measured. One file per engine, one row in ``ENGINES``; nothing is imported before it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from touchstone.errors import NotReadyError, unknown_name
from touchstone.measure.devices import Device, installed
from touchstone.measure.tape import Tape
from touchstone.message import say
from touchstone.plan import ChatMessage, Target
from touchstone.record import EngineFacts, Record
from touchstone.request import Batch


@dataclass(frozen=True)
class Sizes:
    """The largest batch and the longest sequence (input plus output) that a plan will ask for."""

    batch_size: int
    sequence_tokens: int


@dataclass(frozen=True)
class Footprint:
    """What a model will need, read from its files before anything is loaded; None where they do not say."""

    weight_bytes: int | None
    kv_bytes_per_token: int | None
    max_positions: int | None


@dataclass(frozen=True)
class Vocabulary:
    """What building a prompt needs to know of a tokenizer."""

    size: int
    bos_id: int | None
    special_ids: frozenset[int]


class Engine(Protocol):
    """An engine in this process. ``prepare`` builds everything a call needs, ``generate`` is the only timed call."""

    device: Device

    def footprint(self) -> Footprint:
        """Sizes of the model, before it is loaded."""

    def start(self, sizes: Sizes) -> EngineFacts:
        """Load the model and say what really runs. Raises :class:`touchstone.errors.EngineError`."""

    def model_files(self) -> Sequence[str]:
        """Paths of the files that :meth:`start` reads weights from."""

    def vocabulary(self) -> Vocabulary:
        """The tokenizer's size and special tokens."""

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Token ids of ``text``; with ``special``, as a prompt (BOS where the model has one)."""

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Token ids of a conversation through the model's chat template, ready for an answer."""

    def prepare(self, batch: Batch) -> Any:
        """Whatever :meth:`generate` takes: tensors on the device, or the bytes of a request."""

    def generate(self, prepared: Any, tape: Tape, *, marked: bool) -> Any:
        """Produce the batch's tokens. ``marked`` stamps every step on ``tape``; without it only the caller's clock sees the call."""

    def read(self, batch: Batch, tape: Tape, output: Any) -> tuple[Record, ...]:
        """Decode what one call left behind, after the trial. Raises :class:`touchstone.errors.EngineError`."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether ``error``, raised by :meth:`generate`, means that memory ran out."""

    def stop(self) -> None:
        """Free the model."""


@dataclass(frozen=True)
class EngineRow:
    """How an engine is found, what it needs, and what it can do where."""

    path: str
    distributions: tuple[str, ...]
    extra: str
    dtypes: Mapping[str, tuple[str, ...]]
    default_dtype: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)


_TORCH_DTYPES = ("fp32", "fp16", "bf16", "int8")
ENGINES: Mapping[str, EngineRow] = {
    "transformers": EngineRow(
        path="touchstone.measure.engines.transformers:TransformersEngine", distributions=("torch", "transformers"),
        extra="transformers",
        # int8 is torchao's weight quantisation, which has no kernels for Ascend.
        dtypes={"cpu": _TORCH_DTYPES, "cuda": _TORCH_DTYPES, "npu": ("fp32", "fp16", "bf16")},
        default_dtype={"cpu": "fp32", "cuda": "fp16", "npu": "fp16"},
        # Spinning threads cost torch 3.7x where cores are shared. llama.cpp meets a barrier hundreds of times a token and
        # loses 4.7x without them (docs/design/0002-thread-waiting.md), so this is the engine's choice, not the run's.
        variables={"OMP_WAIT_POLICY": "PASSIVE"},
    ),
    "llama.cpp": EngineRow(
        path="touchstone.measure.engines.llamacpp:LlamaCppEngine", distributions=("xllamacpp", "gguf"), extra="llamacpp",
        dtypes={"cpu": ("fp32", "fp16", "bf16", "int8")}, default_dtype={"cpu": "fp16"},
    ),
}
ALIASES: Mapping[str, str] = {"hf": "transformers", "llamacpp": "llama.cpp", "llama-cpp": "llama.cpp", "xllamacpp": "llama.cpp"}


def engine_row(name: str) -> tuple[str, EngineRow]:
    """The canonical name and row of an engine. Raises :class:`UsageError` for an unknown one."""
    canonical = ALIASES.get(name, name)
    if canonical not in ENGINES:
        raise unknown_name(say("engine"), name, ENGINES)
    return canonical, ENGINES[canonical]


def is_installed(row: EngineRow) -> bool:
    """Whether every distribution an engine needs is installed."""
    return all(installed(distribution) for distribution in row.distributions)


def open_engine(target: Target, device: Device) -> Engine:
    """The engine of ``target``, not yet started. Raises :class:`NotReadyError` where it is not installed."""
    name, row = engine_row(target.engine)
    missing = [distribution for distribution in row.distributions if not installed(distribution)]
    if missing:
        raise NotReadyError("The engine {engine} is not installed (missing: {missing}).",
                            "pip install 'llm-touchstone[{extra}]'", engine=name, missing=", ".join(missing), extra=row.extra)
    module, _, attribute = row.path.partition(":")
    engine: Engine = getattr(importlib.import_module(module), attribute)(target, device)
    return engine
