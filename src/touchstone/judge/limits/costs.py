"""What a model's work moves and does: of an architecture, or of what an engine counted of its own weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from touchstone.simulate import accounting
from touchstone.simulate.architecture import Architecture


@dataclass(frozen=True)
class Costs:
    """What a model's work moves and does.

    Bytes of its weights, bytes that a step reads of them at least (of a mixture the experts of one token: a batch may agree), bytes of
    KV values that a context keeps, operations of a token and of a prompt (0 where they are not known).
    """

    weight_bytes: float
    read_bytes: float
    kv_bytes: Callable[[float], float]
    token_flops: float
    prompt_flops: Callable[[float], float]


_LENGTHS = 4096


@lru_cache(maxsize=256)
def costs_of(model: Architecture, dtype: str | None) -> Costs:
    """The costs of ``model`` with weights of ``dtype`` (None: the checkpoint's own), with the least that KV values may take: one byte."""
    return Costs(
        accounting.weight_bytes(model, dtype), accounting.read_bytes_per_step(model, dtype),
        lru_cache(_LENGTHS)(lambda context: accounting.kv_bytes(model, int(context), 1)), 2.0 * accounting.active_parameters_per_step(model),
        lru_cache(_LENGTHS)(lambda tokens: sum(accounting.prefill_flops(model, int(tokens), 0))))


def cache_bytes(costs: Costs, batch: float, input_tokens: float, output_tokens: float) -> float:
    """Bytes of KV values that a decoding step of ``batch`` sequences reads, in the middle of their output."""
    return batch * costs.kv_bytes(input_tokens + output_tokens / 2)


def costs_of_facts(facts: Mapping[str, Any]) -> Costs | None:
    """What the engine counted of its own weights; operations are left to those who know the architecture."""
    weights, read, cache = (facts.get(name) for name in ("weight_bytes", "read_bytes_per_step", "kv_bytes_per_token"))
    if not weights or not read:
        return None
    return Costs(float(weights), float(read), lambda context: context * float(cache or 0), 0.0, lambda _tokens: 0.0)
