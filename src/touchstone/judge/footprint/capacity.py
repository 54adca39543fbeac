"""How many sessions fit: into the pool that a log tells of, and into what shares of the device leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.footprint import Capacity, Footprint, Need

FRACTIONS = (0.80, 0.85, 0.90, 0.95)
"""Shares of a device's memory that engines are told to take."""


def capacity_of(footprint: Footprint, tokens: Sequence[int]) -> Iterator[Capacity]:
    """For each length of a session, the log's pool and then the shares of the device, as far as they are known."""
    for one in tokens:
        yield from _in_pool(footprint, one)
        yield from _in_shares(footprint, one)


def _in_pool(footprint: Footprint, tokens: int) -> Iterator[Capacity]:
    """The log's tokens, a session's rounded up to whole blocks; else its bytes."""
    log = footprint.log
    pool, size = (log.count("kv_cache_tokens"), log.count("kv_cache_bytes")) if log else (None, None)
    if pool is not None and log is not None:
        block = log.count("block_size") or 1
        yield Capacity(tokens, pool // (-(-tokens // block) * block), size)
    elif size is not None and footprint.accounting:
        yield Capacity(tokens, max(size, 0) // footprint.accounting.session_bytes[tokens], size)


def _in_shares(footprint: Footprint, tokens: int) -> Iterator[Capacity]:
    accounting, memory = footprint.accounting, visible_bytes(footprint)
    if accounting is None or memory is None:
        return
    for fraction in FRACTIONS:
        pool = int(fraction * memory) - fixed_bytes(footprint)
        yield Capacity(tokens, max(pool, 0) // accounting.session_bytes[tokens], max(pool, 0), fraction)


def needs_of(footprint: Footprint, tokens: Sequence[int], sessions: int | None) -> Iterator[Need]:
    """The share of the device that so many sessions of each length need."""
    accounting, memory = footprint.accounting, visible_bytes(footprint)
    if accounting is None or sessions is None:
        return
    for one in tokens:
        needed = fixed_bytes(footprint) + sessions * accounting.session_bytes[one]
        yield Need(one, sessions, needed, needed / memory if memory else None)


def visible_bytes(footprint: Footprint) -> int | None:
    """What a program is offered of the device, or the label where that is all that is known."""
    device = footprint.device
    return device.visible_bytes or device.label_bytes if device else None


def fixed_bytes(footprint: Footprint) -> int:
    """What is taken besides the pool: the weights, and what the log says of activations, graphs, states and the rest."""
    assert footprint.accounting is not None
    log = footprint.log
    said = [log.count(name) for name in ("activation_bytes", "graph_bytes", "non_torch_bytes", "state_bytes")] if log else []
    weights = log.count("weights_bytes") if log else None
    return (footprint.accounting.rank_weights_bytes if weights is None else weights) + sum(max(one, 0) for one in said if one is not None)
