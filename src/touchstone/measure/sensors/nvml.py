"""NVIDIA GPUs through NVML, the library under nvidia-smi (docs.nvidia.com/deploy/nvml-api)."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from touchstone.clock import now_ns
from touchstone.measure.sensors import NoReadingsError, Watched
from touchstone.message import say
from touchstone.record import DeviceSample

_REASONS: Mapping[int, str] = {
    0x002: "applications_clocks_setting", 0x004: "sw_power_cap", 0x008: "hw_slowdown", 0x010: "sync_boost", 0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown", 0x080: "hw_power_brake_slowdown", 0x100: "display_clock_setting", 0x200: "board_limit",
    0x400: "reliability",
}
_IDLE = 0x001
"""The bit for an idle clock is left out: nothing is held back where nothing runs."""


def throttle_words(bits: int) -> str:
    """NVML's bit mask of reasons for a low clock as words joined by commas; a bit nobody knows stays a number."""
    known = [word for bit, word in _REASONS.items() if bits & bit]
    unknown = bits & ~_IDLE & ~sum(_REASONS)
    return ",".join([*known, *([hex(unknown)] if unknown else [])])


class Nvml:
    """The GPUs of a run. What a GPU does not give is asked once, then left out and listed in :meth:`facts`."""

    name = "NVML"

    def __init__(self, watched: Watched, library: Any = None) -> None:
        try:
            library = library or importlib.import_module("pynvml")
            library.nvmlInit()
        except Exception as error:  # the driver, its library or the binding may be missing or not fit each other
            raise NoReadingsError(say("NVML cannot be opened: {error}", error=_words(error))) from error
        self._library, self._watched = library, watched
        try:
            self._gpus = [_Gpu(library, handle, watched) for handle in self._handles()]
        except NoReadingsError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise NoReadingsError(say("NVML does not open the GPUs: {error}", error=_words(error))) from error

    def read(self) -> Sequence[DeviceSample]:
        return [gpu.read() for gpu in self._gpus]

    def facts(self) -> Mapping[str, object]:
        return {"driver": _words(self._library.nvmlSystemGetDriverVersion()), "devices": [gpu.facts for gpu in self._gpus]}

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the readings are done; how the driver says goodbye does not matter
            self._library.nvmlShutdown()

    def _handles(self) -> list[Any]:
        library = self._library
        every = [library.nvmlDeviceGetHandleByIndex(place) for place in range(library.nvmlDeviceGetCount())]
        by_number = all(device.isdecimal() for device in self._watched.devices)
        models = {_words(library.nvmlDeviceGetName(handle)) for handle in every}
        if by_number and len(models) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
            raise NoReadingsError(say("CUDA numbers GPUs of several models by speed, NVML by slot, so which one is meant cannot be told; "
                                      "set CUDA_DEVICE_ORDER=PCI_BUS_ID"))
        return [self._handle(every, device) for device in self._watched.devices]

    def _handle(self, every: Sequence[Any], device: str) -> Any:
        if device.startswith("MIG-"):
            raise NoReadingsError(say("power and energy of a slice of a GPU (MIG) cannot be told from those of its neighbours"))
        if device.isdecimal() and int(device) < len(every):
            return every[int(device)]
        found = [handle for handle in every if not device.isdecimal() and _words(self._library.nvmlDeviceGetUUID(handle)).startswith(device)]
        if len(found) != 1:
            raise NoReadingsError(say("NVML shows no GPU {device}; it shows {count}", device=device.partition("-")[0], count=len(every)))
        return found[0]


class _Gpu:
    def __init__(self, library: Any, handle: Any, watched: Watched) -> None:
        self._library, self._handle, self._watched = library, handle, watched
        self._index = library.nvmlDeviceGetIndex(handle)
        self.facts: dict[str, Any] = {"index": self._index, "name": _words(library.nvmlDeviceGetName(handle)), "unavailable": {}}
        self._memory_version = self._memory_form()
        self._getters: dict[str, Callable[[], Any]] = {
            "memory_used_bytes": self._memory,
            "power_w": lambda: library.nvmlDeviceGetPowerUsage(handle) / 1e3,
            "energy_j": lambda: library.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,
            "temperature_c": lambda: float(library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU)),
            "utilization_percent": lambda: float(library.nvmlDeviceGetUtilizationRates(handle).gpu),
            "frequency_hz": lambda: int(library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_SM)) * 1_000_000,
            "throttle": lambda: throttle_words(self._reasons()),
            "other_processes": lambda: watched.own.others(one.pid for one in library.nvmlDeviceGetComputeRunningProcesses(handle)),
        }
        for name in list(self._getters):
            error = self._try(name)[1]
            if error is not None:  # old drivers lack functions, virtual GPUs refuse them
                del self._getters[name]
                self.facts["unavailable"][name] = _words(error)

    def read(self) -> DeviceSample:
        at_ns = now_ns()
        told = {name: self._try(name) for name in self._getters}
        errors = [error for _, error in told.values() if error is not None]
        if errors and len(errors) == len(told):
            raise NoReadingsError(say("the GPU no longer answers NVML: {error}", error=_words(errors[0])))
        values = {name: value for name, (value, _) in told.items()}
        return DeviceSample(at_ns=at_ns, launch=self._watched.launch, kind="cuda", index=self._index, **values)

    def _try(self, name: str) -> tuple[Any, Exception | None]:
        """A value, or why it could not be had this time."""
        try:
            return self._getters[name](), None
        except Exception as error:  # noqa: BLE001 - whatever a driver does, it ends no run
            return None, error

    def _memory_form(self) -> dict[str, Any]:
        """How to ask for memory: the second form leaves out what the driver keeps for itself. A driver before R510 has only the first."""
        version = getattr(self._library, "nvmlMemory_v2", None)
        if version is None:
            return {}
        try:
            memory = self._library.nvmlDeviceGetMemoryInfo(self._handle, version=version)
        except Exception:  # noqa: BLE001 - the driver lacks it
            return {}
        self.facts["memory_reserved_bytes"] = int(memory.reserved)
        return {"version": version}

    def _memory(self) -> int:
        memory = self._library.nvmlDeviceGetMemoryInfo(self._handle, **self._memory_version)
        self.facts["memory_total_bytes"] = int(memory.total)
        return int(memory.used)

    def _reasons(self) -> int:
        """Drivers before R535 know the same mask by its older name."""
        try:
            return int(self._library.nvmlDeviceGetCurrentClocksEventReasons(self._handle))
        except Exception:  # noqa: BLE001 - an old driver, or an old binding
            return int(self._library.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle))


def _words(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return " ".join(text.split())[:200]
