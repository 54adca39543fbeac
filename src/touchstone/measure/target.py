"""Chooses whom to measure where the user did not say: the best device present, the best engine for it, a synthetic model."""

from __future__ import annotations

from pathlib import Path

from touchstone.checkpoints import synthetic
from touchstone.checkpoints.pull import find_local
from touchstone.checkpoints.shape import ON_DEVICE_ONLY, SHAPES
from touchstone.errors import DataError, NotReadyError, UsageError, unknown_name
from touchstone.measure.devices import DEVICE_KINDS, present
from touchstone.measure.devices.cpu import usable_cores
from touchstone.measure.engines import ENGINES, EngineRow, check_options, engine_row, is_installed
from touchstone.message import say
from touchstone.plan import EngineOptions, Target

_DTYPE_ALIASES = {"float32": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16", "q8_0": "int8", "w8": "int8"}
_DEVICE_ALIASES = {"gpu": "cuda", "nvidia": "cuda", "ascend": "npu"}
_DEFAULT_MODEL = {"cpu": "25m", "cuda": "llama-2-7b", "npu": "llama-2-7b"}


def resolve(*, engine: str | None, device: str | None, model: str | None, dtype: str | None, options: EngineOptions) -> Target:
    """A complete target. Raises where a name is unknown or a combination cannot be; never falls back silently."""
    asked, colon, index = (device or _best_device()).partition(":")
    kind = _DEVICE_ALIASES.get(asked, asked)
    device = f"{kind}{colon}{index}"
    if kind not in DEVICE_KINDS:
        raise unknown_name(say("device"), device, DEVICE_KINDS)
    model = model and _located(model)
    name, row = engine_row(engine) if engine else engine_row(_best_engine(kind, model))
    if kind not in row.dtypes:
        raise UsageError("The engine {engine} does not run on {device} here.", "It runs on: {known}.", engine=name,
                         device=device, known=", ".join(row.dtypes))
    directory = _model(model or _default_model(kind, row), row)
    chosen = _DTYPE_ALIASES.get(dtype or "", dtype)
    if chosen and chosen not in row.dtypes[kind]:
        raise UsageError("The engine {engine} cannot run {dtype} on {device}.", "It can run: {known}.", engine=name,
                         dtype=dtype, device=device, known=", ".join(row.dtypes[kind]))
    default = "auto" if directory.endswith(".gguf") else row.default_dtype[kind]
    check_options(name, row, options)
    if options.threads is None and kind == "cpu" and "threads" in row.options:
        options = options.model_copy(update={"threads": usable_cores()})
    return Target(engine=name, device=device, model=directory, dtype=chosen or default, options=options)


def _default_model(kind: str, row: EngineRow) -> str:
    """The usual shape of the device. One that exists on a device only, without files, is nothing that a server can load."""
    name = _DEFAULT_MODEL[kind]
    return "160m" if name in ON_DEVICE_ONLY and not row.fills_shapes else name


def _best_device() -> str:
    """An NPU before a GPU before the CPU, among those that are there and that an installed engine can use."""
    for kind in DEVICE_KINDS:
        if present(kind) and any(kind in row.dtypes and is_installed(row) for row in ENGINES.values()):
            return kind
    return "cpu"


def _best_engine(kind: str, model: str | None) -> str:
    """The one that needs no torch, llama.cpp, on a CPU for its own files; transformers on an accelerator or for a checkpoint directory."""
    order = ["transformers", "llama.cpp"]
    own = model is None or (model in SHAPES and model not in ON_DEVICE_ONLY)
    if kind == "cpu" and (own or str(model).endswith(".gguf")):
        order.reverse()
    for name in order:
        if kind in ENGINES[name].dtypes and is_installed(ENGINES[name]):
            return name
    extras = ", ".join(f"'llm-touchstone[{ENGINES[name].extra}]'" for name in order if kind in ENGINES[name].dtypes)
    raise NotReadyError("No engine for {device} is installed.", "pip install one of: {extras}", device=kind, extras=extras)


def _located(model: str) -> str:
    """Where ``model`` is on this machine: as it is written, where it was pulled to, or the only GGUF file of that directory."""
    if model in SHAPES:
        return model
    path = Path(model).expanduser()
    if not path.exists():
        path = find_local(model) or path
    files = sorted(path.glob("*.gguf")) if path.is_dir() and not (path / "config.json").is_file() else []
    if len(files) > 1:
        raise UsageError("{path} holds {count} GGUF files.", "Name one: {files}", path=path, count=len(files), files=", ".join(file.name for file in files[:8]))
    return str(files[0]) if files else str(path) if path.exists() else model


def _model(model: str, row: EngineRow) -> str:
    """A synthetic name becomes the directory of its files; anything else must be a checkpoint on this machine."""
    if model in SHAPES:
        if model in ON_DEVICE_ONLY and row.fills_shapes:
            return model
        return str(synthetic.ensure(model))
    path = Path(model).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return str(path.resolve())
    if (path / "config.json").is_file():
        return str(path.resolve())
    if path.exists():
        raise DataError("{path} is not a model: it is no .gguf file and has no config.json.", "", path=path)
    if "/" in model or model.endswith(".gguf"):
        raise NotReadyError("There is no model at {path} on this machine.",
                            "Fetch it: touchstone pull {path}. Or give a directory with config.json, a .gguf file, or a synthetic model: {known}.",
                            path=model, known=", ".join(SHAPES))
    raise unknown_name(say("model"), model, SHAPES)
