"""What a driver's tool says of a machine's accelerators, in SI units; unknown is None, and ``notes`` say why."""

from __future__ import annotations

from dataclasses import dataclass

from touchstone.message import Message


@dataclass(frozen=True)
class DeviceReading:
    """One addressable device (a die, where a card has several) at one moment.

    ``index`` is the number that programs use; ``npu_id`` and ``chip_id`` are Ascend's card and die. ``memory_used_bytes`` counts what
    the driver holds too, on an idle device as well.
    """

    index: int | None
    npu_id: int | None = None
    chip_id: int | None = None
    name: str | None = None
    health: str | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    utilization_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    bus_id: str | None = None


@dataclass(frozen=True)
class DeviceProcess:
    """A process that holds memory of a device. The same one may appear on several."""

    pid: int
    name: str | None = None
    npu_id: int | None = None
    chip_id: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class DeviceList:
    """Everything one output says. ``notes`` name what could not be seen, and why."""

    devices: tuple[DeviceReading, ...] = ()
    processes: tuple[DeviceProcess, ...] = ()
    notes: tuple[Message, ...] = ()
