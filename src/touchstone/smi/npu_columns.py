"""``npu-smi info -m``, which numbers the chips, and ``npu-smi info watch``, a line per chip and second: columns without lines."""

from __future__ import annotations

import re

from touchstone.smi.gathered import Gathered
from touchstone.smi.lines import NOTHING, Reader, integer, number, word

_MAPPING = re.compile(r"NPU ID|Slot ID|Chip Logic ID|Chip Phy-ID|Chip ID|Chip Name")
_WATCHED = re.compile(r"NpuI[Dd](?:\(Idx\))?|ChipI[Dd](?:\(Idx\))?|(?:Pwr|Temp|AI Core|AI Cpu|Ctrl Cpu|Memory BW|Memory|NPU Util|AI Cube)\([\w%]+\)")
_EVERYTHING = ("NpuId", "ChipId", "Pwr", "Temp", "AI Core", "AI Cpu", "Ctrl Cpu", "Memory", "Memory BW", "NPU Util", "AI Cube")
_POWER = re.compile(r"[0-9]{1,5}\.[0-9]|NA|-")
_MOST_CHIPS = 16


class NpuMapping(Reader):
    """Reads ``-m``. A chip without a logic number is the card's controller."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._columns: list[str] = []

    def takes(self, line: str) -> bool:
        columns = _MAPPING.findall(line)
        if {"NPU ID", "Chip Name"} <= set(columns) and not _MAPPING.sub("", line).strip():
            self._columns = columns
            return True
        parts = line.split(None, len(self._columns) - 1) if self._columns else []
        row = dict(zip(self._columns, map(str.strip, parts), strict=False))
        numbers = {name: integer(value) for name, value in row.items() if name != "Chip Name"}
        npu_id = numbers.get("NPU ID")
        if len(row) < len(self._columns) or npu_id is None or any(value is None and row[name] not in NOTHING for name, value in numbers.items()):
            return False
        logic = numbers.get("Chip Logic ID")
        index = numbers.get("Chip Phy-ID") if logic is None else logic
        if index is not None and row["Chip Name"].upper() != "MCU":
            self._found.fill(self._found.npu(npu_id, numbers.get("Chip ID")), {"index": index, "name": word(row["Chip Name"])})
        return True

    def forget(self) -> None:
        self._columns = []


class NpuWatch(Reader):
    """Reads ``watch``, with any choice of columns; without a header only lines that can be nothing else."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._columns: list[str] = []

    def takes(self, line: str) -> bool:
        columns = _WATCHED.findall(line)
        if columns and columns[0].startswith("Npu") and not _WATCHED.sub("", line).strip():
            self._columns = [name.partition("(")[0].replace("ID", "Id") for name in columns]
            return True
        parts = line.split()
        names = self._columns or _without_header(parts)
        if not names or len(parts) != len(names) or not all(number(part) is not None or part in NOTHING for part in parts):
            return False
        row = dict(zip(names, parts, strict=True))
        npu_id = integer(row["NpuId"])
        if npu_id is None:
            return False
        core = number(row.get("AI Core", ""))
        self._found.fill(self._found.npu(npu_id, integer(row.get("ChipId", ""))), {
            "power_w": number(row.get("Pwr", "")), "temperature_c": number(row.get("Temp", "")),
            "utilization_percent": number(row.get("NPU Util", "")) if core is None else core})
        return True

    def forget(self) -> None:
        self._columns = []


def _without_header(parts: list[str]) -> tuple[str, ...]:
    """All columns of a driver with nine or eleven; others could be anything. Power has one decimal, which tells it from nvidia-smi's."""
    if len(parts) not in (9, 11) or not _POWER.fullmatch(parts[2]) or (integer(parts[1]) or 0) >= _MOST_CHIPS:
        return ()
    return _EVERYTHING[:len(parts)]
