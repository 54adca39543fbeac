"""What a claimed size of the pool would mean, in both readings of its unit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from touchstone.errors import UsageError
from touchstone.footprint import ClaimedPool, Footprint
from touchstone.judge.footprint.capacity import fixed_bytes, visible_bytes
from touchstone.message import Message, say
from touchstone.units import gigabytes, significant

_SIZE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(GiB|GB|G|MiB|MB|M)\s*", re.IGNORECASE)
_UNITS = {"g": (("GB", 10**9), ("GiB", 1 << 30)), "m": (("MB", 10**6), ("MiB", 1 << 20))}
_USUAL_FRACTION = 0.9
"""The share of the device that vLLM takes by default, and SGLang nearly."""


def is_size(text: str) -> bool:
    """Whether ``text`` is a number with a unit."""
    return _SIZE.fullmatch(text) is not None


def readings_of(text: str) -> tuple[tuple[str, int], ...]:
    """Bytes of a size such as ``48.2 GB`` by each unit that it may mean; one with an i means one only.

    Raises :class:`UsageError` for what is no size.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError("{text} is not a size.", "Write a number and GB, GiB, MB or MiB, such as '48.2 GB'.", text=repr(text[:40]))
    units = _UNITS[found[2][0].lower()]
    return tuple((unit, round(float(found[1]) * factor)) for unit, factor in (units[1:] if "i" in found[2].lower() else units))


def claimed_pools(footprint: Footprint, text: str, tokens: Sequence[int]) -> Iterator[ClaimedPool]:
    """Each reading of ``text``: what it would hold, and whether it fits beside the weights."""
    accounting, memory = footprint.accounting, visible_bytes(footprint)
    if accounting is None:
        raise UsageError("What a pool holds cannot be said without a model.", "Name it with --model.")
    log = footprint.log
    share = (log.value("memory_fraction") if log else None) or _USUAL_FRACTION
    for unit, size in readings_of(text):
        total = size + fixed_bytes(footprint)
        yield ClaimedPool(
            unit, size, size // accounting.rank_kv_bytes_per_token, {one: size // accounting.session_bytes[one] for one in tokens},
            total, int(share * memory) if memory else None, total / memory if memory else None, _verdict(total, memory, share))


def _verdict(total: int, memory: int | None, share: float) -> Message | None:
    if memory is None:
        return None
    needed = total / memory
    shown = {"total": gigabytes(total), "percent": significant(100 * needed)}
    if needed > 1:
        return say("impossible: with the weights {total}, {percent} % of the device's memory", **shown)
    if needed > share:
        return say("with the weights {total}, {percent} % of the device's memory: too much for a share of {share} %", **shown,
                   share=significant(100 * share))
    return say("with the weights {total}, {percent} % of the device's memory: it fits a share of {share} %", **shown, share=significant(100 * share))
