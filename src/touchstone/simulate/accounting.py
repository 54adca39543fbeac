"""Counts parameters and bytes from a model's shape.

Formulas for Llama-style models (attention h·H·d + 2·h·K·d + H·d·h, MLP 3·h·I, two norms of h per layer, one at the end,
embedding and head V·h each); the totals agree with the published parameter counts (tests/simulate/test_accounting.py).
"""

from __future__ import annotations

from touchstone.checkpoints.shape import ModelShape


def body_parameters(shape: ModelShape) -> int:
    """Parameters of all layers and the last norm, without embedding and head."""
    hidden, head = shape.hidden_size, shape.head_dim
    attention = 2 * hidden * shape.heads * head + 2 * hidden * shape.kv_heads * head
    bias = (shape.heads + 2 * shape.kv_heads) * head if shape.qkv_bias else 0
    return shape.layers * (attention + bias + 3 * hidden * shape.intermediate_size + 2 * hidden) + hidden


def parameters(shape: ModelShape) -> int:
    """All parameters; a tied head is counted once."""
    return body_parameters(shape) + shape.vocab_size * shape.hidden_size * (1 if shape.tied else 2)


def parameters_read_per_step(shape: ModelShape) -> int:
    """Parameters that one decoding step must read: everything but the input embedding, of which a step gathers one row."""
    return body_parameters(shape) + shape.vocab_size * shape.hidden_size


def kv_bytes_per_token(shape: ModelShape, value_bytes: int) -> int:
    """Bytes of keys and values that one token of context keeps, over all layers."""
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * value_bytes
