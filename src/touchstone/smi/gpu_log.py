"""``nvidia-smi -q``, indented sections of ``name : value``, and ``nvidia-smi -L``."""

from __future__ import annotations

import re

from touchstone.device_list import DeviceProcess
from touchstone.smi.gathered import Draft, Gathered
from touchstone.smi.lines import Reader, integer, number, word

_GPU = re.compile(r"\s*GPU ([0-9A-Fa-f]{8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])\s*")
_ATTACHED = re.compile(r"\s*Attached GPUs\s*: ([0-9]{1,4})\s*")
_FIELD = re.compile(r"\s+([A-Za-z][\w ./()-]{0,60}?)\s*: ?(.*)")
_SECTION = re.compile(r"\s+([A-Za-z][\w ./()-]{0,60})")
_POWER = ("Power Draw", "Average Power Draw", "Instantaneous Power Draw")
_NAMES = re.compile(r"\s*GPU ([0-9]{1,4}): (?:(.{1,120}?) \(UUID: (GPU-[0-9A-Za-z-]{4,60})\)|((?:NVIDIA|Tesla|GeForce|Quadro) [\w .-]{1,80}))\s*")


class GpuNames(Reader):
    """Reads ``-L``, also as other tools repeat it, without the UUIDs. A MIG slice stands on a line of another form and is no device."""

    def __init__(self, found: Gathered) -> None:
        self._found = found

    def takes(self, line: str) -> bool:
        found = _NAMES.fullmatch(line)
        if found:
            self._found.fill(self._found.gpu(int(found[1]), uuid=found[3]), {"name": word((found[2] or found[4]).strip())})
        return found is not None


class GpuLog(Reader):
    """Reads ``-q`` from the first line that names a GPU."""

    def __init__(self, found: Gathered) -> None:
        self._found = found
        self._gpus: list[Draft] = []
        self._attached: int | None = None
        self._section = ""
        self._powered = False
        self._process: dict[str, str] = {}

    def takes(self, line: str) -> bool:
        gpu, attached = _GPU.fullmatch(line), _ATTACHED.fullmatch(line)
        if attached:
            self.end()
            self._found.forget_gpu_processes(but="log")
            self._attached = int(attached[1])
        elif gpu:
            self._flush()
            self._gpus.append(self._found.gpu(bus_id=gpu[1]))
            self._section, self._powered = "", False
        return bool(attached or gpu) or (bool(self._gpus) and self._inside(line))

    def forget(self) -> None:
        self.end()

    def end(self) -> None:
        self._flush()
        if len(self._gpus) == self._attached:  # of fewer it is not known which they are
            for index, draft in enumerate(self._gpus):
                self._found.fill(draft, {"index": index})
        self._gpus, self._attached, self._section = [], None, ""

    def _inside(self, line: str) -> bool:
        field = _FIELD.fullmatch(line)
        if field:
            self._take(field[1], field[2].strip())
            return True
        section = _SECTION.fullmatch(line)
        if section:
            self._section = section[1].strip()
        return section is not None

    def _take(self, name: str, value: str) -> None:
        draft = self._gpus[-1]
        amount, _, unit = value.partition(" ")
        section = self._section
        if name == "Product Name":
            self._found.fill(draft, {"name": word(value)})
        elif section == "FB Memory Usage" and name in {"Total", "Used"} and unit == "MiB":
            size = integer(amount)
            self._found.fill(draft, {f"memory_{name.lower()}_bytes": None if size is None else size << 20})
        elif section == "Utilization" and name.lower() == "gpu" and unit == "%":
            self._found.fill(draft, {"utilization_percent": number(amount)})
        elif section == "Temperature" and name == "GPU Current Temp" and unit == "C":
            self._found.fill(draft, {"temperature_c": number(amount)})
        elif section in {"Power Readings", "GPU Power Readings"} and name in _POWER and unit == "W" and not self._powered:
            self._powered = True
            self._found.fill(draft, {"power_w": number(amount)})
        elif name == "Process ID":
            self._flush()
            self._process = {name: value}
        elif self._process and name in {"Name", "Used GPU Memory"}:
            self._process[name] = value

    def _flush(self) -> None:
        process, self._process = self._process, {}
        pid = integer(process.get("Process ID", ""))
        if pid is not None and self._gpus:
            amount, _, unit = process.get("Used GPU Memory", "").partition(" ")
            size = integer(amount) if unit == "MiB" else None
            self._found.process(DeviceProcess(pid, word(process.get("Name", "")), memory_bytes=None if size is None else size << 20),
                                "log", self._gpus[-1]["bus_id"])
