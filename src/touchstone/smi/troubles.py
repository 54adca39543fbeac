"""What the tools say where they can say nothing of the devices, with its cause and cure."""

from __future__ import annotations

import re

from touchstone.message import Message, say
from touchstone.smi.gathered import Gathered
from touchstone.smi.lines import Reader

_DCMI = re.compile(r"dcmi (?:module|model) initializ\w* failed.*?\bret is (-?[0-9]{1,6})\b")
_LIBRARY = re.compile(r"([\w.+-]{3,60}\.so[\w.]{0,20}): cannot open shared object file")
_LOST = re.compile(r"Unable to determine the device handle for GPU\s?([0-9A-Fa-f:.]{1,16}[0-9A-Fa-f])")

_DCMI_TROUBLES: dict[int, Message] = {
    -8005: say("npu-smi could not open the driver (dcmi -8005): this user or container has no right to the devices, or another container "
               "holds them, or the driver was upgraded without a restart. Give the container /dev/davinci*, davinci_manager, devmm_svm and "
               "hisi_hdc with 'rwm' in its device cgroup ('rw' is not enough), and run as a user of the driver's group."),
    -8020: say("npu-smi could not open the driver (dcmi -8020): another container holds the device. Stop that container, or give this one "
               "another device."),
}
_OTHERS: tuple[tuple[str, Message], ...] = (
    ("couldn't communicate with the NVIDIA driver", say("nvidia-smi cannot reach the driver: it is not loaded, or is not the one of the "
                                                        "running kernel. Install it for this kernel and restart the machine.")),
    ("Driver/library version mismatch", say("The NVIDIA driver in the kernel and its library are of different versions: the driver was "
                                            "upgraded without a restart. Restart the machine.")),
    ("Failed to initialize NVML", say("nvidia-smi could not open the driver. In a container, start it again with its GPUs (--gpus all); "
                                      "after an upgrade of the driver, restart the machine.")),
    ("No devices were found", say("nvidia-smi finds no GPU that this user or container may see.")),
    ("npu-smi: command not found", say("npu-smi is not installed or not on the PATH; it is in /usr/local/sbin or /usr/local/bin of the host.")),
    ("npu-smi: not found", say("npu-smi is not installed or not on the PATH; it is in /usr/local/sbin or /usr/local/bin of the host.")),
    ("nvidia-smi: command not found", say("nvidia-smi is not installed or not on the PATH.")),
    ("nvidia-smi: not found", say("nvidia-smi is not installed or not on the PATH.")),
    ("Container ID verify failed", say("A device that is visible here belongs to another container, and the driver then answers for none. "
                                       "Show this container its own devices only.")),
)


class Troubles(Reader):
    """Reads messages of failure."""

    def __init__(self, found: Gathered) -> None:
        self._found = found

    def takes(self, line: str) -> bool:
        message = _trouble(line)
        if message is not None:
            self._found.note(message)
        return message is not None


def _trouble(line: str) -> Message | None:
    dcmi, library, lost = _DCMI.search(line), _LIBRARY.search(line), _LOST.search(line)
    if dcmi:
        code = int(dcmi[1])
        return _DCMI_TROUBLES.get(code) or say("npu-smi could not open the driver (dcmi {code}). Check that the driver is loaded and that "
                                               "this user or container may use the devices.", code=code)
    if library:
        return say("A library of the driver is missing: {library}. In a container, mount the driver's lib64 folder and add it to "
                   "LD_LIBRARY_PATH.", library=library[1])
    if lost:
        return say("The GPU at {bus} does not answer the driver: it fell off the bus or needs a reset.", bus=lost[1])
    return next((message for mark, message in _OTHERS if mark in line), None)
