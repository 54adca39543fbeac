"""Reads the machine: files of the kernel and of drivers, the environment, metadata of installed packages."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.machine import ImportTrial, Machine
from touchstone.measure.machine.ascend import read_ascend
from touchstone.measure.machine.host import read_host
from touchstone.measure.machine.nvidia import read_nvidia
from touchstone.measure.machine.place import Place
from touchstone.measure.machine.python import read_python
from touchstone.measure.machine.trial import try_imports
from touchstone.measure.machine.variables import loopback_direct, proxies, variables
from touchstone.message import Message

__all__ = ["Place", "read_machine", "try_imports"]
_MOST_CHARACTERS = 500  # of a variable's value


def read_machine(place: Place | None = None, imports: Sequence[ImportTrial] = ()) -> Machine:
    """The facts of this machine, or of the one that ``place`` describes."""
    place = place or Place()
    unknown: dict[str, Message] = {}
    return Machine(
        host=read_host(place, unknown), ascend=read_ascend(place, unknown), nvidia=read_nvidia(place, unknown), python=read_python(place, unknown),
        variables={name: value[:_MOST_CHARACTERS] for name, value in variables(place.environment).items()},
        proxies=proxies(place.environment), loopback_direct=loopback_direct(place.environment),
        imports=tuple(imports), unknown=unknown)
