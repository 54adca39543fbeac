"""Lines of somebody's log: of bounded length, and without the codes that colour a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

LONGEST = 1 << 16
"""Characters of a line that are read. The longest of interest, an engine's whole configuration, has about a tenth of it."""
_COLOURS = re.compile(r"(?:\x1b|\\u001b|\\x1b|#033)\[[0-9;?]{0,32}[ -/]{0,4}[@-~]")


def bounded_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of ``stream``, each of ``LONGEST`` bytes at most; a longer one is passed over from there on."""
    begins = True
    while piece := stream.readline(LONGEST):
        if begins:
            yield piece.decode("utf-8", "replace")
        begins = piece.endswith(b"\n")


def without_colours(line: str) -> str:
    """``line`` without colours, also where a container's log has written them out as text."""
    if "\x1b" in line or "u001b" in line or "x1b[" in line or "#033[" in line:
        return _COLOURS.sub("", line)
    return line
