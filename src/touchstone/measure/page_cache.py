"""Is a file in the page cache? Loading a model is "cold" only if it was not."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path


def evict(paths: Sequence[str]) -> None:
    """Ask the kernel to drop the clean pages of ``paths``. It may decline: look at :func:`resident_fraction` afterwards."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def resident_fraction(paths: Sequence[str]) -> float | None:
    """Share of the pages of ``paths`` that are in memory, by mincore(2); None where that cannot be asked."""
    resident = pages = 0
    for path in paths:
        counted = _resident_pages(path)
        if counted is None:
            return None
        resident, pages = resident + counted[0], pages + counted[1]
    return resident / pages if pages else None


def _resident_pages(path: str) -> tuple[int, int] | None:
    size = Path(path).stat().st_size
    if size == 0:
        return 0, 0
    pages = -(-size // mmap.PAGESIZE)
    flags = (ctypes.c_ubyte * pages)()
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapped:
        # numpy gives the address of a read-only map; ctypes itself insists on a writable one.
        import numpy as np

        address = np.frombuffer(mapped, dtype=np.uint8).ctypes.data
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), flags)
        if failed:
            return None
    return sum(flag & 1 for flag in flags), pages
