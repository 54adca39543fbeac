"""Lines of an engine's log as a person sees them."""

from __future__ import annotations

import re

from touchstone.log_lines import without_colours

_PROGRESS = re.compile(r".*(?:it/s|s/it)(?:, [^\]]{0,80})?\]\s*(?=\S)")
"""A bar of progress, which other processes write into: what one of them says then stands behind it on the same line."""


def cleaned(line: str) -> str:
    """``line`` without colours, its end, and bars of progress before it."""
    line = without_colours(line)
    if "it/s" in line or "s/it" in line:
        line = _PROGRESS.sub("", line, count=1)
    return line.rstrip("\r\n")
