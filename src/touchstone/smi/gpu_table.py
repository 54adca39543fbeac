"""The boxes of ``nvidia-smi``: two rows for each GPU (a third about MIG), then the processes.

The first row has number, name and bus, the second temperature, power, memory and utilisation.
"""

from __future__ import annotations

import re

from touchstone.device_list import DeviceProcess
from touchstone.smi.gathered import Draft, Gathered
from touchstone.smi.lines import Reader, cells, memory, number, word

_FIRST = re.compile(r"([0-9]{1,4})\s+(.*?)(?:\s+(?:On|Off|N/A|TCC|WDDM|MCDM|Enabled|Disabled|ERR!))?")
_BUS = re.compile(r"([0-9A-Fa-f]{8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])(?:\s.*)?")
_SECOND = re.compile(r"\S+\s+(?:(-?[0-9]{1,4})C|N/A|ERR!)\s+\S+\s+(?:([0-9]{1,5})W|N/A|ERR!|\S+)\s*/\s*(?:[0-9]{1,5}W|N/A|ERR!)")
_MEMORY = re.compile(r"(?:([0-9]{1,9})MiB|N/A|ERR!|Unknown Error)\s*/\s*(?:([0-9]{1,9})MiB|N/A|ERR!|Unknown Error)|Not Supported")
_UTILIZATION = re.compile(r"(?:([0-9]{1,3})%|N/A|ERR!)(?:\s.*)?")
_PROCESS = re.compile(r"([0-9]{1,4})\s+(?:(?:N/A|[0-9]{1,3})\s+(?:N/A|[0-9]{1,3})\s+)?([0-9]{1,9})\s+([CGM+]{1,5})\s+(.*?)\s*(?:([0-9]{1,9})MiB|N/A)")


class GpuTable(Reader):
    """Reads the tables of GPUs and of processes."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._pending: Draft | None = None

    def takes(self, line: str) -> bool:
        row = cells(line)
        if not row:
            return False
        if row[0].startswith("Processes:"):
            self._found.forget_gpu_processes()
            return True
        if row[0] == "No running processes found":
            self._found.idle(None)
            return True
        return self._process(row) if len(row) == 1 else self._first(row) or self._second(row)

    def forget(self) -> None:
        self._pending = None

    def _first(self, row: list[str]) -> bool:
        first, address = _FIRST.fullmatch(row[0]), _BUS.fullmatch(row[1])
        if not first or not address:
            return False
        self._pending = self._found.gpu(int(first[1]), address[1])
        self._found.fill(self._pending, {"name": word(first[2].strip())})
        return True

    def _second(self, row: list[str]) -> bool:
        if self._pending is None:
            return False
        second, size = _SECOND.fullmatch(row[0]), _MEMORY.fullmatch(row[1])
        if not second or not size:
            return False
        used = _UTILIZATION.fullmatch(row[2]) if len(row) > 2 else None
        self._found.fill(self._pending, {
            **memory((size[1] or "", size[2] or "")), "temperature_c": number(second[1] or ""), "power_w": number(second[2] or ""),
            "utilization_percent": number(used[1] or "") if used else None})
        self._pending = None
        return True

    def _process(self, row: list[str]) -> bool:
        found = _PROCESS.fullmatch(row[0])
        if found:
            self._found.process(DeviceProcess(int(found[2]), word(found[4]), memory_bytes=int(found[5]) << 20 if found[5] else None),
                                "table", int(found[1]))
        return found is not None
