"""``npu-smi info -t common|usages|memory|power|temp|health|board|proc-mem`` and ``-l``: lines of ``name : value``.

The chip's number stands first in its block in some of them and last in others, and not at all on chips that are a card's only one; a
block ends at an empty line, or where a name comes a second time. The controller of a card (MCU) has a block too, and on the 310P
that is the only one with the power.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from touchstone.device_list import DeviceProcess
from touchstone.message import say
from touchstone.smi.gathered import Draft, Gathered
from touchstone.smi.lines import Command, Reader, bus, integer, mebibytes, number, word

_LINE = re.compile(r"\s*([A-Za-z][\w .-]{0,40}(?:\s?\([\w%]{1,4}\))?)\s*:\s?(.*)")
_PROCESS = re.compile(r"\bProcess id\s*:\s*([0-9]{1,9})\b(?:.*?\bProcess name\s*:(.*?))?\s*Process memory\(MB\)\s*:\s*([0-9]{1,9})(?![0-9])")
_MEMORY = ("HBM Capacity(MB)", "Memory Capacity(MB)", "DDR Capacity(MB)")
_SHARES = ("HBM Usage Rate(%)", "Memory Usage Rate(%)", "DDR Usage Rate(%)")
_UTILIZATION = ("Aicore Usage Rate(%)", "NPU Utilization(%)")
_TEMPERATURE = ("NPU Temperature(C)", "Temperature(C)")
_POWER = ("NPU Real-time Power(W)", "Power Dissipation(W)")
_HEALTH = ("Health Status", "Health")
_NUMBERS = ("NPU ID", "Chip ID", "Chip Count", "Total Count")
_KNOWN = frozenset({*_NUMBERS, *_MEMORY, *_SHARES, *_UTILIZATION, *_TEMPERATURE, *_POWER, *_HEALTH, "Chip Name", "PCIe Bus Info"})
_CONTROLLERS = {"MCU": True, "3559": False}
"""Chips of a card that are no NPU, and whether their power is that of the card."""
_WEAK = frozenset({"Health", "Chip Name", "Temperature(C)"})
_MOST_CHIPS, _MOST_CARDS = 64, 1024


class NpuFields(Reader):
    """Reads blocks, and what `-l` lists."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._block: dict[str, str] = {}
        self._held: list[tuple[int, str | None, int]] = []
        self._npu: int | None = None
        self._chip: int | None = None
        self._nameless: Draft | None = None
        self._cards: dict[int, int] = {}
        self._listed = False
        self._board_power: dict[int, float] = {}
        self._coarse: list[Draft] = []

    def takes(self, line: str) -> bool:
        if not line.strip():
            self._close()
            return False
        process = _PROCESS.search(line)
        if process:
            self._held.append((int(process[1]), word((process[2] or "").strip()), int(process[3]) << 20))
            return True
        field = _LINE.fullmatch(line)
        name = re.sub(r"\s+\(", "(", field[1].strip()) if field else ""
        if not field or name not in _KNOWN:
            return False
        self._take(name, field[2].strip())
        return True

    def asked(self, command: Command) -> None:
        self._close()
        self._npu, self._chip = command.npu_id, command.chip_id
        self._nameless = None

    def end(self) -> None:
        self._close()
        for npu_id, power in self._board_power.items():
            chips = self._found.card(npu_id)
            if len(chips) == 1:
                self._found.fill(chips[0], {"power_w": power if chips[0]["power_w"] is None else None})
            elif chips:
                self._found.note(say("NPU {npu} draws {power} W in all, which is not known for each of its chips.", npu=npu_id, power=power))
        if any(draft["memory_used_bytes"] is None for draft in self._coarse):
            self._found.note(say("How much memory is in use is printed in whole percent only, too coarse to be given in bytes; "
                                 "'npu-smi info' prints it in MB."))
        running = 0
        for npu_id, count in self._cards.items():
            chips = self._found.card(npu_id)
            for chip_id in () if chips else [None] if count == 1 else range(count):
                self._found.fill(self._found.npu(npu_id, chip_id), {"index": running if self._listed else None})
                running += 1

    def _take(self, name: str, value: str) -> None:
        another_chip = name == "Chip Name" and value.upper() in _CONTROLLERS and "Chip ID" in self._block
        if name in self._block or name == "NPU ID" or another_chip:
            self._close()
        self._block[name] = value
        if name == "Total Count":
            self._listed = True

    def _close(self) -> None:
        block, held = self._block, self._held
        self._block, self._held = {}, []
        npu_id = integer(block.get("NPU ID", ""))
        if npu_id is not None:
            self._npu, self._chip, self._nameless = npu_id, None, None
        said = _said(block)
        controller = block.get("Chip Name", "").upper()
        if controller in _CONTROLLERS:
            if self._npu is not None and said["power_w"] is not None and _CONTROLLERS[controller]:
                self._board_power[self._npu] = said["power_w"]
            return
        named = integer(block.get("Chip ID", ""))
        chip_id = self._chip if named is None else named
        for pid, name, memory_bytes in held:
            self._found.process(DeviceProcess(pid, name, self._npu, chip_id, memory_bytes))
        if any(value is not None for value in said.values()) and (self._npu is not None or not set(block) <= _WEAK):
            self._fill(chip_id, said, block)
        elif named is not None and self._npu is not None:
            self._found.npu(self._npu, named)
        elif npu_id is not None and len(self._cards) < _MOST_CARDS:
            self._cards[npu_id] = min(integer(block.get("Chip Count", "")) or 1, _MOST_CHIPS)

    def _fill(self, chip_id: int | None, said: Mapping[str, object], block: dict[str, str]) -> None:
        if self._npu is not None:
            draft = self._found.npu(self._npu, chip_id)
        else:
            draft = self._nameless = self._nameless_for(chip_id, said)
        self._found.fill(draft, said)
        if any(number(block.get(name, "")) is not None for name in _SHARES):
            self._coarse.append(draft)

    def _nameless_for(self, chip_id: int | None, said: Mapping[str, object]) -> Draft:
        self._found.note(say("The number of the NPU is not printed with some of the values, so it is not known whose they are."))
        draft = self._nameless
        if draft is None or any(draft[name] is not None for name, value in said.items() if value is not None):
            return self._found.device(None, chip_id)
        draft["chip_id"] = chip_id if draft["chip_id"] is None else draft["chip_id"]
        return draft


def _said(block: dict[str, str]) -> dict[str, Any]:
    # HBM stands below DDR, so a block that ends with DDR may have been cut before it.
    last = next(reversed(block), "")
    memory = [size for name in _MEMORY if not name[:3] == last[:3] == "DDR" and (size := mebibytes(block.get(name, "")))]
    return {"name": word(block.get("Chip Name", "")), "health": _first(block, _HEALTH), "bus_id": bus(block.get("PCIe Bus Info", "")),
            "memory_total_bytes": memory[0] if memory else None, "utilization_percent": _number(block, _UTILIZATION),
            "temperature_c": _number(block, _TEMPERATURE), "power_w": _number(block, _POWER)}


def _first(block: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((word(block[name]) for name in names if name in block), None)


def _number(block: dict[str, str], names: tuple[str, ...]) -> float | None:
    return next((value for name in names if (value := number(block.get(name, ""))) is not None), None)
