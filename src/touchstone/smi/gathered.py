"""Puts together what several outputs say of one device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from touchstone.device_list import DeviceList, DeviceProcess, DeviceReading
from touchstone.message import Message, say

Draft = dict[str, Any]
"""A device while it is being read: fields of :class:`DeviceReading`, None where nothing was said yet."""
_FIELDS = tuple(field.name for field in fields(DeviceReading))
UNREADABLE = say("This is no output of npu-smi or nvidia-smi that can be read; give the output of 'npu-smi info' or 'nvidia-smi'.")
_LASTING = frozenset({"index", "npu_id", "chip_id", "name", "bus_id"})
_MOST_DEVICES, _MOST_PROCESSES = 4096, 16384
_IDLE_BYTES, _IDLE_SHARE = 4 << 30, 1 / 8


class Gathered:
    """Devices, processes and notes so far. What a device *is* counts as first printed, what was *measured* as last printed."""

    def __init__(self) -> None:
        self._devices: list[Draft] = []
        self._npus: dict[int, list[Draft]] = {}
        self._gpus: dict[tuple[str, object], Draft] = {}
        self._processes: dict[tuple[object, ...], DeviceProcess] = {}
        self._notes: dict[Message, None] = {}
        self._idle: set[int | None] = set()
        self._changed = False

    def note(self, message: Message) -> None:
        """Say ``message`` once."""
        self._notes[message] = None

    def device(self, npu_id: int | None = None, chip_id: int | None = None) -> Draft:
        """A device of its own, apart from all others."""
        draft = dict.fromkeys(_FIELDS) | {"npu_id": npu_id, "chip_id": chip_id}
        if len(self._devices) < _MOST_DEVICES:
            self._devices.append(draft)
        else:
            self.note(say("More than {most} devices were named; the rest was left out.", most=_MOST_DEVICES))
        return draft

    def npu(self, npu_id: int | None, chip_id: int | None) -> Draft:
        """The device with these numbers; a chip that is not named is the only one of its card."""
        if npu_id is None:
            return self.device(npu_id, chip_id)
        card = self._npus.setdefault(npu_id, [])
        known = next((draft for draft in card if draft["chip_id"] == chip_id), None)
        if known is None and len(card) == 1 and None in (chip_id, card[0]["chip_id"]):
            known = card[0]
            known["chip_id"] = chip_id if known["chip_id"] is None else known["chip_id"]
        if known is None:
            known = self.device(npu_id, chip_id)
            if len(card) < _MOST_DEVICES // 64:
                card.append(known)
        return known

    def card(self, npu_id: int) -> list[Draft]:
        """The devices of a card so far."""
        return self._npus.get(npu_id, [])

    def gpu(self, index: int | None = None, bus_id: str | None = None, uuid: str | None = None) -> Draft:
        """The GPU with any of these identities."""
        keys = [(kind, value) for kind, value in (("index", index), ("bus", bus_id and _full(bus_id)), ("uuid", uuid)) if value is not None]
        draft = next((self._gpus[key] for key in keys if key in self._gpus), None) or self.device()
        for key in keys if len(self._gpus) < 3 * _MOST_DEVICES else ():
            self._gpus.setdefault(key, draft)
        self.fill(draft, {"index": index, "bus_id": bus_id})
        return draft

    def fill(self, draft: Draft, said: Mapping[str, object]) -> None:
        """Write into ``draft`` what was ``said`` of it; None says nothing."""
        for name, value in said.items():
            if value is None or (name in _LASTING and draft[name] is not None):
                continue
            self._changed |= draft[name] not in (None, value)
            draft[name] = value

    def process(self, process: DeviceProcess, source: str = "", device: object = None) -> None:
        """A process. Of a GPU ``device`` is its number in ``source``, the kind of output that names it."""
        key = (source, device, process.npu_id, process.chip_id, process.pid)
        if key in self._processes or len(self._processes) < _MOST_PROCESSES:
            self._processes[key] = process

    def forget_npu_processes(self) -> None:
        """Another table of all NPUs' processes begins, which is newer."""
        self._processes = {key: process for key, process in self._processes.items() if key[0]}
        self._idle &= {None}

    def forget_gpu_processes(self, but: str = "") -> None:
        """Another list of GPUs' processes begins; each kind of output numbers GPUs in its own way, so only one kind can be kept."""
        self._processes = {key: process for key, process in self._processes.items() if key[0] in ("", but)}
        self._idle -= {None}

    def idle(self, npu_id: int | None) -> None:
        """The tool says that nothing runs on the card (on all GPUs: None)."""
        self._idle.add(npu_id)

    def listing(self) -> DeviceList:
        """Everything, with the notes that only the whole allows."""
        holders = [draft for draft in self._devices if draft["npu_id"] in self._idle and _holds(draft)]
        if holders:
            self.note(say("Memory is in use but no process is listed on: {devices}. In a container the tool does not see the processes "
                          "of the host and of other containers; look on the host.", devices=_names(holders)))
        if self._changed:
            self.note(say("The text holds several readings of the same device; the last one is given."))
        devices = tuple(DeviceReading(**{name: draft[name] for name in _FIELDS}) for draft in self._devices)
        if not (devices or self._processes or self._notes or self._idle):
            self.note(UNREADABLE)
        return DeviceList(devices, tuple(self._processes.values()), tuple(self._notes))


def _holds(draft: Draft) -> bool:
    # Idle devices were seen with up to 3.4 GiB of 64 in the driver's hands, and 6.6 GiB of 128.
    used, total = draft["memory_used_bytes"], draft["memory_total_bytes"]
    return used is not None and used > max(_IDLE_BYTES, (total or 0) * _IDLE_SHARE)


def _names(drafts: Iterable[Draft]) -> str:
    return ", ".join(f"GPU {draft['index']}" if draft["npu_id"] is None
                     else f"NPU {draft['npu_id']}" + (f"/{draft['chip_id']}" if draft["chip_id"] else "") for draft in drafts)


def _full(bus_id: str) -> str:
    domain, _, rest = bus_id.partition(":")
    return f"{domain.zfill(8)}:{rest}".upper()
