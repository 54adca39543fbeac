"""Devices: what an engine computes on. One small class behind which cpu, cuda and npu look the same."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from touchstone.errors import unknown_name
from touchstone.message import say

DEVICE_KINDS = ("npu", "cuda", "cpu")
"""In the order in which a device is chosen when none is named."""


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes now and at the peak since :meth:`Device.reset_peaks`; None where the device has no such count."""

    allocated: int | None
    reserved: int | None
    peak_allocated: int | None
    peak_reserved: int | None
    device_used: int | None
    device_total: int | None
    peak_resident: int | None


class Device(Protocol):
    """A compute device. A device without :meth:`synchronize` cannot be timed."""

    kind: str

    @property
    def torch_name(self) -> str:
        """The name torch knows it by, such as ``cuda:0``."""

    def synchronize(self) -> None:
        """Block until all work given to the device is done."""

    def event(self) -> Any | None:
        """A device-side timing event with ``record()`` and ``elapsed_time(other)`` in milliseconds, where there are any."""

    def memory(self) -> DeviceMemory:
        """Memory now and at its peak."""

    def reset_peaks(self) -> None:
        """Start the peaks anew."""

    def release(self) -> None:
        """Give cached memory back, after a trial that ran out of it."""

    def identity(self) -> Mapping[str, object]:
        """Name, size and versions as the driver states them. No serial numbers."""


def installed(distribution: str) -> str | None:
    """The version of an installed distribution, without importing it (importing a broken plug-in can break torch itself)."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def present(kind: str) -> bool:
    """Whether the host shows a device of ``kind``, by its device nodes; nothing is imported."""
    if kind == "cpu":
        return True
    nodes = {"npu": "davinci[0-9]*", "cuda": "nvidia[0-9]*"}[kind]
    mask = {"npu": "ASCEND_RT_VISIBLE_DEVICES", "cuda": "CUDA_VISIBLE_DEVICES"}[kind]
    hidden = os.environ.get(mask, "0").strip() in {"", "-1"}
    return not hidden and any(Path("/dev").glob(nodes))


def open_device(name: str) -> Device:
    """The device called ``name``: ``cpu``, ``cuda``, ``cuda:1``, ``npu:0``. Raises where it is not there."""
    kind, _, index = name.partition(":")
    if kind == "cpu":
        from touchstone.measure.devices.cpu import Cpu

        return Cpu()
    if kind not in DEVICE_KINDS or not (index or "0").isdigit():
        raise unknown_name(say("device"), name, [*DEVICE_KINDS, "cuda:0", "npu:0"])
    from touchstone.measure.devices.accelerator import open_accelerator

    return open_accelerator(kind, int(index or 0))
