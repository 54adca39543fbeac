"""What is plugged in, whether or not a driver is there for it."""

from __future__ import annotations

from touchstone.measure.machine.place import Place

_BUS = "/sys/bus/pci/devices"


def chips(place: Place, vendor: str, kind: str = "", devices: frozenset[str] = frozenset()) -> int | None:
    """How many functions of ``vendor`` are on the bus, of a class that begins with ``kind``, of these ``devices`` if any are given.

    None where the bus is not shown.
    """
    functions = place.entries(_BUS, "*")
    if not functions:
        return None
    return sum(place.text(f"{one}/vendor") == vendor and (place.text(f"{one}/class") or "").startswith(kind)
               and (not devices or place.text(f"{one}/device") in devices) for one in functions)
