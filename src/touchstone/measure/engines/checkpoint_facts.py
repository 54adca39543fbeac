"""What the files of a Hugging Face checkpoint say of its weights, read from their headers alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from touchstone.checkpoints.shape import ModelShape
from touchstone.errors import DataError, EngineError
from touchstone.simulate.accounting import kv_bytes_per_token, parameters
from touchstone.simulate.architecture import Architecture, architecture_of, from_shape

DTYPE_BYTES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2}
"""Bytes of one value of the floats that an engine can be asked to run in."""
_FLOATS = frozenset({"F32", "F16", "BF16"})
_NAMES = {"F8_E4M3": "fp8", "F8_E5M2": "fp8", "I8": "int8", "U8": "uint8", "I32": "int32", "I64": "int64", "F64": "fp64"}
_BYTES = {"F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "I32": 4, "I64": 8, "F64": 8, "I16": 2, "BOOL": 1}
_ONE_VALUE_EACH = frozenset({"fp8", "int8"})
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "tok_embeddings.weight")
_HEADS = ("lm_head.weight", "output.weight")


@dataclass(frozen=True)
class CheckpointFacts:
    """``floats`` values are held in the dtype that an engine runs in; ``packed`` bytes (by storage type) as they are stored.

    ``embedding`` are the values of the input embedding: 0 where the output head shares it, None where it cannot be told.
    """

    files: Sequence[str]
    floats: int
    packed: Mapping[str, int]
    embedding: int | None
    kv_values_per_token: int | None
    max_positions: int | None

    @property
    def parameters(self) -> int | None:
        """The number of weights; None where several of them are packed into one stored value."""
        if set(self.packed) - _ONE_VALUE_EACH:
            return None
        return self.floats + sum(self.packed.values())

    def dtypes(self, dtype: str) -> dict[str, int]:
        """Bytes of weights by storage type in an engine that runs in ``dtype`` (a key of ``DTYPE_BYTES``)."""
        held = {dtype: self.floats * DTYPE_BYTES[dtype]} if self.floats else {}
        return {**held, **self.packed}

    def weight_bytes(self, dtype: str) -> int:
        """The sum of :meth:`dtypes`."""
        return sum(self.dtypes(dtype).values())

    def read_bytes_per_step(self, dtype: str) -> int | None:
        """All weights but the input embedding, of which a step gathers one row."""
        return None if self.embedding is None else self.weight_bytes(dtype) - self.embedding * DTYPE_BYTES[dtype]

    def kv_bytes_per_token(self, value_bytes: int) -> int | None:
        """Bytes that one token keeps in a cache of values of ``value_bytes``."""
        return None if self.kv_values_per_token is None else self.kv_values_per_token * value_bytes


def facts_of_shape(shape: ModelShape) -> CheckpointFacts:
    """The facts of a shape that has no files."""
    arch = from_shape(shape)
    embedding = 0 if shape.tied else shape.vocab_size * shape.hidden_size
    return CheckpointFacts((), parameters(arch), {}, embedding, kv_bytes_per_token(arch, 1), shape.max_positions)


def read_checkpoint(directory: Path) -> CheckpointFacts:
    """The facts of ``directory``. Raises :class:`EngineError` where there are no readable ``.safetensors`` files."""
    files = _weight_files(directory)
    sizes: dict[str, tuple[str, int]] = {}
    for path in files:
        sizes.update(_stored_values(path))
    packed: dict[str, int] = defaultdict(int)
    for stored, count in sizes.values():
        if stored not in _FLOATS:
            packed[_NAMES.get(stored, stored.lower())] += count * _BYTES.get(stored, 1)
    arch, positions = _architecture(directory)
    return CheckpointFacts([str(path) for path in files], sum(count for stored, count in sizes.values() if stored in _FLOATS),
                           dict(packed), _embedding(sizes), None if arch is None else kv_bytes_per_token(arch, 1), positions)


def _stored_values(path: Path) -> dict[str, tuple[str, int]]:
    """Storage type and number of values of every tensor of one file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            parts = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
            return {name: (part.get_dtype(), prod(part.get_shape())) for name, part in parts.items()}
    except (OSError, SafetensorError) as error:
        raise EngineError("{path} is not a readable safetensors file: {error}.", "", path=path, error=error) from error


def _weight_files(directory: Path) -> list[Path]:
    """The files of the index where there is one: a directory may hold the same weights in a second format."""
    index = directory / "model.safetensors.index.json"
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values() if index.exists() else ()
        found = sorted({directory / Path(str(name)).name for name in listed}) or sorted(directory.glob("*.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError("{path} is not a readable index of weights: {error}.", "", path=index, error=error) from error
    if not found:
        raise EngineError("{path} has no .safetensors files, from which the sizes of the weights are read.",
                          "Convert the checkpoint to safetensors, or use --engine transformers.", path=directory)
    return found


def _embedding(sizes: Mapping[str, tuple[str, int]]) -> int | None:
    if not any(name.endswith(_HEADS) for name in sizes):
        return 0
    return next((count for name, (stored, count) in sizes.items() if name.endswith(_EMBEDDINGS) and stored in _FLOATS), None)


def _architecture(directory: Path) -> tuple[Architecture | None, int | None]:
    """The architecture and the most positions; None where this version cannot count them: the engine may still run the model."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EngineError("{path} cannot be read: {error}.", "", path=path, error=error) from error
    if not isinstance(config, dict):
        raise EngineError("{path} cannot be read: {error}.", "", path=path, error="not a JSON object")
    positions = config.get("max_position_embeddings")
    try:
        arch = architecture_of(config, str(path))
    except DataError:
        arch = None
    return arch, positions if isinstance(positions, int) and not isinstance(positions, bool) else None
