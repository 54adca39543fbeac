"""Ascend's devices, driver, firmware, CANN and NNAL, from the files that their installers leave.

Where they lie, by release: the driver in ``/usr/local/Ascend/driver``; CANN to 8.3 in ``ascend-toolkit/<version>`` with a link ``latest``,
from 8.5 in ``cann-<version>`` with a link ``cann``; NNAL in ``nnal/atb/<version>``. Users without root have all of it in ``~/Ascend``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from touchstone.machine import CONTROL_NODES, Ascend, Release, Toolkit
from touchstone.measure.machine.pci import chips
from touchstone.measure.machine.place import Place, properties
from touchstone.message import Message, say

_BASE = "/usr/local/Ascend"
_INSTALL_INFO = "/etc/ascend_install.info"
_HUAWEI = "0x19e5"
_CHIPS = frozenset(f"0x{device}" for device in ("d100", "d105", "d500", "d801", "d802", "d803", "d806"))
_LINKS = ("cann", "ascend-toolkit/latest", "nnae/latest")
_INFO_FILES = ("ascend_toolkit_install.info", "ascend_nnae_install.info", "ascend_nnrt_install.info")
_LIBRARIES = ("libascendcl.so", "libhccl.so", "libatb.so")
_LOADER_CACHE = "/etc/ld.so.cache"
_MOST_PATHS = 200


def read_ascend(place: Place, unknown: dict[str, Message]) -> Ascend:
    """Ascend's part of the machine; what is there but cannot be read goes into ``unknown``."""
    toolkits = tuple(_toolkits(place))
    nodes = tuple(sorted(_nodes(place)))
    there = tuple(name for name in CONTROL_NODES if place.is_there(f"/dev/{name}"))
    found = Ascend(
        chips=chips(place, _HUAWEI, devices=_CHIPS), nodes=nodes, control_nodes=there,
        closed_nodes=tuple(name for name in (*there, *(f"davinci{node}" for node in nodes)) if not place.may_open(f"/dev/{name}")),
        driver=_release(place, "driver"), firmware=_release(place, "firmware"),
        install_status=properties(place.text(_INSTALL_INFO)).get("driver_install_status"),
        toolkit=_in_use(toolkits), toolkits=toolkits, lost_home=_lost_home(place), broken_links=tuple(_broken_links(place)),
        libraries=tuple(_libraries(place)), nnal=_nnal(place))
    for part in ("driver", "firmware"):
        if getattr(found, part) is None and place.is_there(f"{_BASE}/{part}"):
            unknown[f"ascend.{part}"] = say("{path} does not say its version", path=f"{_BASE}/{part}/version.info")
    if place.text(_INSTALL_INFO) is None:
        unknown["ascend.install_status"] = say("{path} cannot be read", path=_INSTALL_INFO)
    if found.toolkit and found.toolkit.version is None:
        unknown["ascend.toolkit.version"] = say("no install file in {path} says its version", path=found.toolkit.path)
    return found


def driver_version(place: Place) -> str | None:
    """The driver's version."""
    return properties(place.text(f"{_BASE}/driver/version.info")).get("version")


def cann_version(place: Place) -> str | None:
    """The version of the CANN that programs find first."""
    toolkit = _in_use(tuple(_toolkits(place)))
    return toolkit.version if toolkit else None


def _nodes(place: Place) -> Iterator[int]:
    for name in (*place.entries("/dev", "davinci[0-9]*"), *place.entries("/dev", "vdavinci[0-9]*")):
        if found := re.fullmatch(r"/dev/v?davinci([0-9]{1,5})", name):
            yield int(found.group(1))


def _release(place: Place, part: str) -> Release | None:
    said = properties(place.text(f"{_BASE}/{part}/version.info"))
    if not said.get("version"):
        return None
    ranges = (one.partition(",") for one in _bracketed(said.get("compatible_version_fw")))
    return Release(
        version=said["version"], inner=said.get("innerversion"), inner_versions=_bracketed(said.get("compatible_version")),
        firmware_ranges=tuple((low.strip(), high.strip()) for low, _, high in ranges if high),
        driver_prefixes=tuple(one.partition(",")[0].strip() for one in _bracketed(said.get("compatible_version_drv"))))


def _bracketed(text: str | None) -> tuple[str, ...]:
    """The parts of ``[one],[two]``."""
    return tuple(part.strip() for part in re.findall(r"\[([^\[\]]+)\]", text or ""))


def _bases(place: Place) -> Iterator[str]:
    yield _BASE
    if home := place.environment.get("HOME", "").rstrip("/"):
        yield f"{home}/Ascend"


def _toolkits(place: Place) -> Iterator[Toolkit]:
    """Every CANN, the one that the environment names first; a folder that several links lead to counts once."""
    seen: set[str] = set()
    for path in _candidates(place):
        file, said = _install_file(place, path)
        real = place.real(file or path)
        if place.is_there(path) and real not in seen and (file or path == _home(place)):
            seen.add(real)
            yield Toolkit(path=place.shown(path), version=said.get("version"), inner=said.get("innerversion"),
                          inner_versions=_bracketed(said.get("compatible_version")), set_env=_set_env(place, path))


def _candidates(place: Place) -> Iterator[str]:
    if home := _home(place):
        yield home
    for base in _bases(place):
        yield from (f"{base}/{link}" for link in _LINKS)
        yield from place.entries(base, "cann-[0-9]*")
        yield from place.entries(f"{base}/ascend-toolkit", "[0-9]*")


def _home(place: Place) -> str | None:
    home = place.environment.get("ASCEND_HOME_PATH", "").rstrip("/")
    return home if home.startswith("/") else None


def _install_file(place: Place, path: str) -> tuple[str | None, dict[str, str]]:
    """The file that the installer left and what it says; older releases only left ``version.cfg``."""
    for file in _INFO_FILES:
        for name in place.entries(path, f"*-linux/{file}"):
            if (said := properties(place.text(name))).get("version"):
                return name, said
    found = re.search(r"_running_version=\[(?:[^:\]]*:)?([^\]:]{1,40})\]", place.text(f"{path}/version.cfg") or "")
    return (f"{path}/version.cfg", {"version": found.group(1)}) if found else (None, {})


def _in_use(toolkits: tuple[Toolkit, ...]) -> Toolkit | None:
    """The one that ``ASCEND_HOME_PATH`` or else a link names: :func:`_toolkits` has them in that order."""
    return toolkits[0] if toolkits else None


def _lost_home(place: Place) -> str | None:
    home = _home(place)
    return place.shown(home) if home and not place.is_there(home) else None


def _set_env(place: Place, path: str) -> str | None:
    for name in (f"{path}/set_env.sh", f"{PurePosixPath(path).parent}/set_env.sh"):
        if place.is_there(name):
            return place.shown(name)
    return None


def _broken_links(place: Place) -> Iterator[str]:
    for base in _bases(place):
        for link in (*_LINKS, "nnal/atb/latest"):
            target = place.link(f"{base}/{link}")
            if target is not None and not place.is_there(f"{base}/{link}"):
                yield f"{place.shown(f'{base}/{link}')} -> {target}"


def _libraries(place: Place) -> Iterable[str]:
    """The libraries in the folders of ``LD_LIBRARY_PATH`` or in the loader's cache."""
    folders = [folder for folder in place.environment.get("LD_LIBRARY_PATH", "").split(":")[:_MOST_PATHS] if folder.startswith("/")]
    cache = place.content(_LOADER_CACHE, 1 << 24) or b""
    return (name for name in _LIBRARIES
            if name.encode() in cache or any(place.is_there(f"{folder.rstrip('/')}/{name}") for folder in folders))


def _nnal(place: Place) -> Toolkit | None:
    for base in _bases(place):
        latest = f"{base}/nnal/atb/latest"
        if place.is_there(latest):
            target = PurePosixPath(place.link(latest) or "").name
            return Toolkit(path=place.shown(latest), version=target if target[:1].isdigit() else None,
                           set_env=_set_env(place, latest))
    return None
