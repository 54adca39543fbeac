"""What a GGUF file says of itself, read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchstone.errors import EngineError

_DTYPE_NAMES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "Q8_0": "int8"}
_NORMAL = 1  # gguf.TokenType.NORMAL; everything else is control, unknown, byte, unused or added


@dataclass(frozen=True)
class GgufFacts:
    """Sizes and tokenizer facts. ``dtypes`` are bytes of weights by storage type; a tied embedding has none of its own."""

    dtypes: Mapping[str, int]
    parameters: int
    embedding_bytes: int
    kv_values_per_token: int | None
    max_positions: int | None
    vocabulary_size: int
    bos_id: int | None
    special_ids: frozenset[int]

    @property
    def main_dtype(self) -> str:
        """The type that most of the weights are stored in."""
        return max(self.dtypes, key=lambda name: self.dtypes[name])


def read_gguf(path: Path) -> GgufFacts:
    """Read the header of ``path``. Raises :class:`EngineError` for a file that is not GGUF."""
    import gguf

    try:
        reader = gguf.GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise EngineError("{path} is not a readable GGUF file: {error}.", "", path=path, error=error) from error
    dtypes: dict[str, int] = defaultdict(int)
    parameters = embedding = 0
    for tensor in reader.tensors:
        dtypes[_DTYPE_NAMES.get(tensor.tensor_type.name, tensor.tensor_type.name.lower())] += int(tensor.n_bytes)
        parameters += int(tensor.n_elements)
        embedding += int(tensor.n_bytes) if tensor.name == "token_embd.weight" else 0
    fields = reader.fields
    tied = not any(tensor.name == "output.weight" for tensor in reader.tensors)
    kinds = fields["tokenizer.ggml.token_type"].contents() if "tokenizer.ggml.token_type" in fields else []
    family = _field(fields, "general.architecture")
    adds_bos = _field(fields, "tokenizer.ggml.add_bos_token")
    return GgufFacts(
        dtypes=dict(dtypes), parameters=parameters, embedding_bytes=0 if tied else embedding,
        kv_values_per_token=_kv_values(fields, family), max_positions=_field(fields, f"{family}.context_length"),
        vocabulary_size=len(kinds), bos_id=None if adds_bos is False else _field(fields, "tokenizer.ggml.bos_token_id"),
        special_ids=frozenset(number for number, kind in enumerate(kinds) if kind != _NORMAL),
    )


def _kv_values(fields: Any, family: str) -> int | None:
    """Key and value numbers of one token over all layers: 2 · layers · kv heads · head size."""
    names = ("block_count", "attention.head_count_kv", "embedding_length", "attention.head_count")
    layers, kv_heads, hidden, heads = (_field(fields, f"{family}.{name}") for name in names)
    if not all(isinstance(value, int) for value in (layers, kv_heads, hidden, heads)):
        return None
    head_dim = _field(fields, f"{family}.attention.key_length") or hidden // heads
    return int(2 * layers * kv_heads * head_dim)


def _field(fields: Any, name: str) -> Any:
    return fields[name].contents() if name in fields else None
