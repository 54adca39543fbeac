"""Loads a transformers model onto a device exactly as asked, or says what can be done instead."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from touchstone.checkpoints.shape import ModelShape, config_of
from touchstone.checkpoints.synthetic import WEIGHT_STD
from touchstone.checkpoints.vocabulary import FIRST_WORD_TOKEN
from touchstone.errors import EngineError, UsageError
from touchstone.measure.devices import Device, installed
from touchstone.plan import Target

_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_SHORT = {f"torch.{long}": short for short, long in _NAMES.items()} | {"torch.int8": "int8", "torch.uint8": "uint8"}
_NOISE_VALUES = (1 << 20) + 7  # no multiple of a row's length, so that no two rows of a matrix come out the same
_OUT_OF_MEMORY_TEXTS = ("out of memory", "can't allocate memory", "not enough memory")


def load(target: Target, directory: Path, shape: ModelShape | None, device: Device) -> Any:
    """The model on its device in the dtype asked for; ``shape`` is filled with random weights, else files are read.

    Raises :class:`EngineError` or :class:`UsageError`; never falls back to another dtype, attention or device.
    """
    _check(target, device)
    try:
        model = _random_model(target, shape, device) if shape else _from_files(target, directory, device)
        if target.dtype == "int8":
            _quantize(model)
        if target.options.compile:
            _compile(model, graph=target.options.device_graph)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise EngineError("{model} in {dtype} does not fit on {device}: {why}.",
                              "Use a smaller dtype or model, or free memory on the device.", model=target.model,
                              dtype=target.dtype, device=device.torch_name, why=first_line(error)) from error
        raise EngineError("{model} cannot be loaded in {dtype} on {device}: {why}.", "", model=target.model,
                          dtype=target.dtype, device=device.torch_name, why=first_line(error)) from error
    return model.eval()


def _check(target: Target, device: Device) -> None:
    options = target.options
    if target.dtype == "int8" and installed("torchao") is None:
        raise EngineError("int8 needs the torchao package, which is not installed.",
                          "pip install torchao, or use --dtype fp32, fp16 or bf16.")
    if options.device_graph and (device.kind != "cuda" or not options.compile or options.cache != "static"):
        raise UsageError("A device graph needs --device cuda, --compile and --cache static together.", "")
    if options.compile and device.kind == "cpu" and not any(map(shutil.which, ("cc", "gcc", "g++", "clang"))):
        raise EngineError("--compile needs a C++ compiler on a CPU, and there is none.", "Install g++, or leave --compile out.")


def _from_files(target: Target, directory: Path, device: Device) -> Any:
    import torch
    import transformers

    dtype = getattr(torch, _NAMES[_compute_dtype(target, device)])
    attention = {"attn_implementation": target.options.attention} if target.options.attention else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, trust_remote_code=target.options.trust_remote_code, local_files_only=True, **attention)
    return model.to(device.torch_name)


def _compute_dtype(target: Target, device: Device) -> str:
    """int8 weights are multiplied in the fastest float type of the device."""
    if target.dtype != "int8":
        return target.dtype
    return "fp32" if device.kind == "cpu" else "bf16"


def compute_bytes(target: Target, device: Device) -> int:
    """Bytes of one value of the float type that activations and the KV cache have."""
    return 4 if _compute_dtype(target, device) == "fp32" else 2


def _random_model(target: Target, shape: ModelShape, device: Device) -> Any:
    """The shape straight on the device: no file, no copy through host memory."""
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(**config_of(shape))
    attention = {"attn_implementation": target.options.attention} if target.options.attention else {}
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, _NAMES[_compute_dtype(target, device)]), **attention)
    model = model.to_empty(device=device.torch_name)
    # Buffers that are computed, not stored, were left empty as well.
    with torch.device(device.torch_name):
        model.model.rotary_emb = type(model.model.rotary_emb)(config)
    _fill(model)
    return model


def _fill(model: Any, seed: int = 0) -> None:
    """Random weights by repeating one block: 7e9 values in seconds. Good for timing, not for comparing texts."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(_NOISE_VALUES, generator=generator) * WEIGHT_STD
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
                continue
            block, flat = noise.to(parameter), parameter.view(-1)
            for start in range(0, flat.numel(), block.numel()):
                part = flat[start:start + block.numel()]
                part.copy_(block[:part.numel()])
        model.get_output_embeddings().weight[:FIRST_WORD_TOKEN] = 0  # as in the synthetic files: greedy text stays printable


def _quantize(model: Any) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(model, Int8WeightOnlyConfig())


def _compile(model: Any, *, graph: bool) -> None:
    import torch

    mode = "reduce-overhead" if graph else "default"
    model.forward = torch.compile(model.forward, mode=mode)


def attention_of(model: Any) -> str:
    """The attention implementation in use; the library keeps it in a private field and has no other place for it."""
    return str(model.config._attn_implementation)  # noqa: SLF001


def stored_bytes(model: Any) -> tuple[dict[str, int], int]:
    """Bytes of the parameters by the dtype they are really stored in, and their sum."""
    totals: dict[str, int] = defaultdict(int)
    for parameter in model.parameters():
        for tensor in _plain_tensors(parameter.data):
            totals[_SHORT.get(str(tensor.dtype), str(tensor.dtype))] += tensor.nbytes
    return dict(totals), sum(totals.values())


def read_bytes_per_step(model: Any) -> int:
    """Stored bytes without the input embedding (a step gathers one row of it), unless the output head shares it."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    shared = head is not None and head.weight is embedding.weight
    gathered = 0 if shared else sum(tensor.nbytes for tensor in _plain_tensors(embedding.weight.data))
    return stored_bytes(model)[1] - gathered


def _plain_tensors(tensor: Any) -> Iterator[Any]:
    """A quantised tensor is made of several plain ones."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        for name in names:
            yield from _plain_tensors(getattr(tensor, name))
    else:
        yield tensor


def is_out_of_memory(error: BaseException) -> bool:
    """Old torch_npu raises RuntimeError, newer releases torch.OutOfMemoryError: the text is what they share."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _OUT_OF_MEMORY_TEXTS))


def first_line(error: BaseException) -> str:
    """The first line of an error of another library, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
