"""The resident peaks of several processes together, as the kernel keeps them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

from touchstone.measure.devices.cpu import reset_peak, status_bytes


def peak_resident(processes: Iterable[psutil.Process]) -> int | None:
    """The sum of their peaks in bytes, an upper bound of the peak of the sum; None where the kernel tells of none."""
    peaks = [status_bytes("VmHWM", _directory(process)) for process in processes]
    return sum(peak for peak in peaks if peak is not None) or None


def reset_peaks(processes: Iterable[psutil.Process]) -> None:
    """Let the peaks count from now, where that is allowed."""
    for process in processes:
        with contextlib.suppress(OSError):
            reset_peak(_directory(process))


def _directory(process: psutil.Process) -> Path:
    return Path(f"/proc/{process.pid}")
