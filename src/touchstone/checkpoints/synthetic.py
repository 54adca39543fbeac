"""Checkpoints with random weights: a real architecture, a real tokenizer, a chat template, and nothing learned.

How fast a dense model runs does not depend on what its weights say, so a random model measures an engine as well as a
trained one does, without a hub. Weights are derived from a counter-based generator whose raw stream NumPy guarantees
across versions, so the same name gives the same bytes everywhere; their digest is checked after creation.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchstone.checkpoints import vocabulary
from touchstone.checkpoints.shape import ON_DEVICE_ONLY, SHAPES, ModelShape, config_of
from touchstone.errors import DataError, NotReadyError, UsageError, unknown_name
from touchstone.message import say

Weights = NDArray[Any]

FORMAT = 1
WEIGHT_STD = 0.02  # the initializer range of Llama's own config
GGUF_TYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "int8": "Q8_0"}
DIGESTS = {
    # sha256 over every tensor's name, shape and float16 bytes in the order of `tensors()`.
    "tiny": "d19dcd1bb1ca3fc118e8e7777763d9ef5282526c61a156d6a94dd9e123a4329b",
    "25m": "32fee282235c90f0c522969f18feba9e4ce7db979cde488d16b3637e2741d49d",
    "160m": "9906d92f579092ed104a4ee651c6ecd174a2b34fc989f259ff692610ca6a2a84",
    "1b": "b4b8f7751d6394791cac158b37c6d6fe54ab13fb730b3a66eb930a852967c718",
}


def cache_directory() -> Path:
    """``$TOUCHSTONE_CACHE``, else ``touchstone`` in the user's cache."""
    chosen = os.environ.get("TOUCHSTONE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "touchstone"


def _place(root: Path | None) -> Path:
    return (root or cache_directory()) / "checkpoints" / f"v{FORMAT}"


def tensors(shape: ModelShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all tensors, in the names of the transformers library."""
    hidden, head = shape.hidden_size, shape.head_dim
    yield "model.embed_tokens.weight", (shape.vocab_size, hidden)
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (hidden,)
        for name, heads in (("q", shape.heads), ("k", shape.kv_heads), ("v", shape.kv_heads)):
            yield f"{prefix}self_attn.{name}_proj.weight", (heads * head, hidden)
            if shape.qkv_bias:
                yield f"{prefix}self_attn.{name}_proj.bias", (heads * head,)
        yield prefix + "self_attn.o_proj.weight", (hidden, shape.heads * head)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
        yield prefix + "mlp.gate_proj.weight", (shape.intermediate_size, hidden)
        yield prefix + "mlp.up_proj.weight", (shape.intermediate_size, hidden)
        yield prefix + "mlp.down_proj.weight", (hidden, shape.intermediate_size)
    yield "model.norm.weight", (hidden,)
    if not shape.tied:
        yield "lm_head.weight", (shape.vocab_size, hidden)


def random_weights(name: str, size: tuple[int, ...], seed: int = 0) -> Weights:
    """The float16 weights of tensor ``name``: ones for norms, else uniform with standard deviation ``WEIGHT_STD``."""
    if name.endswith("norm.weight"):
        return np.ones(size, dtype=np.float16)
    key = int.from_bytes(hashlib.sha256(f"{seed}:{name}:{size}".encode()).digest()[:8], "little")
    elements = int(np.prod(size))
    raw = np.random.Philox(key=key).random_raw((elements + 3) // 4)
    bound = np.float32(WEIGHT_STD * 3**0.5 / 32768)
    levels = raw.view("<u2")[:elements].astype(np.float32) - np.float32(32767.5)
    weights: Weights = (levels * bound).astype(np.float16).reshape(size)
    if name == "lm_head.weight":
        # No score for special tokens and single bytes: greedy text stays printable and never ends by itself.
        weights[:vocabulary.FIRST_WORD_TOKEN] = 0
    return weights


def ensure(name: str, root: Path | None = None) -> Path:
    """The directory of the synthetic checkpoint ``name``, created on first use and verified on every use.

    Raises :class:`UsageError` for an unknown name or a shape that only exists on a device, :class:`DataError` when the
    bytes are not the expected ones, :class:`NotReadyError` when they cannot be written.
    """
    if name not in SHAPES:
        raise unknown_name(say("model"), name, SHAPES)
    if name in ON_DEVICE_ONLY:
        raise UsageError("The shape {name} is created straight on a device and has no files.",
                         "Use --engine transformers for it, or one of: {files}.",
                         name=name, files=", ".join(sorted(set(SHAPES) - ON_DEVICE_ONLY)))
    directory = _place(root) / name
    with _writing(directory):
        if not (directory / "touchstone.json").exists():
            _create(SHAPES[name], directory)
    verify_files(directory)
    return directory


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Turn a failure to write in the cache into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise NotReadyError("The synthetic checkpoint in {directory} cannot be written: {error}.",
                            "Free some space, or set TOUCHSTONE_CACHE to a writable directory.",
                            directory=directory, error=error.strerror or error) from error


def _create(shape: ModelShape, directory: Path) -> None:
    """Make the files beside their place and move them there whole; whoever was first keeps it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        _write(shape, made)
        if not (directory / "touchstone.json").exists():
            shutil.rmtree(directory, ignore_errors=True)
            made.rename(directory)


def _write(shape: ModelShape, directory: Path) -> None:
    from safetensors.numpy import save_file

    weights = {name: random_weights(name, size) for name, size in tensors(shape)}
    digest = hashlib.sha256()
    for name, values in weights.items():
        digest.update(f"{name}:{values.shape}:".encode())
        digest.update(values.astype("<f2", copy=False).tobytes())
    expected = DIGESTS.get(shape.name)
    if expected and digest.hexdigest() != expected:
        raise DataError("The random weights of {name} came out different on this machine: {got} instead of {expected}.",
                        "Please report this with your NumPy version and CPU.",
                        name=shape.name, got=digest.hexdigest(), expected=expected)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(shape, directory)
    _write_json(directory / "touchstone.json", {
        "format": FORMAT, "random_weights": True, "weights_sha256": digest.hexdigest(), "shape": asdict(shape),
        "files": {path.name: file_sha256(path) for path in sorted(directory.iterdir())},
    })


def _write_tokenizer(shape: ModelShape, directory: Path) -> None:
    words = vocabulary.build(shape.vocab_size)
    _write_json(directory / "config.json", config_of(shape))
    _write_json(directory / "generation_config.json",
                {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "do_sample": False})
    _write_json(directory / "tokenizer.json", vocabulary.tokenizer_json(words))
    _write_json(directory / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": vocabulary.BOS, "eos_token": vocabulary.EOS,
        "pad_token": vocabulary.PAD, "padding_side": "left", "clean_up_tokenization_spaces": False,
        "model_max_length": shape.max_positions, "chat_template": vocabulary.CHAT_TEMPLATE,
    })


def ensure_tokenizer(name: str, root: Path | None = None) -> Path:
    """A directory with the config and tokenizer of a shape that has no weight files, made on first use."""
    directory = _place(root) / f"{name}-tokenizer"
    with _writing(directory):
        if not (directory / "tokenizer_config.json").exists():
            directory.mkdir(parents=True, exist_ok=True)
            _write_tokenizer(SHAPES[name], directory)
    return directory


def verify_files(directory: Path) -> None:
    """Check every file listed in ``touchstone.json`` against its digest. Raises :class:`DataError`."""
    try:
        listed = json.loads((directory / "touchstone.json").read_text(encoding="utf-8"))["files"]
        wrong = [name for name, digest in listed.items() if file_sha256(directory / name) != digest]
    except (OSError, ValueError, KeyError) as error:
        wrong = [str(error)]
    if wrong:
        raise DataError("The synthetic checkpoint in {directory} is damaged ({wrong}).",
                        "Delete that directory; the next run makes it again.", directory=directory, wrong=", ".join(wrong))


def ensure_gguf(directory: Path, dtype: str) -> Path:
    """The GGUF file of a synthetic checkpoint in ``dtype`` (a key of ``GGUF_TYPES``), written on first use."""
    path = directory / f"model-{dtype}.gguf"
    sidecar = path.with_suffix(".sha256")
    with _writing(directory):
        if path.exists() and sidecar.exists() and sidecar.read_text(encoding="utf-8").strip() == file_sha256(path):
            return path
        from touchstone.checkpoints.gguf_file import write_gguf

        scratch = path.with_suffix(f".partial-{os.getpid()}")
        write_gguf(directory, scratch, GGUF_TYPES[dtype])
        scratch.replace(path)
        sidecar.write_text(file_sha256(path) + "\n", encoding="utf-8")
    return path


def is_random(directory: Path) -> bool:
    """Whether ``directory`` holds one of our own checkpoints, whose text means nothing."""
    path = directory / "touchstone.json"
    return path.exists() and bool(json.loads(path.read_text(encoding="utf-8")).get("random_weights"))


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
