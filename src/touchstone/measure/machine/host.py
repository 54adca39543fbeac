"""The host as its kernel describes it: processors, memory, limits and the settings that make a measurement unsteady."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from touchstone.machine import Host, Space
from touchstone.measure.machine.place import Place, whole
from touchstone.message import Message, say

_CPU = "/sys/devices/system/cpu"
_GOVERNOR = f"{_CPU}/cpu0/cpufreq/scaling_governor"
_UNLIMITED_BYTES = 1 << 60  # version 1 of the control groups writes a number near 2^63 for no limit
_NOT_SHOWN = {
    "host.governor": say("this kernel shows no frequency governor, as in most virtual machines"),
    "host.load_average": say("/proc/loadavg cannot be read"),
    "host.swap_used_bytes": say("/proc/meminfo cannot be read"),
    "host.memory_bytes": say("/proc/meminfo cannot be read"),
    "host.clock_source": say("this kernel does not show its clock source"),
    "host.cores": say("/proc/self/status does not say which cores may be used"),
}


def read_host(place: Place, unknown: dict[str, Message]) -> Host:
    """The host; what its kernel does not show goes into ``unknown`` with the reason."""
    memory = _memory(place)
    total, swap, swap_free = memory.get("MemTotal"), memory.get("SwapTotal"), memory.get("SwapFree")
    limits, unlimited = _limits(place)
    pages = re.search(r"\[(\w+)\]", place.text("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    found = Host(
        os=os_name(place), kernel=place.text("/proc/sys/kernel/osrelease"), architecture=place.architecture,
        container=in_container(place), cpu=_cpu_name(place), cores=_listed(_status(place, "Cpus_allowed_list")),
        host_cores=_listed(place.text(f"{_CPU}/online")), quota_cores=_quota(place), governor=governor(place),
        load_average=_load(place), memory_bytes=total, memory_limit_bytes=_memory_limit(place),
        swap_used_bytes=None if swap is None or swap_free is None else max(0, swap - swap_free),
        clock_source=place.text("/sys/devices/system/clocksource/clocksource0/current_clocksource") or None,
        numa_nodes=len(place.entries("/sys/devices/system/node", "node[0-9]*")) or None,
        numa_balancing={"0": False, "1": True}.get(place.text("/proc/sys/kernel/numa_balancing") or ""),
        huge_pages=pages.group(1) if pages else None,
        open_files=limits.get("Max open files"), locked_memory_bytes=limits.get("Max locked memory"),
        shared_memory_bytes=(place.space("/dev/shm") or (None,))[0] if place.is_there("/dev/shm") else None,  # noqa: S108 - only its size is asked
        spaces=_spaces(place))
    unknown |= {name: reason for name, reason in _NOT_SHOWN.items() if getattr(found, name.partition(".")[2]) is None}
    if not limits and not unlimited:
        unknown |= dict.fromkeys(("host.open_files", "host.locked_memory_bytes"), say("/proc/self/limits cannot be read"))
    return found


def os_name(place: Place) -> str | None:
    """The name of the operating system's release."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]{1,100})', place.text("/etc/os-release") or "", re.MULTILINE)
    return found.group(1) if found else None


def in_container(place: Place) -> bool:
    """Whether this looks like a container, by what its runtime leaves."""
    return (any(map(place.is_there, ("/.dockerenv", "/run/.containerenv")))
            or not {"container", "KUBERNETES_SERVICE_HOST"}.isdisjoint(place.environment)
            or any(word in (place.text("/proc/1/cgroup") or "") for word in ("docker", "kubepods", "containerd", "lxc")))


def governor(place: Place) -> str | None:
    """How the kernel chooses the processor's frequency, where it says so."""
    return place.text(_GOVERNOR) or None


def _cpu_name(place: Place) -> str | None:
    found = re.search(r"^(?:model name|Model Name|Hardware)\s*:\s*(.{1,100})", place.text("/proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1).strip() if found else None


def _status(place: Place, name: str) -> str | None:
    found = re.search(rf"^{name}:\s*(\S+)", place.text("/proc/self/status") or "", re.MULTILINE)
    return found.group(1) if found else None


def _listed(text: str | None) -> int | None:
    """How many numbers a list such as ``0-3,8`` names."""
    if text is None or not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*", text):
        return None
    ends = (part.partition("-") for part in text.split(","))
    return sum(max(0, int(last or first) - int(first) + 1) for first, _, last in ends)


def _load(place: Place) -> float | None:
    found = re.match(r"[0-9]{1,9}(\.[0-9]{1,9})?(?=\s|$)", place.text("/proc/loadavg") or "")
    return float(found.group()) if found else None


def _memory(place: Place) -> dict[str, int]:
    lines = re.findall(r"^(\w+):\s*([0-9]{1,15}) kB$", place.text("/proc/meminfo") or "", re.MULTILINE)
    return {name: int(kibibytes) << 10 for name, kibibytes in lines}


def _limits(place: Place) -> tuple[dict[str, int], set[str]]:
    """The soft limits that are numbers, and the names of those that are unlimited."""
    lines = re.findall(r"^(Max [a-z ]+?)\s{2,}([0-9]{1,18}|unlimited)\s", place.text("/proc/self/limits") or "", re.MULTILINE)
    return {name: int(soft) for name, soft in lines if soft != "unlimited"}, {name for name, soft in lines if soft == "unlimited"}


def _groups(place: Place) -> list[str]:
    """The folders of this process's control group and of those around it, for version 2 of the groups."""
    found = re.search(r"^0::(/\S*)$", place.text("/proc/self/cgroup") or "", re.MULTILINE)
    own = PurePosixPath(found.group(1) if found and ".." not in found.group(1) else "/")
    return [f"/sys/fs/cgroup{folder}".rstrip("/") for folder in (own, *own.parents)]


def _quota(place: Place) -> float | None:
    """Cores' worth of time that the tightest control group around this process grants."""
    pairs = [(place.text(f"{group}/cpu.max") or "").split() for group in _groups(place)]
    pairs.append([place.text(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") or "" for name in ("quota", "period")])
    granted = [(whole(pair[0]), whole(pair[1])) for pair in pairs if len(pair) == 2]
    return min((quota / period for quota, period in granted if quota and period), default=None)


def _memory_limit(place: Place) -> int | None:
    texts = [place.text(f"{group}/memory.max") for group in _groups(place)]
    texts.append(place.text("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    limits = [limit for text in texts if (limit := whole(text)) is not None and limit < _UNLIMITED_BYTES]
    return min(limits, default=None)


def _spaces(place: Place) -> tuple[Space, ...]:
    environment = place.environment
    home = environment.get("HOME") or "/root"
    cache = environment.get("XDG_CACHE_HOME") or f"{home}/.cache"
    hub = environment.get("HF_HUB_CACHE") or f"{environment.get('HF_HOME') or f'{cache}/huggingface'}/hub"
    places = {"cache": environment.get("TOUCHSTONE_CACHE") or f"{cache}/touchstone", "models": hub, "runs": environment.get("PWD", "")}
    return tuple(Space(purpose, place.shown(path), sizes[1]) for purpose, path in places.items()
                 if path.startswith("/") and (sizes := place.space(path)) is not None)
