"""The only module that reads a clock.

Every interval is taken on the one monotonic clock of the host, which all processes share, so stamps of the parent's
telemetry and of a child's tape can be laid on the same axis.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone

now_ns = time.monotonic_ns
"""Nanoseconds on the host's monotonic clock. Bound directly, so that a mark costs one call."""

cpu_time_ns = time.process_time_ns
"""CPU time of this process, all threads, in nanoseconds."""


realtime_ns = time.time_ns
"""The wall clock in nanoseconds. Only to carry the kernel's receive stamps, which are on it, over to the monotonic clock."""


def sleep(duration_s: float) -> None:
    """Wait; for the edges of a measurement, never inside one."""
    time.sleep(max(0.0, duration_s))


@dataclass(frozen=True)
class ClockInfo:
    """What the clock is and what reading it costs."""

    name: str
    resolution_ns: int
    cost_ns: float


def clock_info(reads: int = 20_000) -> ClockInfo:
    """Measure the cost of :func:`now_ns` over ``reads`` calls; the resolution is what the system states."""
    info = time.get_clock_info("monotonic")
    started_ns = now_ns()
    for _ in range(reads):
        now_ns()
    cost_ns = (now_ns() - started_ns) / reads
    return ClockInfo(info.implementation, max(1, round(info.resolution * 1e9)), round(cost_ns, 1))


def wall_time() -> str:
    """The date and time of day, ISO 8601 with offset; for labels only, never for an interval."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def wall_stamp() -> str:
    """``20261120-190455``, for directory names."""
    return datetime.now(timezone.utc).astimezone().strftime("%Y%m%d-%H%M%S")
