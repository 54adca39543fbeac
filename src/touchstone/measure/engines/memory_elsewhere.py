"""A device whose memory is taken by other processes of the engine, so that this one's own counts say nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psutil

from touchstone.measure.devices import Device, DeviceMemory
from touchstone.measure.devices.resident import peak_resident, reset_peaks


class MemoryElsewhere:
    """``device`` without the counts that hold for this process only; on a CPU the resident peaks of the whole family are added up."""

    def __init__(self, device: Device) -> None:
        self.kind = device.kind
        self._device = device

    @property
    def torch_name(self) -> str:
        return self._device.torch_name

    def synchronize(self) -> None:
        """Nothing to wait for: an engine in another process answers when its work is done."""

    def event(self) -> Any | None:
        return None

    def memory(self) -> DeviceMemory:
        return replace(self._device.memory(), allocated=None, reserved=None, peak_allocated=None, peak_reserved=None,
                       peak_resident=peak_resident(self._family()))

    def reset_peaks(self) -> None:
        reset_peaks(self._family())

    def release(self) -> None:
        self._device.release()

    def identity(self) -> Mapping[str, object]:
        return self._device.identity()

    def _family(self) -> list[psutil.Process]:
        """This process and all that it started, where their memory is the device's."""
        own = psutil.Process()
        return [own, *own.children(recursive=True)] if self.kind == "cpu" else []
