"""What a run ran on, as far as it can bear on a number. No serial numbers, no addresses, no secrets."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from touchstone.measure.devices import Device, installed
from touchstone.measure.devices.cpu import cgroup_value, cpu_name, memory_limits, usable_cores

_PACKAGES = ("llm-touchstone", "numpy", "torch", "torch_npu", "transformers", "accelerate", "torchao", "tokenizers", "safetensors",
             "xllamacpp", "gguf", "vllm", "vllm_ascend", "sglang", "mindie_turbo")
_VARIABLES = re.compile(
    r"^(OMP_|MKL_|KMP_|GOMP_|OPENBLAS_|TORCH|PYTORCH_|CUDA_|NCCL_|ASCEND_|HCCL_|LCCL_|TASK_QUEUE_ENABLE|CPU_AFFINITY_CONF|ATB_|"
    r"GGML_|LLAMA_|VLLM_|SGLANG_|TOUCHSTONE_|LD_PRELOAD$|MALLOC_)")
_PRIVATE = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|HOST|_IP\b|ADDR|URL|ENDPOINT|PROXY", re.IGNORECASE)
_UUID = re.compile(r"(GPU|MIG)-[0-9a-fA-F-]{8,}")
_BUSY_SHARE = 0.2
_ASCEND = Path("/usr/local/Ascend")


def collect(device: Device) -> dict[str, object]:
    """Facts about host, software and device; a fact that cannot be read is None."""
    total, available = memory_limits()
    return {
        "os": _os_name(), "kernel": platform.release(), "architecture": platform.machine(),
        "container": _in_container(), "cpu": cpu_name(), "cores": usable_cores(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "memory_total_bytes": total, "memory_available_bytes": available,
        "swap_used_bytes": psutil.swap_memory().used,
        "cgroup": {"cpu.max": cgroup_value("cpu.max"), "memory.max": cgroup_value("memory.max")},
        "python": sys.version.split()[0], "packages": {name: version for name in _PACKAGES if (version := installed(name))},
        "driver": _driver(), "cann": _cann(), "device": dict(device.identity()),
        "variables": variables(os.environ), "busy_processes": _busy_processes(), "device_processes": _device_processes(device.kind),
        "git": _git_state(),
    }


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that change how engines run, without any that could hold a secret, an address or a serial number."""
    return {name: _UUID.sub(r"\1-…", value) for name, value in sorted(environment.items())
            if _VARIABLES.match(name) and not _PRIVATE.search(name)}


def _os_name() -> str:
    release = _read("/etc/os-release") or ""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.MULTILINE)
    return found.group(1) if found else platform.system()


def _in_container() -> bool:
    return Path("/.dockerenv").exists() or "container" in os.environ or any(
        word in (_read("/proc/1/cgroup") or "") for word in ("docker", "kubepods", "containerd", "lxc"))


def _driver() -> str | None:
    nvidia = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", _read("/proc/driver/nvidia/version") or "")
    ascend = re.search(r"^Version=(\S+)", _read(_ASCEND / "driver/version.info") or "", re.MULTILINE)
    found = nvidia or ascend
    return found.group(1) if found else None


def _cann() -> str | None:
    roots = [os.environ.get("ASCEND_HOME_PATH"), str(_ASCEND / "cann"), str(_ASCEND / "ascend-toolkit/latest")]
    for root in filter(None, roots):
        for info in sorted(Path(root).glob("*-linux/ascend_toolkit_install.info")):
            found = re.search(r"^version=(\S+)", _read(info) or "", re.MULTILINE)
            if found:
                return found.group(1)
    return None


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


def _read(path: str | Path) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
