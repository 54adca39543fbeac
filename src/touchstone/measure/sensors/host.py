"""The host around the measured process: its memory and CPU time, the load, the processors' clock."""

from __future__ import annotations

import os

import psutil

from touchstone.clock import now_ns
from touchstone.record import Sample

_CLOCK_EVERY = 4
"""Only every so many readings look at the clock of the processors: the kernel asks each of them."""
_FAMILY_EVERY = 8
"""Only every so many readings look for processes that the measured one has started: the kernel lists all there are."""


class Host:
    """Reads the measured process from outside it, and with it those that it started: a server, or an engine's workers."""

    def __init__(self, launch: int) -> None:
        self._launch, self._reads = launch, 0
        self._process: psutil.Process | None = None
        self._children: list[psutil.Process] = []
        psutil.cpu_percent(None)

    def watch(self, pid: int) -> None:
        """The measured process has started."""
        try:
            self._process = psutil.Process(pid)
        except psutil.Error:  # it has ended already
            self._process = None

    def _family(self) -> tuple[int | None, int | None]:
        """Resident bytes and CPU time in ns of the measured process and its family; None where it does not run."""
        own = _reading(self._process) if self._process else None
        if self._process is None or own is None:
            self._process = None
            return None, None
        if self._reads % _FAMILY_EVERY == 0:
            self._children = _children(self._process)
        readings = [own, *(found for child in self._children if (found := _reading(child)))]
        return sum(resident for resident, _ in readings), sum(cpu_ns for _, cpu_ns in readings)

    def read(self) -> Sample:
        """A reading; what is of the process is None where there is none."""
        at_ns = now_ns()
        resident, cpu_ns = self._family()
        frequency = psutil.cpu_freq() if self._reads % _CLOCK_EVERY == 0 else None
        self._reads += 1
        return Sample(
            at_ns=at_ns, launch=self._launch, resident_bytes=resident, cpu_self_ns=cpu_ns,
            cpu_busy_fraction=round(psutil.cpu_percent(None) / 100, 4), load_1min=os.getloadavg()[0],
            frequency_hz=round(frequency.current * 1e6) if frequency else None,
            memory_available_bytes=psutil.virtual_memory().available,
        )


def _reading(process: psutil.Process) -> tuple[int, int] | None:
    try:
        with process.oneshot():
            times = process.cpu_times()
            return process.memory_info().rss, round((times.user + times.system) * 1e9)
    except psutil.Error:  # it has ended
        return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
