"""Counts parameters, bytes and FLOPs of a model: what it stores, what a step must read, and what it must compute.

Attention h·H·d + 2·h·K·d + H·d·h, latent attention and mixtures of experts as in the DeepSeek-V2 report (arXiv 2405.04434), an MLP
3·h·I, two norms of h per layer and one at the end, embedding and head V·h each. The totals are those of the published models and
of the transformers library's own tensors (tests/simulate/test_accounting.py).
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from touchstone.errors import DataError
from touchstone.simulate.architecture import Architecture
from touchstone.simulate.precision import Precision, precision_of


@dataclass(frozen=True)
class Parts:
    """Parameters by what becomes of them: a tied head is no part of its own; ``rest`` are norms, biases, routers and sinks."""

    embedding: int
    head: int
    attention: int
    mlp: int
    experts: int
    expert_bias: int
    rest: int


def parts(arch: Architecture) -> Parts:
    """The parameters of the model proper, without layers that predict further tokens."""
    hidden, experts, table = arch.hidden, arch.experts, arch.vocab * arch.hidden
    mixed = arch.layers - experts.dense_layers if experts else 0
    dense = arch.layers - mixed
    attention, rest = _attention(arch)
    mlp, routed, expert_bias, router = _mixture(arch)
    bias = 2 * arch.intermediate + hidden if arch.mlp_bias else 0
    return Parts(
        embedding=table, head=0 if arch.tied else table, attention=arch.layers * attention,
        mlp=dense * 3 * hidden * arch.intermediate + mixed * mlp, experts=mixed * routed, expert_bias=mixed * expert_bias,
        rest=arch.layers * (rest + 2 * hidden) + hidden + mixed * router + dense * bias)


def _attention(arch: Architecture) -> tuple[int, int]:
    """Parameters of one layer's attention: its matrices, and its biases, norms and sinks."""
    hidden, heads, latent = arch.hidden, arch.heads, arch.latent
    if latent is not None:
        query = heads * (latent.nope + latent.rope)
        matrices = hidden * query if latent.q_rank is None else (hidden + query) * latent.q_rank
        matrices += hidden * (latent.kv_rank + latent.rope) + latent.kv_rank * heads * (latent.nope + latent.value)
        return matrices + heads * latent.value * hidden, (latent.q_rank or 0) + latent.kv_rank
    rest = (heads + 2 * arch.kv_heads) * arch.head_dim if arch.qkv_bias else 0
    rest += hidden if arch.output_bias else 0
    rest += 2 * arch.head_dim if arch.qk_norm else 0
    rest += heads if arch.sinks else 0
    return 2 * hidden * (heads + arch.kv_heads) * arch.head_dim, rest


def _mixture(arch: Architecture) -> tuple[int, int, int, int]:
    """Parameters of one layer of experts: the shared ones, the routed ones, these ones' biases, the router."""
    experts, hidden = arch.experts, arch.hidden
    if experts is None:
        return 0, 0, 0, 0
    matrices = 3 * hidden * experts.width
    bias = experts.count * (2 * experts.width + hidden) if experts.bias else 0
    router = experts.count * (hidden + 1) if experts.router_bias else experts.count * hidden
    return experts.shared * matrices, experts.count * matrices, bias, router


def parameters(arch: Architecture) -> int:
    """All parameters; a tied head is counted once, and layers that predict further tokens are not."""
    return sum(astuple(parts(arch)))


def mtp_parameters(arch: Architecture) -> int:
    """Parameters of the layers that predict further tokens (DeepSeek-V3), each with its own copy of embedding and head.

    Each is one layer, a projection of two hidden states onto one, and three norms.
    """
    attention, rest = _attention(arch)
    hidden = arch.hidden
    layer = attention + rest + 2 * hidden + (sum(_mixture(arch)) if arch.experts else 3 * hidden * arch.intermediate)
    return arch.mtp_layers * (layer + 2 * hidden * hidden + 3 * hidden + 2 * arch.vocab * hidden)


def active_parameters_per_step(arch: Architecture) -> int:
    """Parameters that one token's decoding step uses: the chosen experts, the head, and no embedding, of which it gathers one row."""
    counted = parts(arch)
    share = arch.experts.chosen * (counted.experts + counted.expert_bias) // arch.experts.count if arch.experts else 0
    return counted.attention + counted.mlp + share + counted.rest + arch.vocab * arch.hidden


def experts_touched(arch: Architecture, batch: float) -> float:
    """Experts of each layer that a step of ``batch`` tokens reads, expected: E·(1 − (1 − k/E)^B).

    Assumes that tokens choose independently and evenly. Where a verdict rests on it, use a batch of 1: that many are certain.
    """
    if arch.experts is None:
        return 0.0
    return arch.experts.count * (1 - math.pow(1 - arch.experts.chosen / arch.experts.count, batch))


def weight_bytes(arch: Architecture, dtype: str | None = None) -> int:
    """Bytes of all weights in ``dtype``, or in the checkpoint's own where it is None.

    Raises :class:`touchstone.errors.UsageError` for an unknown dtype, :class:`touchstone.errors.DataError` where none is known.
    """
    counted, bits = parts(arch), _precision(arch, dtype)
    table = counted.embedding * (bits.head if arch.tied else bits.embedding) + counted.head * bits.head
    return math.ceil((table + _body_bits(counted, bits, 1.0)) / 8)


def read_bytes_per_step(arch: Architecture, dtype: str | None = None, batch: float = 1) -> float:
    """Bytes of weights that a decoding step of ``batch`` sequences must read, see :func:`experts_touched`; errors as there.

    The input embedding is never counted, the head always. Keys and values come on top: :func:`kv_bytes` of each sequence.
    """
    counted, bits = parts(arch), _precision(arch, dtype)
    share = experts_touched(arch, batch) / arch.experts.count if arch.experts else 0.0
    return (arch.vocab * arch.hidden * bits.head + _body_bits(counted, bits, share)) / 8


def _body_bits(counted: Parts, bits: Precision, expert_share: float) -> float:
    return (counted.attention * bits.attention + counted.mlp * bits.linear + counted.rest * bits.rest
            + expert_share * (counted.experts * bits.linear + counted.expert_bias * bits.rest))


def _precision(arch: Architecture, dtype: str | None) -> Precision:
    if dtype is None:
        if arch.quantization is not None:
            return arch.quantization
        if arch.dtype is None:
            raise DataError("{source}: it does not say which dtype its weights have.", "Name the dtype.", source=arch.name)
        return precision_of(arch.dtype)
    named = precision_of(dtype)
    if arch.quantization is not None and arch.quantization.name == named.name:
        return arch.quantization  # the checkpoint knows its own group size and what it leaves alone
    return named


def kv_bytes_per_token(arch: Architecture, value_bytes: int = 2) -> int:
    """Bytes that one token of context keeps over all layers, where no window has dropped it.

    Keys and values of ``value_bytes`` each; latent attention keeps one compressed vector instead.
    """
    return arch.layers * _kept_values(arch) * value_bytes


def kv_bytes(arch: Architecture, context: int, value_bytes: int = 2) -> int:
    """Bytes that one sequence of ``context`` tokens keeps: layers with a window keep its last tokens only."""
    return _attended(arch, 1, max(context - 1, 0)) * _kept_values(arch) * value_bytes if context > 0 else 0


def kv_bytes_per_device(arch: Architecture, context: int, value_bytes: int = 2, tp: int = 1) -> int:
    """:func:`kv_bytes` of the fullest of ``tp`` devices: heads are shared out, a compressed vector is kept by all."""
    whole = kv_bytes(arch, context, value_bytes)
    return whole if arch.latent else whole // arch.kv_heads * math.ceil(arch.kv_heads / tp)


def _kept_values(arch: Architecture) -> int:
    return arch.latent.kv_rank + arch.latent.rope if arch.latent else 2 * arch.kv_heads * arch.head_dim


def prefill_flops(arch: Architecture, new: int, cached: int = 0) -> tuple[int, int]:
    """FLOPs of matrices and of attention for ``new`` prompt tokens after ``cached`` ones; the head runs for the last token only."""
    head = arch.vocab * arch.hidden
    linear = 2 * (active_parameters_per_step(arch) - head) * new + 2 * head
    latent = arch.latent
    per_pair = 2 * (latent.nope + latent.rope + latent.value) if latent else 4 * arch.head_dim
    return linear, per_pair * arch.heads * _attended(arch, new, cached)


def decode_flops(arch: Architecture, context: int) -> tuple[int, int]:
    """FLOPs of matrices and of attention for one sequence's next token after ``context`` ones.

    Latent attention works on the compressed vectors: 2·(2·kv_rank + rope) per head and token of context.
    """
    latent = arch.latent
    per_pair = 2 * (2 * latent.kv_rank + latent.rope) if latent else 4 * arch.head_dim
    seen = _attended(arch, 1, context - 1) if context > 0 else 0
    return 2 * active_parameters_per_step(arch), per_pair * arch.heads * seen


def _attended(arch: Architecture, new: int, cached: int) -> int:
    """Pairs of a new token and one it looks at, itself included, over all layers."""
    everything = new * cached + new * (new + 1) // 2
    if arch.window is None:
        return arch.layers * everything
    growing = min(max(arch.window - cached, 0), new)  # new tokens that still see all before them
    windowed = growing * cached + growing * (growing + 1) // 2 + (new - growing) * arch.window
    return (arch.layers - arch.windowed_layers) * everything + arch.windowed_layers * windowed
