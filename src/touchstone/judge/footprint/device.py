"""Memory of one device: of a chip, of a size that is named, or of a driver's listing."""

from __future__ import annotations

from touchstone.device_list import DeviceList
from touchstone.errors import DataError, unknown_name
from touchstone.footprint import DeviceMemory
from touchstone.hardware import Chip, chips, find_chip
from touchstone.judge.footprint.claim import is_size, readings_of
from touchstone.message import say


def device_named(name: str) -> DeviceMemory:
    """The device that ``name`` means: a chip, or a size such as ``60.9GiB``, which is taken as what a program is offered.

    Raises :class:`touchstone.errors.UsageError` for what is neither.
    """
    if is_size(name):
        unit, size = readings_of(name)[0]
        return DeviceMemory(say("as given, in {unit}", unit=unit), visible_bytes=size)
    return _of_chip(_chip(name))


def _chip(name: str) -> Chip:
    found = find_chip(name)
    if found is None or (found.memory_bytes is None and found.visible_bytes is None):
        raise unknown_name(say("device"), name[:100], [chip.name for chip in chips() if chip.memory_bytes])
    return found


def _of_chip(chip: Chip) -> DeviceMemory:
    return DeviceMemory(say("{chip}", chip=chip.name), chip.visible_bytes, chip.memory_bytes)


def device_of_listing(listing: DeviceList, source: str, name: str | None) -> DeviceMemory:
    """The first device of ``listing`` whose memory is known. ``name`` says which chip it is, where its own name does not.

    npu-smi prints what the label says, so a known chip's visible memory is taken instead. Raises
    :class:`touchstone.errors.DataError` where no device's memory is known.
    """
    device = next((one for one in listing.devices if one.memory_total_bytes is not None), None)
    if device is None:
        raise DataError("{source} says of no device how much memory it has.", "Give the output of 'npu-smi info' or of 'nvidia-smi'.", source=source)
    chip = _chip(name) if name and not is_size(name) else find_chip(device.name or "")
    given = readings_of(name)[0][1] if name and is_size(name) else None
    visible = given or (chip.visible_bytes if chip else None)
    return DeviceMemory(say("{chip} in {source}", chip=chip.name if chip else device.name or say("device"), source=source), visible,
                        device.memory_total_bytes, device.memory_used_bytes)
