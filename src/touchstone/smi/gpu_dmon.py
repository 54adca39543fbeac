"""``nvidia-smi dmon``: columns by name under ``# gpu``, a line per GPU and second."""

from __future__ import annotations

import re

from touchstone.smi.gathered import Gathered
from touchstone.smi.lines import NOTHING, Reader, integer, mebibytes, number

_NAME = re.compile(r"[A-Za-z][\w:/-]{0,20}")
_STAMP = re.compile(r"[0-9]{8}|[0-9]{2}:[0-9]{2}:[0-9]{2}")
_STAMPS = frozenset({"date", "time"})


class GpuDmon(Reader):
    """Reads the rows below a header; those of ``pmon``, which are about processes, are left alone."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._columns: list[str] = []

    def takes(self, line: str) -> bool:
        parts = line.split()
        if line.lstrip().startswith("#"):
            names = [name.lower() for name in line.lstrip().lstrip("#").split()]
            if "gpu" in names[:3] and all(map(_NAME.fullmatch, names)):
                self._columns = [] if "pid" in names else names
                return True
            return bool(self._columns) and "idx" in names[:3]
        if not self._columns or len(parts) != len(self._columns):
            return False
        row = dict(zip(self._columns, parts, strict=True))
        index = integer(row["gpu"])
        if index is None or not all(_STAMP.fullmatch(part) if name in _STAMPS else number(part) is not None or part in NOTHING
                                    for name, part in row.items()):
            return False
        self._found.fill(self._found.gpu(index), {
            "power_w": number(row.get("pwr", "")), "temperature_c": number(row.get("gtemp", row.get("temp", ""))),
            "utilization_percent": number(row.get("sm", "")), "memory_used_bytes": mebibytes(row.get("fb", ""))})
        return True

    def forget(self) -> None:
        self._columns = []
