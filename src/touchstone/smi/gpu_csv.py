"""``nvidia-smi --query-gpu=… --format=csv`` and ``--query-compute-apps``.

A driver may answer with another name in the header than was asked for, so where the command stands in the text its names count, by
position. Without either only what tells itself by its form is taken.
"""

from __future__ import annotations

import re

from touchstone.device_list import DeviceProcess
from touchstone.message import say
from touchstone.smi.gathered import Gathered
from touchstone.smi.lines import NOTHING, Command, Reader, bus, integer, number, word

_HEADING = re.compile(r"([a-z][a-z0-9_.]{1,80})(?: \[[\w%]{1,6}\])?")
_ALIASES = {"gpu_name": "name", "gpu_bus_id": "pci.bus_id", "gpu_uuid": "uuid", "used_gpu_memory": "used_memory", "process_name": "process",
            "power.draw.average": "power.draw", "power.draw.instant": "power.draw"}
_OF_PROCESSES = {"name": "process", "gpu_name": "gpu_name"}
_VALUES = {"temperature.gpu": "C", "power.draw": "W", "utilization.gpu": "%", "memory.used": "MiB", "memory.total": "MiB", "used_memory": "MiB"}
_FIELDS = {"temperature.gpu": "temperature_c", "power.draw": "power_w", "utilization.gpu": "utilization_percent",
           "memory.used": "memory_used_bytes", "memory.total": "memory_total_bytes"}
_TELLING = frozenset({"index", "name", "uuid", "pci.bus_id", "pid", "timestamp", *_VALUES, *_ALIASES, "memory.free", "memory.reserved",
                      "utilization.memory", "power.limit", "pstate"})
_UUID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z-]{4,60}")
_MAKES = ("NVIDIA ", "Tesla ", "GeForce ", "Quadro ")


class GpuCsv(Reader):
    """Reads the rows below a header or a command."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._columns: list[str] = []
        self._rows = 0
        self._asked: tuple[str, ...] = ()

    def takes(self, line: str) -> bool:
        parts = [part.strip() for part in line.split(",")]
        if self._heading(parts):
            return True
        if not self._columns:
            return self._by_form(parts)
        row = dict(zip(self._columns, parts, strict=False))
        return len(parts) == len(self._columns) and (self._process(row) if "pid" in row else self._device(row))

    def asked(self, command: Command) -> None:
        self._asked = command.columns
        self._set(command.columns)

    def _set(self, names: tuple[str, ...] | list[str]) -> None:
        aliases = _ALIASES | (_OF_PROCESSES if "pid" in names else {})
        self._columns = [aliases.get(name, name) for name in names]
        self._rows = 0
        if "pid" in names:
            self._found.forget_gpu_processes(but="csv")

    def _heading(self, parts: list[str]) -> bool:
        found = [_HEADING.fullmatch(part) for part in parts]
        names = [one[1] for one in found if one]
        if len(names) < len(parts) or not _TELLING & set(names) or (len(names) == 1 and "." not in names[0]):
            return False
        self._set(self._asked if len(self._asked) == len(names) else names)
        return True

    def _device(self, row: dict[str, str]) -> bool:
        said = {name: _amount(row[name], unit) for name, unit in _VALUES.items() if name in row}
        index, address, uuid = integer(row.get("index", "")), bus(row.get("pci.bus_id", "")), row.get("uuid", "")
        if any(value is None and row[name].upper() not in NOTHING for name, value in said.items()) \
                or ("index" in row and index is None) or (not said and index is None and not address and not _UUID.fullmatch(uuid)):
            return False
        draft = self._found.gpu(self._rows if not {"index", "uuid", "pci.bus_id"} & set(row) else index, address,
                                uuid if _UUID.fullmatch(uuid) else None)
        self._found.fill(draft, {"name": word(row.get("name", "")), **{_FIELDS[name]: said[name] for name in said if name in _FIELDS}})
        self._rows += 1
        return True

    def _process(self, row: dict[str, str]) -> bool:
        pid = integer(row["pid"])
        used = _amount(row.get("used_memory", ""), "MiB")
        if pid is None or (used is None and row.get("used_memory", "").upper() not in NOTHING):
            return False
        self._found.process(DeviceProcess(pid, word(row.get("process", "")), memory_bytes=None if used is None else int(used)),
                            "csv", row.get("uuid") or row.get("pci.bus_id"))
        return True

    def _by_form(self, parts: list[str]) -> bool:
        name = next((part for part in parts if part.startswith(_MAKES)), None)
        if name is None or integer(parts[0]) != self._rows:  # numbered from 0, the first column can only be the index
            return False
        self._rows += 1
        self._found.fill(self._found.gpu(self._rows - 1, next(filter(None, map(bus, parts)), None),
                                         next((part for part in parts if _UUID.fullmatch(part)), None)), {"name": name})
        self._found.note(say("Rows without a header do not say what their numbers are, so these are left out; give the command with them, "
                             "or use --format=csv without noheader."))
        return True


def _amount(text: str, unit: str) -> float | None:
    """A number that may carry its unit; memory in bytes. Another unit is none."""
    value, _, given = text.partition(" ")
    if given not in ("", unit):
        return None
    amount = number(value)
    return amount if amount is None or unit != "MiB" else int(amount) << 20
