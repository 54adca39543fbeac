"""Reads what npu-smi and nvidia-smi print: whatever of it is there, however it was copied.

A text is taken line by line, and each line is offered to a few small readers that know their own by its content: no reader counts
columns of characters, so wider tables of later drivers, indentation, prompts and log prefixes do not matter. What several outputs say
of one device is put together.
"""

from __future__ import annotations

from touchstone.device_list import DeviceList
from touchstone.message import say
from touchstone.smi.gathered import UNREADABLE, Gathered
from touchstone.smi.gpu_csv import GpuCsv
from touchstone.smi.gpu_dmon import GpuDmon
from touchstone.smi.gpu_log import GpuLog, GpuNames
from touchstone.smi.gpu_table import GpuTable
from touchstone.smi.lines import Reader, cleaned, command_of
from touchstone.smi.npu_columns import NpuMapping, NpuWatch
from touchstone.smi.npu_fields import NpuFields
from touchstone.smi.npu_table import NpuTable
from touchstone.smi.troubles import Troubles

__all__ = ["LARGEST_BYTES", "UNREADABLE", "decoded", "read_listing"]

LARGEST_BYTES = 16 << 20
"""What is read of a file. An hour of ``npu-smi info watch`` on sixteen devices is less than half of it."""
_MOST_LINES = 200_000


def decoded(content: bytes) -> str:
    """The text of a file, whatever is in it: UTF-16 with its mark, as PowerShell writes it, else UTF-8."""
    return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="replace")


def read_listing(text: str) -> DeviceList:
    """The devices, processes and troubles that the output of npu-smi or nvidia-smi in ``text`` names. Never raises.

    MB of npu-smi and MiB of nvidia-smi are both 2^20 bytes. Of several readings of one device the last counts.
    """
    found = Gathered()
    readers: tuple[Reader, ...] = (Troubles(found), GpuTable(found), NpuTable(found), GpuLog(found), GpuNames(found), GpuCsv(found),
                                   GpuDmon(found), NpuMapping(found), NpuWatch(found), NpuFields(found))
    count = 0
    for count, line in enumerate(cleaned(text[:LARGEST_BYTES])):
        if count == _MOST_LINES:
            break
        command = command_of(line)
        if command is not None:
            for reader in readers:
                reader.asked(command)
        else:
            next((reader for reader in readers if reader.takes(line)), None)
    for reader in readers:
        reader.end()
    if count >= _MOST_LINES or len(text) > LARGEST_BYTES:
        found.note(say("The text is longer than {lines} lines or {most} MiB; the rest was not read.", lines=_MOST_LINES, most=LARGEST_BYTES >> 20))
    return found.listing()
