"""The accelerators of this machine, asked of the drivers' own tools: NVML or nvidia-smi, and npu-smi.

Not to have them is normal. What can be seen of a device without them, its node in ``/dev``, is given with the reason why that is all.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from touchstone.clock import now_ns
from touchstone.device_list import DeviceList, DeviceProcess, DeviceReading
from touchstone.message import Message, say
from touchstone.smi import UNREADABLE, read_listing
from touchstone.units import seconds

TIMEOUT_S = 30.0
_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/local/Ascend/driver/tools")
_GPU_COLUMNS = "index,name,temperature.gpu,power.draw,utilization.gpu,memory.used,memory.total,pci.bus_id"
_PROCESS_COLUMNS = "pid,process_name,used_memory,gpu_bus_id"
_SHOWN = 200


@dataclass(frozen=True)
class Answer:
    """What a tool printed on both streams, its exit code (None: it did not end in time) and how long it took."""

    text: str
    code: int | None
    duration_s: float


def read_machine(nodes: Path = Path("/dev"), timeout_s: float = TIMEOUT_S) -> DeviceList:
    """Everything that this machine's drivers tell. ``nodes`` is where device nodes are; no tool may take longer than ``timeout_s``."""
    found = _together(_gpus(nodes, timeout_s), _npus(nodes, timeout_s))
    if found == DeviceList():
        return DeviceList(notes=(say("There is no accelerator here: no driver of NVIDIA, no npu-smi, and no device node /dev/nvidia* or "
                                     "/dev/davinci*."),))
    return found


def ask(command: Sequence[str], timeout_s: float) -> Answer:
    """Run a driver's tool. It is killed with all that it started when its time is over."""
    started_ns = now_ns()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        return Answer(error.strerror or str(error), 126, seconds(now_ns() - started_ns))
    with process:
        try:
            output, code = process.communicate(timeout=timeout_s)[0], process.returncode
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            output, code = b"", None
    return Answer(output.decode("utf-8", errors="replace"), code, seconds(now_ns() - started_ns))


def _npus(nodes: Path, timeout_s: float) -> DeviceList:
    visible = _numbers(nodes, "davinci")
    tool = shutil.which("npu-smi") or shutil.which("npu-smi", path=os.pathsep.join(_PLACES))
    if tool is None:
        return _by_node(visible, say("Devices are passed in (/dev/davinci*) but npu-smi is not here, so only their numbers are known. In a "
                                     "container, mount npu-smi, /usr/local/dcmi and /usr/local/Ascend/driver/lib64 of the host."))
    answer = ask([tool, "info"], timeout_s)
    listing = read_listing(answer.text)
    if listing.devices:
        return replace(listing, notes=(*listing.notes, _cost("npu-smi info", answer)))
    return _together(_by_node(visible), DeviceList(notes=_failure("npu-smi info", answer, listing)))


def _gpus(nodes: Path, timeout_s: float) -> DeviceList:
    listing, reason = _nvml()
    if listing is not None:
        return listing
    visible = _numbers(nodes, "nvidia")
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        return _nvidia_smi(tool, visible, timeout_s)
    return _by_node(visible, reason or say("GPUs are passed in (/dev/nvidia*) but the driver's library is not here, so only their numbers "
                                           "are known. In a container, start it through the NVIDIA Container Toolkit (--gpus all)."))


def _nvidia_smi(tool: str, visible: Sequence[int], timeout_s: float) -> DeviceList:
    answer = ask([tool, f"--query-gpu={_GPU_COLUMNS}", "--format=csv"], timeout_s)
    listing = read_listing(answer.text)
    if not listing.devices:
        return _together(_by_node(visible), DeviceList(notes=_failure("nvidia-smi", answer, listing)))
    processes = ask([tool, f"--query-compute-apps={_PROCESS_COLUMNS}", "--format=csv"], timeout_s)
    return replace(listing, processes=read_listing(processes.text).processes, notes=(*listing.notes, _cost("nvidia-smi", answer)))


def _nvml() -> tuple[DeviceList | None, Message | None]:
    """What NVML tells, or why it tells nothing where that is not for want of a driver."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None, None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return None, say("The driver of NVIDIA does not answer: {error}.", error=str(error))
    try:
        handles = [(index, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())]
        return DeviceList(tuple(_gpu(nvml, index, handle) for index, handle in handles),
                          tuple(process for _, handle in handles for process in _processes(nvml, handle))), None
    except nvml.NVMLError as error:  # a GPU that fell off the bus; nvidia-smi says which
        return None, say("The driver of NVIDIA does not answer: {error}.", error=str(error))
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: Any, index: int, handle: Any) -> DeviceReading:
    power_mw = _told(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    use, memory, pci = (_told(nvml, function, handle) for function in
                        (nvml.nvmlDeviceGetUtilizationRates, nvml.nvmlDeviceGetMemoryInfo, nvml.nvmlDeviceGetPciInfo))
    return DeviceReading(
        index, name=_text(_told(nvml, nvml.nvmlDeviceGetName, handle)), power_w=None if power_mw is None else power_mw / 1000,
        temperature_c=_told(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        utilization_percent=None if use is None else use.gpu, memory_used_bytes=None if memory is None else memory.used,
        memory_total_bytes=None if memory is None else memory.total, bus_id=None if pci is None else _text(pci.busId))


def _processes(nvml: Any, handle: Any) -> list[DeviceProcess]:
    running = _told(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()
    return [DeviceProcess(one.pid, _text(_told(nvml, nvml.nvmlSystemGetProcessName, one.pid)), memory_bytes=one.usedGpuMemory)
            for one in running]


def _told(nvml: Any, function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except nvml.NVMLError:  # not supported by this GPU, or not allowed in this container
        return None


def _text(value: str | bytes | None) -> str | None:
    return (value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value) or None


def _numbers(nodes: Path, name: str) -> list[int]:
    return sorted(int(node.name[len(name):]) for node in nodes.glob(f"{name}[0-9]*") if re.fullmatch(rf"{name}[0-9]{{1,4}}", node.name))


def _by_node(numbers: Sequence[int], why: Message | None = None) -> DeviceList:
    return DeviceList(tuple(map(DeviceReading, numbers)), notes=(why,) if why and numbers else ())


def _failure(command: str, answer: Answer, listing: DeviceList) -> tuple[Message, ...]:
    if answer.code is None:
        return (say("{command} did not answer within {seconds} s and was stopped; the driver may hang.", command=command,
                    seconds=f"{answer.duration_s:.1f}"),)
    if listing.notes != (UNREADABLE,):
        return listing.notes
    said = next((line.strip() for line in reversed(answer.text.splitlines()) if line.strip()), "")
    return (say("{command} gave no list of devices; it ended with code {code} and said last: {line}", command=command, code=answer.code,
                line=said[:_SHOWN] or "-"),)


def _cost(command: str, answer: Answer) -> Message:
    return say("Asking {command} took {seconds} s.", command=command, seconds=f"{answer.duration_s:.2f}")


def _together(*lists: DeviceList) -> DeviceList:
    return DeviceList(tuple(device for one in lists for device in one.devices), tuple(process for one in lists for process in one.processes),
                      tuple(note for one in lists for note in one.notes))
