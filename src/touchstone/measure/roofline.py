"""How fast this host reads memory, measured beside the run: under load it is another number than last week's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from touchstone.clock import now_ns
from touchstone.units import NS_PER_S

_BYTES_PER_THREAD = 128 << 20
_PASSES = 5


def memory_read_bytes_per_s(threads: int) -> float:
    """Best of five passes of ``threads`` threads, each reading 128 MiB of its own; a dot product reads as fast as memory gives."""
    blocks = [np.ones(_BYTES_PER_THREAD // 4, dtype=np.float32) for _ in range(threads)]
    best_ns = None
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_PASSES):
            started_ns = now_ns()
            list(pool.map(lambda block: float(np.dot(block, block)), blocks))
            taken_ns = now_ns() - started_ns
            best_ns = taken_ns if best_ns is None else min(best_ns, taken_ns)
    assert best_ns
    return threads * _BYTES_PER_THREAD * NS_PER_S / best_ns
