"""Base units and how a number is shown with one.

Inside the program times are integer nanoseconds and sizes are bytes; findings hold SI seconds, bytes and tokens per second.
Only the faces of a report scale them, and only through this module.
"""

from __future__ import annotations

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
BYTES_PER_GB = 1_000_000_000  # the seeds, vendors and torch users' scripts divide by 1e9
BYTES_PER_GIB = 1 << 30
SUFFIXES = {"s": "s", "tokens/s": "tokens_per_s", "tokens/s/req": "tokens_per_s", "requests/s": "requests_per_s", "B": "bytes",
            "W": "w", "J/token": "j_per_token"}
"""The unit of a metric → how a name of it ends, in tables and trackers."""


def seconds(nanoseconds: int) -> float:
    """Nanoseconds as SI seconds."""
    return nanoseconds / NS_PER_S


def significant(value: float, digits: int = 4) -> str:
    """``value`` with ``digits`` significant digits and thousands commas, never in exponent form; a whole number stays whole.

    >>> significant(1234.567), significant(0.012345), significant(0.0), significant(16.0)
    ('1,235', '0.01234', '0', '16')
    """
    if value == round(value):
        return f"{value:,.0f}"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded number: 9.9999 is 10.00
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}"


def gigabytes(size_bytes: float) -> str:
    """Both readings of a size, because the two are mixed up everywhere: ``15.23 GB (14.18 GiB)``."""
    return f"{significant(size_bytes / BYTES_PER_GB)} GB ({significant(size_bytes / BYTES_PER_GIB)} GiB)"
