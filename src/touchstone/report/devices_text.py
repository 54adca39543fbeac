"""The faces of ``devices``: a table of devices, one of processes and the notes, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from touchstone.device_list import DeviceList, DeviceProcess, DeviceReading
from touchstone.message import Message, Translate, say
from touchstone.report.table import NOTHING, number, plain, shortened
from touchstone.report.terminal import Screen
from touchstone.units import BYTES_PER_GIB

_DEVICE_COLUMNS = (say("Device"), say("NPU"), say("Health"), say("Power (W)"), say("Temperature (°C)"), say("Utilization (%)"),
                   say("Used (GiB)"), say("Memory (GiB)"), say("Bus"))
_PROCESS_COLUMNS = (say("Process"), say("PID"), say("NPU"), say("Memory (GiB)"))
_LONGEST_NAME = 40


def to_text(found: DeviceList, translate: Translate) -> str:
    """Tables in GiB (2^30 bytes) and percent, a dash for what is not known, and the notes below."""
    screen = Screen()
    screen.table(_words(_DEVICE_COLUMNS, translate), list(map(_device, found.devices)))
    if found.processes:
        screen.line()
        screen.table(_words(_PROCESS_COLUMNS, translate), list(map(_process, found.processes)), numbers=True)
    if found.notes and (found.devices or found.processes):
        screen.line()
    for note in found.notes:
        screen.line("- " + plain(note.render(translate)), hang=2)
    return screen.text()


def to_json(found: DeviceList, translate: Translate) -> str:
    """``devices``, ``processes`` and ``notes`` as one JSON object; null is what is not known."""
    return json.dumps({"devices": list(map(asdict, found.devices)), "processes": list(map(asdict, found.processes)),
                       "notes": [note.render(translate) for note in found.notes]}, ensure_ascii=False, indent=1)


def _words(columns: tuple[Message, ...], translate: Translate) -> list[str]:
    return [column.render(translate) for column in columns]


def _device(device: DeviceReading) -> list[str]:
    title = " ".join(str(part) for part in (device.index, _short(device.name)) if part is not None)
    return [title or NOTHING, _place(device), _short(device.health) or NOTHING, number(device.power_w), number(device.temperature_c),
            number(device.utilization_percent), number(device.memory_used_bytes, 1 / BYTES_PER_GIB),
            number(device.memory_total_bytes, 1 / BYTES_PER_GIB), _short(device.bus_id) or NOTHING]


def _process(process: DeviceProcess) -> list[str]:
    return [_short(process.name) or NOTHING, str(process.pid), _place(process), number(process.memory_bytes, 1 / BYTES_PER_GIB)]


def _place(one: DeviceReading | DeviceProcess) -> str:
    return NOTHING if one.npu_id is None else str(one.npu_id) if one.chip_id is None else f"{one.npu_id}/{one.chip_id}"


def _short(text: str | None) -> str | None:
    return shortened(text, _LONGEST_NAME).strip() or None


DEVICE_FACES: Mapping[str, Callable[[DeviceList, Translate], str]] = {"text": to_text, "json": to_json}
