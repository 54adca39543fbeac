"""A machine under a folder: its files, its environment, its installed packages."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from touchstone.measure.machine.place import Place

DATA = Path(__file__).parents[1] / "data" / "machines"
CONTROL = ("davinci_manager", "devmm_svm", "hisi_hdc")
TOOLKIT = "/usr/local/Ascend/ascend-toolkit"
GIB = 1 << 30


def recorded(name: str) -> str:
    return (DATA / f"{name}.txt").read_text(encoding="utf-8")


class MachineTree:
    def __init__(self, root: Path) -> None:
        self.root = root / "machine"
        self.site = root / "site-packages"
        self.root.mkdir(parents=True)
        self.site.mkdir()
        self.environment: dict[str, str] = {}
        self.python = "3.10.12"
        self.closed: set[str] = set()
        self.free_bytes = 500 * GIB
        self.shared_bytes = 64 * GIB

    def write(self, name: str, text: str | bytes = "") -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def link(self, name: str, target: str) -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def remove(self, name: str) -> None:
        path = self.root / name.lstrip("/")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def install(self, name: str, version: str, requires: Iterable[str] = ()) -> None:
        for old in self.site.glob(f"{name}-*.dist-info"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        folder = self.site / f"{name}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
        (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def torch(self, version: str, cuda: str | None = None) -> None:
        self.install("torch", version)
        (self.site / "torch").mkdir(exist_ok=True)
        (self.site / "torch" / "version.py").write_text(f"__version__ = '{version}'\ncuda: Optional[str] = {cuda!r}\nhip: Optional[str] = None\n",
                                                        encoding="utf-8")

    def place(self) -> Place:
        return Place(root=self.root, environment=self.environment, packages=[str(self.site)], architecture="aarch64", python=self.python,
                     disk=self._disk, access=lambda path, _: path.name not in self.closed)

    def _disk(self, path: Path) -> tuple[int, int, int]:
        total = self.shared_bytes if path.name == "shm" else 1000 * GIB
        return total, total - self.free_bytes, self.free_bytes


def quiet_host(tree: MachineTree, cores: int = 64) -> None:
    """A server that is ready to be measured on."""
    tree.write("/etc/os-release", 'NAME="openEuler"\nPRETTY_NAME="openEuler 22.03 (LTS-SP4)"\n')
    tree.write("/proc/sys/kernel/osrelease", "5.10.0-216.0.0.115.oe2203sp4.aarch64\n")
    tree.write("/proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 200.00\nmodel name\t: Kunpeng-920\n")
    tree.write("/proc/self/status", f"Name:\tpython3\nCpus_allowed:\tff\nCpus_allowed_list:\t0-{cores - 1}\n")
    tree.write("/sys/devices/system/cpu/online", f"0-{cores - 1}\n")
    tree.write("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n")
    tree.write("/proc/loadavg", "0.52 0.58 0.59 1/1311 1234\n")
    tree.write("/proc/meminfo", "MemTotal:       527929388 kB\nMemFree:        500000000 kB\nSwapTotal:      4194300 kB\nSwapFree:       4194300 kB\n")
    tree.write("/sys/devices/system/clocksource/clocksource0/current_clocksource", "arch_sys_counter\n")
    for node in range(4):
        tree.write(f"/sys/devices/system/node/node{node}/cpulist", "")
    tree.write("/proc/sys/kernel/numa_balancing", "0\n")
    tree.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    tree.write("/proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
                                    "Max open files            65536                65536                files     \n"
                                    "Max locked memory         unlimited            unlimited            bytes     \n")
    tree.write("/proc/self/cgroup", "0::/user.slice/session-1.scope\n")
    tree.write("/proc/1/cgroup", "0::/init.scope\n")
    tree.write("/dev/shm/.keep")
    tree.environment |= {"HOME": "/root", "PWD": "/root/bench", "OMP_NUM_THREADS": "8", "PATH": "/usr/bin"}


def pci(tree: MachineTree, vendor: str, device: str, kind: str, count: int) -> None:
    for number in range(count):
        folder = f"/sys/bus/pci/devices/0000:{number:02x}:00.0"
        for name, value in (("vendor", vendor), ("device", device), ("class", kind)):
            tree.write(f"{folder}/{name}", value + "\n")


def healthy_910b(root: Path) -> MachineTree:
    """Eight 910B, driver 24.1.rc3, CANN 8.0.0, torch 2.4.0 with torch_npu 2.4.0.post2, everything loaded."""
    tree = MachineTree(root)
    quiet_host(tree)
    pci(tree, "0x19e5", "0xd802", "0x120000", 8)
    for name in (*CONTROL, *(f"davinci{number}" for number in range(8))):
        tree.write(f"/dev/{name}")
    tree.write("/usr/local/Ascend/driver/version.info", recorded("driver-24.1.rc3.b999"))
    tree.write("/usr/local/Ascend/firmware/version.info", recorded("firmware-7.7.0.1.231"))
    tree.write("/etc/ascend_install.info", recorded("ascend_install.info"))
    tree.write(f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info", recorded("cann-8.0.0"))
    tree.write(f"{TOOLKIT}/8.0.0/lib64/libhccl.so")
    tree.write(f"{TOOLKIT}/8.0.0/lib64/libascendcl.so")
    tree.link(f"{TOOLKIT}/latest", "8.0.0")
    tree.write(f"{TOOLKIT}/set_env.sh")
    tree.write("/usr/local/Ascend/nnal/atb/8.0.0/atb/cxx_abi_0/lib/libatb.so")
    tree.link("/usr/local/Ascend/nnal/atb/latest", "8.0.0")
    tree.write("/usr/local/Ascend/nnal/atb/set_env.sh")
    tree.environment |= {
        "ASCEND_HOME_PATH": f"{TOOLKIT}/latest", "ATB_HOME_PATH": "/usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_0",
        "LD_LIBRARY_PATH": f"/usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_0/lib:{TOOLKIT}/latest/lib64:/usr/local/Ascend/driver/lib64",
        "TORCH_NPU_FALLBACK_CPU_DISABLE": "1"}
    tree.torch("2.4.0")
    tree.install("torch_npu", "2.4.0.post2", ["torch==2.4.0", "pyyaml"])
    tree.install("numpy", "1.26.4")
    tree.install("tokenizers", "0.19.1")
    tree.install("transformers", "4.43.2", ["numpy>=1.17", "tokenizers<0.20,>=0.19", "torch; extra == 'torch'"])
    return tree


def cann_85(root: Path) -> MachineTree:
    """The layout from 8.5 on: ``cann-8.5.0`` with a link ``cann``, its own set_env.sh, torch_npu 2.9.0."""
    tree = healthy_910b(root)
    for name in (f"{TOOLKIT}/latest", f"{TOOLKIT}/set_env.sh", f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info",
                 "/usr/local/Ascend/nnal/atb/latest"):
        tree.remove(name)
    # Of this release the layout is known, but not what its files say; these lines are made up after those of older ones.
    tree.write("/usr/local/Ascend/driver/version.info", "Version=25.5.0\ncompatible_version_fw=[7.0.0,7.8.99]\n")
    tree.write("/usr/local/Ascend/cann-8.5.0/aarch64-linux/ascend_toolkit_install.info", "package_name=Ascend-cann-toolkit\nversion=8.5.0\n")
    tree.write("/usr/local/Ascend/cann-8.5.0/lib64/libhccl.so")
    tree.write("/usr/local/Ascend/cann-8.5.0/set_env.sh")
    tree.link("/usr/local/Ascend/cann", "cann-8.5.0")
    tree.link("/usr/local/Ascend/nnal/atb/latest", "8.5.0")
    tree.write("/usr/local/Ascend/nnal/atb/8.5.0/atb/cxx_abi_1/lib/libatb.so")
    tree.environment |= {"ASCEND_HOME_PATH": "/usr/local/Ascend/cann-8.5.0",
                         "LD_LIBRARY_PATH": "/usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_1/lib:/usr/local/Ascend/cann-8.5.0/lib64"}
    tree.torch("2.9.0+cpu")
    tree.install("torch_npu", "2.9.0")
    return tree


def container_without_nodes(root: Path) -> MachineTree:
    """The image of an engine, started without the devices: the host's chips are on the bus, nothing is in /dev."""
    tree = healthy_910b(root)
    for name in (*CONTROL, *(f"davinci{number}" for number in range(8))):
        tree.remove(f"/dev/{name}")
    for name in ("/usr/local/Ascend/driver/version.info", "/usr/local/Ascend/firmware/version.info", "/etc/ascend_install.info"):
        tree.remove(name)
    tree.write("/.dockerenv")
    tree.shared_bytes = 64 << 20
    return tree


def healthy_h100(root: Path) -> MachineTree:
    """One H100 with a driver of the 550 branch and torch for CUDA 12.6."""
    tree = MachineTree(root)
    quiet_host(tree, cores=16)
    pci(tree, "0x10de", "0x2330", "0x030200", 1)
    tree.write("/dev/nvidia0")
    tree.write("/dev/nvidiactl")
    tree.write("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31 09:35:42 UTC 2024\n"
                                              "GCC version:  gcc version 12.3.0\n")
    tree.write("/run/nvidia-persistenced/socket")
    tree.torch("2.8.0+cu126", "12.6")
    return tree


def plain_computer(root: Path) -> MachineTree:
    """No accelerator, no torch."""
    tree = MachineTree(root)
    quiet_host(tree, cores=8)
    pci(tree, "0x8086", "0x1237", "0x060000", 2)
    return tree
