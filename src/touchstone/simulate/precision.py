"""Bits per weight of the dtypes and quantisation formats that people name.

Scales and zero points of groups are counted, those of whole rows or blocks (below 0.1 %) are not; of a mixed GGUF type the
smallest of its blocks counts for every matrix. So what is counted is never more than what is stored, and a floor stays a floor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from touchstone.errors import DataError, unknown_name
from touchstone.message import say


@dataclass(frozen=True)
class Precision:
    """Bits that one weight takes, scales included, by where it stands.

    ``linear`` is of the matrices of MLPs and experts, ``attention`` of attention's, ``rest`` of norms, biases and routers.
    """

    name: str
    linear: float
    attention: float
    embedding: float = 16
    head: float = 16
    rest: float = 16


def _plain(name: str, bits: int) -> Precision:
    return Precision(name, bits, bits, bits, bits, bits)


def _linear(name: str, bits: float) -> Precision:
    """Embedding, head, norms and routers stay in 16 bits, as quantised checkpoints have them."""
    return Precision(name, bits, bits)


def _gguf(name: str, block_bytes: int, block: int) -> Precision:
    """Block sizes of ggml-common.h; embeddings are quantised too, and the head with six bits (Q6_K) at least."""
    bits = 8 * block_bytes / block
    return Precision(name, bits, bits, bits, max(bits, 8 * 210 / 256))


def _grouped(bits: int, group: int) -> float:
    """A 16-bit scale and a zero point of ``bits`` for each group of weights, as AWQ and GPTQ store them."""
    return bits + (16 + bits) / group if group > 0 else bits


_PRECISIONS: Mapping[str, Precision] = {one.name: one for one in (
    _plain("fp32", 32), _plain("fp16", 16), _plain("bf16", 16),
    _linear("fp8", 8), _linear("int8", 8), _linear("int4", _grouped(4, 128)),
    _linear("mxfp4", 4 + 8 / 32), _linear("nvfp4", 4 + 8 / 16),
    _linear("nf4", 4 + 8 / 64),  # bitsandbytes with its scales quantised again
    _gguf("q8_0", 34, 32), _gguf("q6_k", 210, 256), _gguf("q5_1", 24, 32), _gguf("q5_0", 22, 32), _gguf("q5_k", 176, 256),
    _gguf("q4_1", 20, 32), _gguf("q4_0", 18, 32), _gguf("q4_k", 144, 256), _gguf("iq4_nl", 18, 32), _gguf("iq4_xs", 136, 256),
    _gguf("q3_k", 110, 256), _gguf("q2_k", 84, 256),
)}
_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "fp32": ("float32", "float", "f32"),
    "fp16": ("float16", "half", "f16"),
    "bf16": ("bfloat16",),
    "fp8": ("float8", "e4m3", "fp8e4m3", "fp8e5m2", "float8e4m3fn", "w8a8fp8", "fp8w8a8", "w8a16fp8", "fbgemmfp8", "fp8dynamic"),
    "int8": ("w8a8", "w8a16", "w8", "8bit", "8bits", "i8", "w8a8dynamic", "w8a8int8", "int8w8a8", "gptqint8", "gptq8bit", "w8a8c8"),
    "int4": ("w4a16", "w4a8", "w4a4", "w4", "4bit", "4bits", "i4", "awq", "gptq", "awqint4", "int4awq", "gptqint4", "gptq4bit", "awqmarlin",
             "gptqmarlin", "w4a16awq", "w4a8awq", "w4a16g128", "w4a8dynamic", "w4a4dynamic"),
    "nvfp4": ("fp4", "nvfp4a16"),
    "nf4": ("bnb4bit", "bnbnf4"),
    "q5_k": ("q5km", "q5ks"), "q4_k": ("q4km", "q4ks"), "q3_k": ("q3ks", "q3km", "q3kl"), "q2_k": ("q2ks",),
}


def _bare(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word[:40].lower().removeprefix("torch."))


_BY_WORD: Mapping[str, Precision] = {
    _bare(word): precision for name, precision in _PRECISIONS.items() for word in (name, *_OTHER_WORDS.get(name, ()))}


@lru_cache(maxsize=1024)
def find_precision(word: str) -> Precision | None:
    """The precision that ``word`` names, in any spelling (``BF16``, ``w8a8``, ``AWQ``, ``Q4_K_M``); None for an unknown word."""
    return _BY_WORD.get(_bare(word))


def precision_of(word: str) -> Precision:
    """As :func:`find_precision`, but an unknown word is a :class:`touchstone.errors.UsageError` that offers the nearest."""
    found = find_precision(word)
    if found is None:
        raise unknown_name(say("dtype"), word[:40], _PRECISIONS)
    return found


def quantization_of(config: Mapping[str, object], source: str) -> Precision | None:
    """The quantisation that a ``config.json`` states for its own weights; None for none.

    Raises :class:`touchstone.errors.DataError` for one that cannot be counted; ``source`` names the file in it.
    """
    stated = config.get("quantization_config") or config.get("quantize")
    if not stated:
        return None
    found = _stated(stated) if isinstance(stated, Mapping) else _word(stated)
    if found is None:
        method = stated.get("quant_method") if isinstance(stated, Mapping) else stated
        raise DataError("{source}: the quantisation {method} is not one that this version can count.",
                        "Name the dtype of the weights instead.", source=source, method=str(method)[:40])
    return found


def _word(word: object) -> Precision | None:
    return find_precision(word) if isinstance(word, str) else None


def _stated(stated: Mapping[str, object]) -> Precision | None:
    method = stated.get("quant_method")
    if method == "mxfp4":  # GPT-OSS: the experts only, see its modules_to_not_convert
        return replace(_PRECISIONS["mxfp4"], attention=16)
    if method == "bitsandbytes":
        return _PRECISIONS["nf4" if stated.get("load_in_4bit") or stated.get("_load_in_4bit") else "int8"]
    if method == "modelopt":
        return _word(stated.get("quant_algo"))
    if method == "compressed-tensors":
        return _of_groups(stated.get("config_groups"))
    if method in ("awq", "gptq"):
        return _integer(stated.get("bits", stated.get("w_bit", 4)), stated.get("group_size", stated.get("q_group_size", 128)))
    return _word(method)


def _of_groups(groups: object) -> Precision | None:
    """The first group of compressed-tensors; all groups of the checkpoints in use have the same weights."""
    first = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = first.get("weights") if isinstance(first, Mapping) else None
    if not isinstance(weights, Mapping):
        return None
    bits, group = weights.get("num_bits"), weights.get("group_size")
    if weights.get("type") == "float":
        return {8: _PRECISIONS["fp8"], 4: _PRECISIONS["nvfp4" if group == 16 else "mxfp4"]}.get(bits) if isinstance(bits, int) else None
    return _integer(bits, -1 if group is None else group)


def _integer(bits: object, group: object) -> Precision | None:
    if not isinstance(bits, int) or not isinstance(group, int) or bits not in {2, 3, 4, 8}:
        return None
    return _PRECISIONS["int8"] if bits == 8 else _linear(f"int{bits}", _grouped(bits, group))
