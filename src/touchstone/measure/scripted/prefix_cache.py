"""A prefix cache as engines have it: whole blocks, found only in a row from the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BLOCK = 16
"""Words (or token ids) per block."""


class PrefixCache:
    """Remembers every block of every prompt, together with all that stood before it. Nothing is evicted."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def hits(self, pieces: Sequence[Any]) -> int:
        """How many leading pieces were seen before, in whole blocks and never the last piece, whose state must be computed anyway."""
        found, before, unbroken = 0, 0, True
        for end in range(BLOCK, len(pieces) + 1, BLOCK):
            before = hash((before, *pieces[end - BLOCK:end]))
            unbroken = unbroken and before in self._seen and end < len(pieces)
            found = end if unbroken else found
            self._seen.add(before)
        return found
