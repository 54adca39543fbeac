"""The shape of a decoder-only transformer: every size that speed and memory depend on, and none of the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from touchstone.errors import DataError

SUPPORTED = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a Llama-style model (RMSNorm, rotary positions, gated MLP, grouped-query attention).

    ``tied`` means that the output head reuses the input embedding; ``qkv_bias`` is true for Qwen2.
    """

    name: str
    family: str
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    intermediate_size: int
    vocab_size: int
    head_dim: int
    max_positions: int
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-5
    tied: bool = False

    @property
    def qkv_bias(self) -> bool:
        """Qwen2 has biases on q, k and v although its config has no flag for them."""
        return self.family == "qwen2"


def _shape(name: str, sizes: tuple[int, int, int, int, int, int], positions: int, *,
           family: str = "llama", theta: float = 10_000.0, epsilon: float = 1e-5) -> ModelShape:
    layers, hidden, heads, kv_heads, intermediate, vocab = sizes
    return ModelShape(name, family, layers, hidden, heads, kv_heads, intermediate, vocab, hidden // heads, positions,
                      theta, epsilon)


_TABLE = (
    #      layers, hidden, heads, kv heads, intermediate, vocabulary
    _shape("tiny", (2, 128, 4, 2, 352, 1024), 4096),
    _shape("25m", (10, 384, 6, 6, 1024, 8192), 4096),
    _shape("160m", (12, 768, 12, 12, 3072, 32_000), 4096),
    _shape("1b", (22, 2048, 32, 4, 5632, 32_000), 4096),
    # Sizes of the published config.json of the models that the articles and their readers use.
    _shape("llama-2-7b", (32, 4096, 32, 32, 11_008, 32_000), 4096),
    _shape("llama-3-8b", (32, 4096, 32, 8, 14_336, 128_256), 8192, theta=500_000.0),
    _shape("qwen2-7b", (28, 3584, 28, 4, 18_944, 152_064), 32_768, family="qwen2", theta=1_000_000.0, epsilon=1e-6),
)
SHAPES: Mapping[str, ModelShape] = {shape.name: shape for shape in _TABLE}
ON_DEVICE_ONLY = frozenset({"llama-2-7b", "llama-3-8b", "qwen2-7b"})
"""Shapes too large to keep as files: their random weights are created straight on the device."""


def size_in(config: Mapping[str, object], source: str, *keys: str, default: int | None = None, least: int = 1,
            most: int = 1_000_000_000) -> int:
    """The size that ``config`` gives under the first of ``keys`` it has; published configs write null where the default is meant.

    Raises :class:`DataError` naming the key when there is none and no default, or when it is no size.
    """
    key, value = next(((key, config[key]) for key in keys if config.get(key) is not None), (keys[0], default))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError("{source}: the key {key} is missing or not a number.", "", source=source, key=key)
    if not least <= value <= most:
        raise DataError("{source}: the key {key} is not a size.", "", source=source, key=key)
    return int(value)


def shape_from_config(config: Mapping[str, object], source: str) -> ModelShape:
    """Read a ``config.json`` mapping; ``source`` names it in errors.

    Raises :class:`DataError` naming the key when the architecture is unknown or a size is missing.
    """
    family = str(config.get("model_type"))
    if family not in SUPPORTED:
        raise DataError("{source}: model_type {family} is not one whose sizes this version can count.",
                        "Counted: {known}. The run itself does not need them.",
                        source=source, family=family, known=", ".join(SUPPORTED))

    def size(key: str, default: int | None = None) -> int:
        return size_in(config, source, key, default=default)

    heads, hidden = size("num_attention_heads"), size("hidden_size")
    rope = config.get("rope_parameters")
    theta = rope.get("rope_theta") if isinstance(rope, Mapping) else config.get("rope_theta")
    epsilon = config.get("rms_norm_eps")
    return ModelShape(
        name=source, family=family, layers=size("num_hidden_layers"), hidden_size=hidden, heads=heads,
        kv_heads=size("num_key_value_heads", heads), intermediate_size=size("intermediate_size"),
        vocab_size=size("vocab_size"), head_dim=size("head_dim", hidden // heads),
        max_positions=size("max_position_embeddings"), rope_theta=float(theta) if isinstance(theta, (int, float)) else 10_000.0,
        norm_epsilon=float(epsilon) if isinstance(epsilon, (int, float)) else 1e-5,
        tied=bool(config.get("tie_word_embeddings", False)),
    )


def shape_of(directory: Path) -> ModelShape:
    """The shape of a checkpoint directory, from its ``config.json``. Raises :class:`DataError`."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("{path} cannot be read: {error}.", "", path=path, error=error) from error
    if not isinstance(config, dict):
        raise DataError("{path} cannot be read: {error}.", "", path=path, error="not a JSON object")
    return shape_from_config(config, str(path))


def config_of(shape: ModelShape) -> dict[str, object]:
    """The ``config.json`` of ``shape``, in the keys of the transformers library."""
    return {
        "architectures": [SUPPORTED[shape.family]], "model_type": shape.family, "hidden_act": "silu",
        "hidden_size": shape.hidden_size, "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim, "vocab_size": shape.vocab_size, "max_position_embeddings": shape.max_positions,
        "rms_norm_eps": shape.norm_epsilon, "rope_theta": shape.rope_theta, "tie_word_embeddings": shape.tied,
        "attention_bias": False, "mlp_bias": False, "torch_dtype": "float16",
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
    }
