"""The energy of the host's processors, as the kernel counts it for each package (powercap, Intel and AMD alike)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from touchstone.clock import now_ns
from touchstone.measure.sensors import NoReadingsError, Watched
from touchstone.message import say
from touchstone.record import DeviceSample

POWERCAP = Path("/sys/class/powercap")


class _Package:
    """One package's counter, with its turns over ``max_energy_range_uj`` undone."""

    def __init__(self, zone: Path) -> None:
        self._counter = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
        self._last = self._now()
        self._total = 0

    def _now(self) -> int:
        return int(self._counter.read_text(encoding="ascii"))

    def energy_uj(self) -> int:
        """Microjoules since it was opened. A counter that turned over twice between two readings cannot be noticed."""
        now = self._now()
        self._total += now - self._last if now >= self._last else self._range - self._last + now
        self._last = now
        return self._total


class Rapl:
    """The sum over the packages of this host, whoever uses them."""

    name = "RAPL"

    def __init__(self, watched: Watched, root: Path = POWERCAP) -> None:
        self._launch = watched.launch
        zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1 and _is_package(zone)]
        if not zones:
            raise NoReadingsError(say("the kernel shows no energy counter of the processors in {directory}", directory=str(root)))
        try:
            self._packages = [_Package(zone) for zone in zones]
        except PermissionError as error:
            raise NoReadingsError(say("only root may read the energy counter of the processors; to allow it: sudo chmod a+r {file}",
                                      file=f"{root}/intel-rapl:*/energy_uj")) from error
        except (OSError, ValueError) as error:
            raise _broken(error) from error

    def read(self) -> Sequence[DeviceSample]:
        at_ns = now_ns()
        try:
            energy_uj = sum(package.energy_uj() for package in self._packages)
        except (OSError, ValueError) as error:
            raise _broken(error) from error
        return [DeviceSample(at_ns=at_ns, launch=self._launch, kind="cpu", index=0, energy_j=energy_uj / 1e6)]

    def facts(self) -> Mapping[str, object]:
        return {"packages": len(self._packages)}

    def close(self) -> None:
        """Nothing was started."""


def _is_package(zone: Path) -> bool:
    try:
        return (zone / "name").read_text(encoding="ascii").startswith("package")
    except (OSError, ValueError):
        return False


def _broken(error: Exception) -> NoReadingsError:
    return NoReadingsError(say("the energy counter of the processors cannot be read: {error}", error=" ".join(str(error).split())[:200]))
