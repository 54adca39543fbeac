"""Sensors: where readings of a device come from. One file each behind one small protocol; a lazy table says which for which device."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from touchstone.measure.sensors.processes import RunProcesses
from touchstone.message import Message, say
from touchstone.record import DeviceSample

_SENSORS: Mapping[str, str] = {
    "cuda": "touchstone.measure.sensors.nvml:Nvml", "npu": "touchstone.measure.sensors.npu_smi:NpuSmi",
    "cpu": "touchstone.measure.sensors.rapl:Rapl",
}


class NoReadingsError(Exception):
    """A sensor cannot be opened, or has died: ``reason`` says why."""

    def __init__(self, reason: Message) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class Watched:
    """What is watched: ``devices`` of ``kind`` by the driver's number or name, in a launch, whose own processes are ``own``."""

    launch: int
    kind: str
    devices: tuple[str, ...]
    own: RunProcesses


class Sensor(Protocol):
    """A source of readings. Opening and reading raise :class:`NoReadingsError`, and nothing else."""

    name: str

    def read(self) -> Sequence[DeviceSample]:
        """The readings there are now; never waits for one."""

    def facts(self) -> Mapping[str, object]:
        """What the readings are of, what a reading costs, and which values the device does not give."""

    def close(self) -> None:
        """End whatever was started."""


def open_sensor(watched: Watched) -> Sensor:
    """The sensor for ``watched``. Raises :class:`NoReadingsError`."""
    if watched.kind not in _SENSORS:
        raise NoReadingsError(say("nothing here reads a device of this kind"))
    module, _, name = _SENSORS[watched.kind].partition(":")
    sensor: Sensor = getattr(importlib.import_module(module), name)(watched)
    return sensor
