"""The boxes of ``npu-smi info``: two rows for each chip, then the processes.

    | 0     910B2         | OK            | 96.5        36                0    / 0             |
    | 0                   | 0000:C1:00.0  | 0           0    / 0          29954/ 65536         |

Layouts differ by chip and driver: a Device or Phy-ID number beside the chip, no huge pages (until 21.0.3), no HBM column, no chip
column, other widths, more columns of processes. What they share, and what is relied on here: the first row has the health, the second
the bus; the first two numbers of the first row that are no pair are power and temperature, of the second the first is the
utilisation; the *last* pair ``a / b`` of the second is the device's memory, and it always has one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from touchstone.device_list import DeviceProcess
from touchstone.message import say
from touchstone.smi.gathered import Gathered
from touchstone.smi.lines import NOTHING, Reader, bus, cells, integer, is_border, mebibytes, memory, number, values, word

_HEALTH = re.compile(r"[A-Za-z][A-Za-z _-]{1,19}|N/A|--?")
_IDLE = re.compile(r"No running processes found in NPU\s+([0-9]{1,9})\b")
_CARD = re.compile(r"([0-9]{1,9})\s+(\S.*)")
_MOST_ROWS = 8
_PROCESS_COLUMNS = ("NPU Chip", "Process id", "Process name", "Process memory(MB)")


@dataclass
class _Card:
    """The first row of a chip."""

    npu_id: int | None
    name: str | None
    health: str | None
    power_w: float | None = None
    temperature_c: float | None = None


class NpuTable(Reader):
    """Reads the tables of devices and of processes."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._begin()

    def _begin(self) -> None:
        self._pending: _Card | None = None
        self._above: _Card | None = None
        self._running: int | None = None
        self._columns: Sequence[str] = ()
        self._rows: dict[tuple[int | None, int | None], int] = {}

    def takes(self, line: str) -> bool:
        if is_border(line):
            self._above = None
            return True
        row = cells(line) or []
        return bool(row) and (self._title(row) or self._idle(row) or self._process(row) or self._first(row) or self._second(row))

    def forget(self) -> None:
        self.end()
        self._begin()

    def end(self) -> None:
        if self._pending is not None:  # the row below it was cut off
            card = self._pending
            self._pending = None
            self._found.fill(self._found.device(card.npu_id), _said(card))
            self._running = None if self._running is None else self._running + 1

    def _title(self, row: Sequence[str]) -> bool:
        text = " ".join(row)
        if text.startswith("npu-smi") and "Version" in text:
            self.end()
            self._begin()
        elif "Process id" in row and "Process name" in row:
            self.end()
            self._columns = row
            self._rows = {}
            self._found.forget_npu_processes()
        elif "Health" in row and "Name" in text:
            self.end()
            self._running = 0
        elif "Vnpu ID" in row:
            self._columns = ()
        else:
            return "Bus-Id" in row
        return True

    def _idle(self, row: Sequence[str]) -> bool:
        found = _IDLE.search(row[0])
        if found:
            self._found.idle(int(found[1]))
        return found is not None

    def _process(self, row: Sequence[str]) -> bool:
        numbers = [integer(part) for part in row[0].split()]
        if len(row) < 4 or None in numbers or len(numbers) not in ((1, 2) if self._columns else (2,)):
            return False
        cell = dict(zip((self._columns or _PROCESS_COLUMNS)[1:], row[1:], strict=False))
        pid, inside = integer(cell.get("Process id", "")), integer(cell.get("Process id in container", ""))
        shown = inside if pid is None else pid
        if shown is None or (pid is None and word(cell.get("Process id", "")) is not None):
            return False
        npu_id, chip_id = (*numbers, None)[:2]
        if pid is None:
            self._found.note(say("Some process ids are those inside a container: npu-smi does not print the ones of the host."))
        memory_bytes = next((mebibytes(value) for name, value in cell.items() if name.startswith("Process memory")), None)
        self._found.process(DeviceProcess(shown, word(cell.get("Process name", "")), npu_id, chip_id, memory_bytes))
        self._count(npu_id, chip_id)
        return True

    def _count(self, npu_id: int | None, chip_id: int | None) -> None:
        self._rows[npu_id, chip_id] = self._rows.get((npu_id, chip_id), 0) + 1
        if self._rows[npu_id, chip_id] == _MOST_ROWS:
            self._found.note(say("npu-smi prints {most} processes of a chip at most; NPU {npu} may have more.", most=_MOST_ROWS, npu=npu_id))

    def _first(self, row: Sequence[str]) -> bool:
        packed = _CARD.fullmatch(row[0])
        npu, name, *rest = [*packed.groups(), *row[1:]] if packed else row if len(row) > 1 else (*row, "")
        if integer(npu) is None or len(rest) < 2 or not _HEALTH.fullmatch(rest[0]):
            return False
        alone, pairs = values(" ".join(rest[1:]))
        only_numbers = len(alone) > 1 and len(rest) == 2 and all(number(part) is not None or part in NOTHING for part in alone)
        if not pairs and not only_numbers:
            return False
        if pairs and rest[0] in NOTHING and integer(name) is not None:  # a second row without a bus looks like that
            return False
        self.end()
        power, temperature = map(number, alone[:2]) if len(alone) > 1 else (None, None)
        self._pending = self._above = _Card(integer(npu), word(name), word(rest[0]), power, temperature)
        return True

    def _second(self, row: Sequence[str]) -> bool:
        place = next((place for place, cell in enumerate(row[:4]) if bus(cell) or cell.upper() in NOTHING - {""}), None)
        numbers = [part for cell in row[:place] for part in cell.split()]
        if place is None or len(numbers) > 2 or not all(integer(part) is not None or part in NOTHING for part in numbers):
            return False
        alone, pairs = values(" ".join(row[place + 1:]))
        if not pairs:
            return False
        card = self._pending or (self._above and _Card(self._above.npu_id, self._above.name, self._above.health)) or _Card(None, None, None)
        chip_id, device = (*map(integer, numbers), None, None)[:2]
        self._pending = None
        draft = self._found.npu(card.npu_id, chip_id)
        self._found.fill(draft, {**_said(card), **memory(pairs[-1]), "bus_id": bus(row[place]),
                                 "index": self._running if device is None else device,
                                 "utilization_percent": number(alone[0]) if alone else None})
        self._running = None if self._running is None else self._running + 1
        return True


def _said(card: _Card) -> dict[str, object]:
    return {"name": card.name, "health": card.health, "power_w": card.power_w, "temperature_c": card.temperature_c}
