"""What a ``config.json`` says about a decoder-only transformer, in one noun for nine families of models.

Every size that parameters, memory, reads and FLOPs depend on; :mod:`touchstone.simulate.accounting` counts with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from touchstone.checkpoints.shape import ModelShape, size_in
from touchstone.errors import DataError
from touchstone.simulate.precision import Precision, find_precision, quantization_of

_LATENT = frozenset({"deepseek_v2", "deepseek_v3"})
_WIDTH_OF_EXPERTS: Mapping[str, tuple[str, ...]] = {
    "mixtral": ("intermediate_size",), "gpt_oss": ("intermediate_size",),
    "qwen3_moe": ("moe_intermediate_size",), "deepseek_v2": ("moe_intermediate_size",), "deepseek_v3": ("moe_intermediate_size",),
}
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", *_WIDTH_OF_EXPERTS)
"""The values of ``model_type`` that can be counted. Qwen1.5 and Qwen2.5 are qwen2; Yi is llama; DeepSeek-R1 is deepseek_v3."""


@dataclass(frozen=True)
class Experts:
    """A mixture of experts: each token goes to ``chosen`` of ``count`` experts of ``width``, and to all ``shared`` ones.

    ``dense_layers`` of the layers have an ordinary MLP instead. ``router_bias`` covers a score correction as well;
    ``bias`` means that an expert's matrices have biases (GPT-OSS).
    """

    count: int
    chosen: int
    width: int
    shared: int = 0
    dense_layers: int = 0
    router_bias: bool = False
    bias: bool = False


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention: what is cached is ``kv_rank`` + ``rope`` values per layer; ``q_rank`` None is a plain query."""

    q_rank: int | None
    kv_rank: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True)
class Architecture:
    """Sizes of one model. ``intermediate`` is the width of an ordinary MLP, 0 where every layer is a mixture of experts.

    ``windowed_layers`` of the layers look back ``window`` tokens only. ``dtype`` (fp32, fp16, bf16) and ``quantization`` are the
    checkpoint's own, None where it does not say or has none. ``mtp_layers`` predict further tokens and are no part of the model proper.
    """

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    intermediate: int
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    sinks: bool = False
    experts: Experts | None = None
    latent: Latent | None = None
    window: int | None = None
    windowed_layers: int = 0
    mtp_layers: int = 0
    max_positions: int | None = None
    dtype: str | None = None
    quantization: Precision | None = None


def architecture_of(config: Mapping[str, object], source: str) -> Architecture:
    """Read the mapping of a ``config.json``; ``source`` names it in errors and in the result.

    Keys may have any of the names in use (n_routed_experts, num_experts, …); an optional key may be absent or null.
    Raises :class:`touchstone.errors.DataError` naming the key when a size is missing or the architecture is unknown.
    """
    family = str(config.get("model_type"))[:40]
    if family not in FAMILIES:
        raise DataError("{source}: model_type {family} is not one whose sizes this version can count.", "Counted: {known}.",
                        source=source, family=family, known=", ".join(FAMILIES))
    layers, hidden = size_in(config, source, "num_hidden_layers", most=10_000), size_in(config, source, "hidden_size")
    heads = size_in(config, source, "num_attention_heads")
    latent = _latent(config, source) if family in _LATENT else None
    experts = _experts(config, source, family, layers)
    window, windowed_layers = _window(config, source, family, layers)
    stated = config.get("attention_bias")
    biased = family == "gpt_oss" if stated is None else bool(stated)
    return Architecture(
        source, family, layers, hidden, heads,
        kv_heads=size_in(config, source, "num_key_value_heads", default=heads),
        head_dim=latent.nope + latent.rope if latent else size_in(config, source, "head_dim", default=hidden // heads),
        vocab=size_in(config, source, "vocab_size"),
        intermediate=0 if experts and not experts.dense_layers else size_in(config, source, "intermediate_size"),
        tied=bool(config.get("tie_word_embeddings")), qkv_bias=biased or family == "qwen2", output_bias=biased,
        mlp_bias=bool(config.get("mlp_bias")), qk_norm=family.startswith("qwen3"), sinks=family == "gpt_oss",
        experts=experts, latent=latent, window=window, windowed_layers=windowed_layers,
        mtp_layers=size_in(config, source, "num_nextn_predict_layers", default=0, least=0),
        max_positions=size_in(config, source, "max_position_embeddings") if config.get("max_position_embeddings") else None,
        dtype=_dtype(config), quantization=quantization_of(config, source))


def _latent(config: Mapping[str, object], source: str) -> Latent:
    return Latent(
        q_rank=None if config.get("q_lora_rank") is None else size_in(config, source, "q_lora_rank"),
        kv_rank=size_in(config, source, "kv_lora_rank"), nope=size_in(config, source, "qk_nope_head_dim"),
        rope=size_in(config, source, "qk_rope_head_dim"), value=size_in(config, source, "v_head_dim"))


def _experts(config: Mapping[str, object], source: str, family: str, layers: int) -> Experts | None:
    if family not in _WIDTH_OF_EXPERTS:
        return None
    count = size_in(config, source, "n_routed_experts", "num_routed_experts", "num_experts", "num_local_experts")
    chosen = size_in(config, source, "num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_topk")
    if chosen > count:
        raise DataError("{source}: the key {key} is not a size.", "", source=source, key="num_experts_per_tok")
    return Experts(
        count, chosen, size_in(config, source, *_WIDTH_OF_EXPERTS[family]),
        shared=size_in(config, source, "n_shared_experts", "num_shared_experts", default=0, least=0),
        dense_layers=_dense_layers(config, source, layers),
        router_bias=family in {"deepseek_v3", "gpt_oss"}, bias=family == "gpt_oss")


def _dense_layers(config: Mapping[str, object], source: str, layers: int) -> int:
    """Layers without experts: the first ones (DeepSeek), those named, and those between every n-th (Qwen3)."""
    first = size_in(config, source, "first_k_dense_replace", default=0, least=0)
    step = size_in(config, source, "decoder_sparse_step", default=1)
    every = size_in(config, source, "moe_layer_freq", default=1)
    stated = config.get("mlp_only_layers")
    named = {str(one) for one in stated} if isinstance(stated, list) else set()
    if (step, every, named) == (1, 1, set()):
        return min(first, layers)
    mixed = (layer for layer in range(layers)
             if layer >= first and layer % every == 0 and (layer + 1) % step == 0 and str(layer) not in named)
    return layers - sum(1 for _ in mixed)


def _window(config: Mapping[str, object], source: str, family: str, layers: int) -> tuple[int | None, int]:
    """Tokens that a layer looks back, and how many layers do. Qwen states a window also where it uses none."""
    if family in {"llama", *_LATENT} or config.get("sliding_window") is None:
        return None, 0
    if family.startswith("qwen") and not config.get("use_sliding_window"):
        return None, 0
    window, kinds = size_in(config, source, "sliding_window"), config.get("layer_types")
    if isinstance(kinds, list):
        windowed = min(sum(kind == "sliding_attention" for kind in kinds), layers)
    elif family == "gpt_oss":
        windowed = (layers + 1) // 2  # every other layer, from the first
    elif family.startswith("qwen"):
        windowed = max(layers - size_in(config, source, "max_window_layers", default=0, least=0), 0)
    else:
        windowed = layers
    return (window, windowed) if windowed else (None, 0)


def _dtype(config: Mapping[str, object]) -> str | None:
    stated = config.get("dtype") or config.get("torch_dtype")
    found = find_precision(stated) if isinstance(stated, str) else None
    return found.name if found else None


def from_shape(shape: ModelShape) -> Architecture:
    """The architecture of a shape whose weights this project can make, so that both are counted by one arithmetic."""
    return Architecture(
        shape.name, shape.family, shape.layers, shape.hidden_size, shape.heads, shape.kv_heads, shape.head_dim, shape.vocab_size,
        shape.intermediate_size, tied=shape.tied, qkv_bias=shape.qkv_bias, max_positions=shape.max_positions)
