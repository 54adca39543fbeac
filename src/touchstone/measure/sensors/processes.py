"""Which of the processes on a device belong to the run."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


class RunProcesses:
    """The measured process, once it is known, and everything it started.

    ``elsewhere`` says that the engine is a server that somebody else started: nobody can tell its processes from others then.
    """

    def __init__(self, *, elsewhere: bool = False) -> None:
        self.pid: int | None = None
        self._elsewhere = elsewhere
        self._known: dict[int, bool] = {}

    def others(self, listed: Iterable[int]) -> int | None:
        """How many of the pids ``listed`` on a device are not of the run; None where the list cannot tell.

        A driver may give pids as the host counts them, which mean nothing in a container, or none at all. So a list is believed
        only if it shows the run's own process; before the run has one, every process listed is somebody else's.
        """
        pids = set(listed)
        if self._elsewhere:
            return None
        if self.pid is None:
            return len(pids)
        own = {pid for pid in pids if self._is_own(pid)}
        return len(pids - own) if own else None

    def _is_own(self, pid: int) -> bool:
        if pid not in self._known:
            try:
                above = {parent.pid for parent in psutil.Process(pid).parents()}
            except psutil.Error:  # gone, or counted by another namespace
                above = set()
            self._known[pid] = pid == self.pid or self.pid in above
        return self._known[pid]
