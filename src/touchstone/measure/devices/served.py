"""The device behind a server: this process cannot synchronise it, and sees of its memory only what the kernel tells of the server's processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import psutil

from touchstone.measure.devices import DeviceMemory
from touchstone.measure.devices.cpu import Cpu, memory_limits
from touchstone.measure.devices.driver_tools import read_machine
from touchstone.measure.devices.resident import peak_resident, reset_peaks
from touchstone.measure.sensors import NoReadingsError
from touchstone.measure.sensors.choice import chosen_devices


class ServedDevice:
    """``name`` as the user wrote it (``npu:0``); ``processes`` are those of the server, while it runs."""

    def __init__(self, name: str, processes: Callable[[], Sequence[psutil.Process]]) -> None:
        self.torch_name = name
        self.kind = name.partition(":")[0]
        self._processes = processes

    def synchronize(self) -> None:
        """A whole answer is the only sign that the work is done; whoever measures waits for it."""

    def event(self) -> None:
        return None

    def memory(self) -> DeviceMemory:
        """On a CPU the host's memory and the sum of the server's peaks; an accelerator is watched by the telemetry."""
        if self.kind != "cpu":
            return DeviceMemory(None, None, None, None, None, None, None)
        total, available = memory_limits()
        return DeviceMemory(allocated=None, reserved=None, peak_allocated=None, peak_reserved=None, device_used=total - available,
                            device_total=total, peak_resident=peak_resident(self._processes()))

    def reset_peaks(self) -> None:
        reset_peaks(self._processes())

    def release(self) -> None:
        pass

    def identity(self) -> Mapping[str, object]:
        return Cpu().identity() if self.kind == "cpu" else {"name": self._driver_name}

    @cached_property
    def _driver_name(self) -> str:
        """What the driver calls the device, as torch would: ``Ascend910B3``, ``NVIDIA H100 80GB HBM3``; else the name it was asked by."""
        try:
            (number,) = chosen_devices(self.torch_name, 1, os.environ)
        except NoReadingsError:
            return self.torch_name
        named = [one.name for one in read_machine().devices if number == str(one.index) and one.name and (one.npu_id is not None) == (self.kind == "npu")]
        if not named:
            return self.torch_name
        return f"Ascend{named[0]}" if self.kind == "npu" and not named[0].lower().startswith("ascend") else named[0]
