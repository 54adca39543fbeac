"""The host's processor and memory as a device, read from the kernel."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import psutil

from touchstone.measure.devices import DeviceMemory

_OWN = Path("/proc/self")
_RESET_PEAK_RSS = "5"  # proc(5): writing 5 resets VmHWM to the current resident size


class Cpu:
    """Host memory stands in for device memory: peak resident size is what an engine on a CPU really needs."""

    kind = "cpu"

    @property
    def torch_name(self) -> str:
        return "cpu"

    def synchronize(self) -> None:
        """Nothing to wait for: a call returns when its work is done."""

    def event(self) -> None:
        return None

    def memory(self) -> DeviceMemory:
        total, available = memory_limits()
        return DeviceMemory(allocated=None, reserved=None, peak_allocated=None, peak_reserved=None,
                            device_used=total - available, device_total=total, peak_resident=status_bytes("VmHWM"))

    def reset_peaks(self) -> None:
        # Some sandboxes forbid it; the peak then counts from the start of the process, an upper bound.
        with contextlib.suppress(OSError):
            reset_peak()

    def release(self) -> None:
        pass

    def identity(self) -> Mapping[str, object]:
        return {"name": cpu_name(), "architecture": platform.machine(), "physical_cores": psutil.cpu_count(logical=False),
                "usable_cores": usable_cores()}


def usable_cores() -> int:
    """Cores this process may run on, by affinity and cgroup quota."""
    cores = len(os.sched_getaffinity(0))
    quota = cgroup_value("cpu.max")
    if quota and quota.split()[0] != "max":
        limit, period = (int(part) for part in quota.split()[:2])
        cores = max(1, min(cores, limit // period or 1))
    return cores


def memory_limits() -> tuple[int, int]:
    """Total and available bytes of memory, within the cgroup's limit where there is one."""
    host = psutil.virtual_memory()
    limit, used = cgroup_value("memory.max"), cgroup_value("memory.current")
    if limit and limit.isdigit() and used and used.isdigit() and int(limit) < host.total:
        return int(limit), min(host.available, int(limit) - int(used))
    return host.total, host.available


def cgroup_value(name: str) -> str | None:
    """The content of a file of this process's cgroup (version 2), or None."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").rpartition("::")[2].strip().lstrip("/")
        return (Path("/sys/fs/cgroup") / group / name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def cpu_name() -> str:
    """The processor's own name for itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model Name", "Hardware")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def status_bytes(field: str, process: Path = _OWN) -> int | None:
    """A size of ``/proc/<pid>/status`` in bytes; None where it is not there."""
    try:
        for line in (process / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def reset_peak(process: Path = _OWN) -> None:
    """Let the peak of a process count from now. Raises OSError where that is forbidden."""
    (process / "clear_refs").write_text(_RESET_PEAK_RSS, encoding="ascii")
