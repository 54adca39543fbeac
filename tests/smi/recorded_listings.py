"""A listing as short lines, to be compared with what a person read in the recorded output."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
RECORDED = {path.name: path for topic in ("npu-smi", "nvidia-smi") for path in sorted((DATA / topic).glob("*.txt")) if path.name != "expected.txt"}
BOXES = [name for name in RECORDED if name.startswith(("info-", "table-"))]


def text_of(name):
    """A recorded output."""
    return RECORDED[name].read_text(encoding="utf-8")


def expected():
    """The lines of expected.txt below each name of a file."""
    found = {}
    for topic in ("npu-smi", "nvidia-smi"):
        for line in (DATA / topic / "expected.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                lines = found.setdefault(line[3:], [])
            elif line:
                lines.append(line)
    return found


def lines_of(listing):
    """``index npu/chip name health W C % used/total bus``, a dash for None; sizes in MiB; processes after a >."""
    lines = [" | ".join(map(_shown, (device.index, device.npu_id, device.chip_id, device.name, device.health, device.power_w, device.temperature_c,
                                     device.utilization_percent, _mebibytes(device.memory_used_bytes), _mebibytes(device.memory_total_bytes),
                                     device.bus_id))) for device in listing.devices]
    return lines + ["> " + " | ".join(map(_shown, (process.pid, process.name, process.npu_id, process.chip_id, _mebibytes(process.memory_bytes))))
                    for process in listing.processes]


def _shown(value):
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _mebibytes(size):
    assert size is None or size % (1 << 20) == 0
    return None if size is None else size >> 20
