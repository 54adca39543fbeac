"""What a run ran on, as far as it can bear on a number. No serial numbers, no addresses, no secrets."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys

import psutil

from touchstone.measure.devices import Device, installed
from touchstone.measure.devices.cpu import cgroup_value, cpu_name, memory_limits, usable_cores
from touchstone.measure.machine import ascend, nvidia
from touchstone.measure.machine.host import governor, in_container, os_name
from touchstone.measure.machine.place import Place
from touchstone.measure.machine.variables import variables

_PACKAGES = ("llm-touchstone", "numpy", "torch", "torch_npu", "transformers", "accelerate", "torchao", "tokenizers", "safetensors",
             "xllamacpp", "gguf", "vllm", "vllm_ascend", "sglang", "mindie_turbo")
_BUSY_SHARE = 0.2


def collect(device: Device) -> dict[str, object]:
    """Facts about host, software and device; a fact that cannot be read is None."""
    place = Place()
    total, available = memory_limits()
    return {
        "os": os_name(place) or platform.system(), "kernel": platform.release(), "architecture": platform.machine(),
        "container": in_container(place), "cpu": cpu_name(), "cores": usable_cores(),
        "governor": governor(place),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "memory_total_bytes": total, "memory_available_bytes": available,
        "swap_used_bytes": psutil.swap_memory().used,
        "cgroup": {"cpu.max": cgroup_value("cpu.max"), "memory.max": cgroup_value("memory.max")},
        "python": sys.version.split()[0], "packages": {name: version for name in _PACKAGES if (version := installed(name))},
        "driver": nvidia.driver_version(place) or ascend.driver_version(place), "cann": ascend.cann_version(place), "device": dict(device.identity()),
        "variables": variables(os.environ), "busy_processes": _busy_processes(), "device_processes": _device_processes(device.kind),
        "git": _git_state(),
    }


def _busy_processes() -> list[dict[str, object]]:
    """Names of other processes that used more than a fifth of a core during a tenth of a second."""
    own = {os.getpid(), os.getppid()}
    watched = [process for process in psutil.process_iter(["name"]) if process.pid not in own]
    for process in watched:
        _cpu_share(process, None)
    psutil.cpu_percent(interval=0.1)
    busy = [(share, process.info["name"]) for process in watched if (share := _cpu_share(process, None)) > _BUSY_SHARE]
    return [{"name": name, "cores": round(share, 2)} for share, name in sorted(busy, reverse=True)[:5]]


def _cpu_share(process: psutil.Process, interval: float | None) -> float:
    try:
        return process.cpu_percent(interval) / 100
    except psutil.Error:  # ended meanwhile, or not ours to see
        return 0.0


def _device_processes(kind: str) -> int | None:
    """How many other processes use the accelerator; None where that cannot be seen."""
    if kind != "cuda" or not shutil.which("nvidia-smi"):
        return None
    listed = _command("nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader")
    return None if listed is None else sum(line.strip() not in {"", str(os.getpid())} for line in listed.splitlines())


def _git_state() -> dict[str, object] | None:
    commit = _command("git", "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit.strip(), "dirty": bool((_command("git", "status", "--porcelain") or "").strip())}


def _command(*arguments: str) -> str | None:
    try:
        return subprocess.run(arguments, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
