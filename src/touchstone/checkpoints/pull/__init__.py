"""Checkpoints from hubs: fetched at one commit, checked file by file, and in place only when whole.

``touchstone pull`` is the verb; a run asks :func:`find_local` for a model that was pulled and :func:`pulled_revision` where it is from.
"""

from __future__ import annotations

from touchstone.checkpoints.pull.local import find_local
from touchstone.checkpoints.pull.record import PulledFile, PulledRecord, pulled_revision

__all__ = ["PulledFile", "PulledRecord", "find_local", "pulled_revision"]
