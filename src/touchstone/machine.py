"""What a machine is and what is installed on it, as far as that bears on inference. Sizes in bytes.

None means that there is none; where it could not be read instead, :attr:`Machine.unknown` holds the reason under the field's name.
Nothing here is secret: no addresses, no serial numbers, no values of proxies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from touchstone.message import Message

CONTROL_NODES = ("davinci_manager", "devmm_svm", "hisi_hdc")
"""The nodes in ``/dev`` that every program on an NPU opens besides the devices' own."""


@dataclass(frozen=True)
class Space:
    """Free bytes where ``purpose`` puts its files."""

    purpose: str
    path: str
    free_bytes: int


@dataclass(frozen=True)
class Host:
    """The computer, or the part of it that this process may use."""

    os: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    container: bool = False
    cpu: str | None = None
    cores: int | None = None  # that this process may run on, by affinity
    host_cores: int | None = None
    quota_cores: float | None = None  # of the control group
    governor: str | None = None
    load_average: float | None = None  # of the last minute
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None  # of the control group
    swap_used_bytes: int | None = None
    clock_source: str | None = None
    numa_nodes: int | None = None
    numa_balancing: bool | None = None
    huge_pages: str | None = None
    open_files: int | None = None  # None: unlimited
    locked_memory_bytes: int | None = None  # None: unlimited
    shared_memory_bytes: int | None = None
    spaces: tuple[Space, ...] = ()


@dataclass(frozen=True)
class Release:
    """A driver or firmware of Ascend's: ``inner`` is its version among its kind, the rest is what it says it goes with."""

    version: str
    inner: str | None = None
    inner_versions: tuple[str, ...] = ()
    firmware_ranges: tuple[tuple[str, str], ...] = ()
    driver_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Toolkit:
    """An installed CANN. ``set_env`` is the script that loads its environment."""

    path: str
    version: str | None = None
    inner: str | None = None
    inner_versions: tuple[str, ...] = ()
    set_env: str | None = None


@dataclass(frozen=True)
class Ascend:
    """Ascend's devices and software.

    ``chips`` are seen on the PCI bus, ``nodes`` and ``control_nodes`` are files of ``/dev``, ``closed_nodes`` those of them that this user
    may not open. ``toolkit`` is the CANN that programs would find first, ``lost_home`` what ``ASCEND_HOME_PATH`` names if nothing is
    there; ``libraries`` are those of CANN and NNAL that the loader finds.
    """

    chips: int | None = None
    nodes: tuple[int, ...] = ()
    control_nodes: tuple[str, ...] = ()
    closed_nodes: tuple[str, ...] = ()
    driver: Release | None = None
    firmware: Release | None = None
    install_status: str | None = None
    toolkit: Toolkit | None = None
    toolkits: tuple[Toolkit, ...] = ()
    lost_home: str | None = None
    broken_links: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    nnal: Toolkit | None = None


@dataclass(frozen=True)
class Nvidia:
    """NVIDIA's devices and driver. ``compatibility`` is the package that lets an older driver run a newer CUDA."""

    chips: int | None = None
    nodes: tuple[int, ...] = ()
    driver: str | None = None
    compatibility: bool = False
    persistence_daemon: bool = False


@dataclass(frozen=True)
class Requirement:
    """What a distribution's metadata demands of another one that is installed."""

    text: str
    name: str
    installed: str


@dataclass(frozen=True)
class Package:
    """An installed Python distribution and its requirements, those of extras left out."""

    name: str
    version: str
    requires: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class ImportTrial:
    """Whether a process of its own could import ``module``; None where it did not end in time."""

    module: str
    succeeded: bool | None
    error: str = ""


@dataclass(frozen=True)
class Python:
    """The interpreter and the packages of the field, by normalised name (``torch-npu``). ``torch_cuda`` is what torch was built for."""

    version: str
    packages: Mapping[str, Package] = field(default_factory=dict)
    torch_cuda: str | None = None

    def installed(self, name: str) -> str | None:
        """The version of the package called ``name`` (normalised), or None."""
        found = self.packages.get(name)
        return found.version if found else None


@dataclass(frozen=True)
class Machine:
    """Everything ``doctor`` judges.

    ``variables`` are those that change how engines run; ``proxies`` the names of the proxy variables that are set, and ``loopback_direct``
    whether loopback addresses are excepted from them. ``unknown`` has reasons by field (``host.governor``).
    """

    host: Host
    ascend: Ascend
    nvidia: Nvidia
    python: Python
    variables: Mapping[str, str] = field(default_factory=dict)
    proxies: tuple[str, ...] = ()
    loopback_direct: bool = True
    imports: tuple[ImportTrial, ...] = ()
    unknown: Mapping[str, Message] = field(default_factory=dict)

    @property
    def wants_npu(self) -> bool:
        """Whether software for Ascend devices is installed, so that one is expected to work."""
        return bool(self.ascend.toolkit or self.ascend.broken_links or self.python.installed("torch-npu"))

    @property
    def has_npu(self) -> bool:
        """Whether any trace of an Ascend device is there."""
        return bool(self.ascend.chips or self.ascend.nodes or self.ascend.driver)

    @property
    def has_gpu(self) -> bool:
        """Whether any trace of an NVIDIA device is there."""
        return bool(self.nvidia.chips or self.nvidia.nodes or self.nvidia.driver)
