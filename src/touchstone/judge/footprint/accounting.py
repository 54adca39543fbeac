"""A model's memory by arithmetic, and the share of it that one of several devices holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from touchstone.footprint import Accounting
from touchstone.message import Message, say
from touchstone.simulate.accounting import kv_bytes_per_device, kv_bytes_per_token, parameters, parts, weight_bytes
from touchstone.simulate.architecture import Architecture
from touchstone.simulate.precision import precision_of

KV_DTYPES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}
"""Bytes of a number in the pool, by its dtype."""


def accounting_of(arch: Architecture, dtype: str | None, kv_dtype: str | None, tp: int, tokens: Sequence[int]) -> Accounting:
    """The accounting of ``arch`` with weights in ``dtype`` (None: the checkpoint's own) on ``tp`` devices.

    Keys and values are in ``kv_dtype``; where it is None in 16 bits, or in 32 for a model in 32. Raises
    :class:`touchstone.errors.UsageError` for an unknown dtype, :class:`touchstone.errors.DataError` where none is known.
    """
    value_bytes = kv_value_bytes(arch, dtype, kv_dtype)
    whole = kv_bytes_per_token(arch, value_bytes)
    return Accounting(
        model=arch.name, dtype=dtype_name(arch, dtype), parameters=parameters(arch), tp=tp, weights_bytes=weight_bytes(arch, dtype),
        rank_weights_bytes=rank_weights(arch, dtype, tp), kv_value_bytes=value_bytes, kv_bytes_per_token=whole,
        rank_kv_bytes_per_token=rank_kv_bytes_per_token(arch, value_bytes, tp),
        session_bytes={one: kv_bytes_per_device(arch, one, value_bytes, tp) for one in tokens},
        max_positions=arch.max_positions, assumptions=tuple(_assumptions(arch, tp)))


def dtype_name(arch: Architecture, dtype: str | None) -> str:
    """The name of the weights' dtype: the one asked for, else the checkpoint's."""
    if dtype is not None:
        return precision_of(dtype).name
    return arch.quantization.name if arch.quantization else arch.dtype or ""


def kv_value_bytes(arch: Architecture, dtype: str | None, kv_dtype: str | None) -> int:
    """Bytes of one key's or value's number: engines keep them in the model's dtype, and no quantised weights' one."""
    if kv_dtype is not None:
        return KV_DTYPES[kv_dtype]
    return 4 if dtype_name(arch, dtype) == "fp32" else 2


def rank_weights(arch: Architecture, dtype: str | None, tp: int) -> int:
    """Bytes of weights on one of ``tp`` devices: matrices are shared out evenly; some things are on every one of them.

    These are norms, routers, the low-rank projections of latent attention, and the keys' and values' heads where there are fewer
    than devices.
    """
    whole, everywhere = weight_bytes(arch, dtype), parts(arch).rest
    if arch.latent:
        everywhere += arch.layers * arch.hidden * ((arch.latent.q_rank or 0) + arch.latent.kv_rank + arch.latent.rope)
    per_parameter = whole / parameters(arch)
    doubled = 0.0 if arch.latent else arch.layers * 2 * arch.hidden * arch.kv_heads * arch.head_dim * (1 / min(tp, arch.kv_heads) - 1 / tp)
    return round((whole - everywhere * per_parameter) / tp + (everywhere + doubled) * per_parameter)


def rank_kv_bytes_per_token(arch: Architecture, value_bytes: int, tp: int) -> int:
    """Bytes that a token keeps on the fullest of ``tp`` devices, where no window has dropped it."""
    whole = kv_bytes_per_token(arch, value_bytes)
    return whole if arch.latent else whole // arch.kv_heads * -(-arch.kv_heads // tp)


def _assumptions(arch: Architecture, tp: int) -> Iterator[Message]:
    if tp > 1:
        yield say("the matrices are shared out evenly over {tp} devices; norms and the like are on each", tp=tp)
    if arch.window:
        yield say("{windowed} of {layers} layers keep the last {window} tokens of a session only", windowed=arch.windowed_layers, layers=arch.layers,
                  window=arch.window)
    if arch.mtp_layers:
        yield say("layers that predict further tokens are not counted")
