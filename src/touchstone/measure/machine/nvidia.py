"""NVIDIA's devices and driver, from the kernel's own files."""

from __future__ import annotations

import re

from touchstone.machine import Nvidia
from touchstone.measure.machine.pci import chips
from touchstone.measure.machine.place import Place
from touchstone.message import Message, say

_VENDOR = "0x10de"
_DISPLAY = "0x03"  # PCI class 03: display and 3D controllers; the same cards also show audio and USB functions
_PERSISTENCE = ("/run/nvidia-persistenced/socket", "/var/run/nvidia-persistenced/socket")


def read_nvidia(place: Place, unknown: dict[str, Message]) -> Nvidia:
    """NVIDIA's part of the machine."""
    nodes = tuple(sorted(int(number) for name in place.entries("/dev", "nvidia[0-9]*")
                         if (number := name.removeprefix("/dev/nvidia")).isdecimal() and len(number) < 6))
    found = Nvidia(
        chips=chips(place, _VENDOR, kind=_DISPLAY), nodes=nodes, driver=driver_version(place),
        compatibility=bool(place.entries("/usr/local/cuda/compat", "libcuda.so*")),
        persistence_daemon=any(place.is_there(name) for name in _PERSISTENCE))
    if nodes and not found.driver:
        unknown["nvidia.driver"] = say("/proc/driver/nvidia/version cannot be read")
    return found


def driver_version(place: Place) -> str | None:
    """The version of the kernel module."""
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]{1,40})", place.text("/proc/driver/nvidia/version") or "")
    return found.group(1) if found else None
