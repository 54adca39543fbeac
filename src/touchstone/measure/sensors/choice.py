"""Which devices of the driver a target means: programs count what they may see, drivers count what there is."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from touchstone.measure.sensors import NoReadingsError
from touchstone.message import say

_VISIBLE = {"cuda": "CUDA_VISIBLE_DEVICES", "npu": "ASCEND_RT_VISIBLE_DEVICES"}
_HERE = {"localhost", "::1", "0.0.0.0", ""}  # noqa: S104 - compared with, not bound to


def chosen_devices(device: str, count: int, variables: Mapping[str, str]) -> tuple[str, ...]:
    """The driver's numbers (or UUIDs) of the ``count`` devices from ``device`` (``cuda:1``) on, as the visibility variables map them.

    Raises :class:`NoReadingsError` where the variable shows fewer. As in CUDA, what follows an entry that is not valid is not visible.
    """
    kind, _, first = device.partition(":")
    if kind not in _VISIBLE:
        return ("0",)
    wanted = range(int(first or 0), int(first or 0) + count)
    named = variables.get(_VISIBLE[kind])
    if named is None:
        return tuple(map(str, wanted))
    visible: list[str] = []
    for entry in named.split(","):
        if not (entry.strip().isdecimal() or (kind == "cuda" and entry.strip().startswith(("GPU-", "MIG-")))):
            break
        visible.append(entry.strip())
    if wanted[-1] >= len(visible):
        raise NoReadingsError(say("{variable} shows {visible} device(s); {device} and {count} in all were asked for",
                                  variable=_VISIBLE[kind], visible=len(visible), device=device, count=count))
    return tuple(visible[place] for place in wanted)


def runs_here(base_url: str | None) -> bool:
    """Whether a server's devices are this machine's, as far as its address tells; None is an engine of our own."""
    host = (urlsplit(base_url).hostname or "") if base_url else ""
    return host in _HERE or host.startswith("127.")
