"""What is read of a machine: recorded files in every layout, and nothing invented where they are missing, cut or hostile."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from fakes.machine_tree import (
    GIB,
    TOOLKIT,
    MachineTree,
    cann_85,
    container_without_nodes,
    healthy_910b,
    healthy_h100,
    plain_computer,
    recorded,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from touchstone.judge.doctor import diagnose
from touchstone.measure.machine import Place, read_machine
from touchstone.measure.machine.ascend import cann_version, driver_version
from touchstone.measure.machine.trial import try_import
from touchstone.measure.machine.variables import loopback_direct, proxies
from touchstone.report.doctor_text import to_json, to_text


def test_a_whole_machine(tmp_path):
    machine = read_machine(healthy_910b(tmp_path).place())
    ascend, host = machine.ascend, machine.host
    assert (ascend.chips, ascend.nodes, ascend.closed_nodes) == (8, tuple(range(8)), ())
    assert ascend.driver.version == "24.1.rc3.b999"
    assert ascend.driver.inner == "V100R001C21SPC003B235"
    assert ascend.driver.inner_versions == ("V100R001C17", "V100R001C18", "V100R001C19", "V100R001C20", "V100R001C21")
    assert ascend.driver.firmware_ranges == (("7.0.0", "7.7.99"),)
    assert ascend.firmware.driver_prefixes == ("23.0.0", "24.0", "24.1", "25.0")
    assert ascend.install_status == "complete"
    assert (ascend.toolkit.version, ascend.toolkit.path, ascend.toolkit.set_env) == ("8.0.0", f"{TOOLKIT}/latest", f"{TOOLKIT}/set_env.sh")
    assert len(ascend.toolkits) == 1  # the link and its target are one
    assert ascend.libraries == ("libascendcl.so", "libhccl.so", "libatb.so")
    assert (ascend.nnal.version, ascend.nnal.set_env) == ("8.0.0", "/usr/local/Ascend/nnal/atb/set_env.sh")
    assert (host.cores, host.host_cores, host.quota_cores, host.governor) == (64, 64, None, "performance")
    assert (host.memory_bytes, host.memory_limit_bytes, host.swap_used_bytes) == (527929388 * 1024, None, 0)
    assert (host.open_files, host.locked_memory_bytes, host.numa_nodes, host.load_average) == (65536, None, 4, 0.52)
    assert not host.container
    assert machine.python.torch_cuda is None
    assert [one.text for one in machine.python.packages["transformers"].requires] == ["numpy>=1.17", "tokenizers<0.20,>=0.19"]
    assert machine.unknown == {}


@pytest.mark.parametrize(("name", "version", "inner"), [
    ("cann-8.0.0", "8.0.0", "V100R001C20SPC001B251"), ("cann-8.2.RC1.alpha001", "8.2.RC1.alpha001", "V100R001C22B041"),
    ("cann-8.3.RC2", "8.3.RC2", "V100R001C23SPC002B210")])
def test_recorded_install_files(tmp_path, name, version, inner):
    tree = healthy_910b(tmp_path)
    tree.write(f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info", recorded(name))
    toolkit = read_machine(tree.place()).ascend.toolkit
    assert (toolkit.version, toolkit.inner) == (version, inner)


def test_the_layout_from_85_on(tmp_path):
    ascend = read_machine(cann_85(tmp_path).place()).ascend
    assert (ascend.toolkit.version, ascend.toolkit.set_env) == ("8.5.0", "/usr/local/Ascend/cann-8.5.0/set_env.sh")
    assert len(ascend.toolkits) == 1
    assert ascend.nnal.version == "8.5.0"


def test_without_variables_the_link_is_followed(tmp_path):
    tree = cann_85(tmp_path)
    del tree.environment["ASCEND_HOME_PATH"], tree.environment["LD_LIBRARY_PATH"]
    ascend = read_machine(tree.place()).ascend
    assert (ascend.toolkit.path, ascend.toolkit.set_env) == ("/usr/local/Ascend/cann", "/usr/local/Ascend/cann/set_env.sh")
    assert ascend.libraries == ()


def test_a_user_s_own_installation_does_not_name_the_user(tmp_path):
    tree = plain_computer(tmp_path)
    tree.environment["HOME"] = "/home/wang.xiaoming"
    tree.write("/home/wang.xiaoming/Ascend/cann/x86_64-linux/ascend_toolkit_install.info", "version=9.0.0\n")
    tree.write("/home/wang.xiaoming/Ascend/cann/set_env.sh")
    machine = read_machine(tree.place())
    assert machine.ascend.toolkit.set_env == "~/Ascend/cann/set_env.sh"
    assert "wang" not in to_json(machine, diagnose(machine), str)


def test_an_older_release_only_left_version_cfg(tmp_path):
    tree = plain_computer(tmp_path)
    tree.write(f"{TOOLKIT}/latest/version.cfg", "# version: 1.0\nruntime_running_version=[7.1.0.3.220:8.0.RC1]\n")
    assert cann_version(tree.place()) == "8.0.RC1"


def test_the_loader_s_cache_counts_as_found(tmp_path):
    tree = healthy_910b(tmp_path)
    del tree.environment["LD_LIBRARY_PATH"]
    tree.write("/etc/ld.so.cache", b"glibc-ld.so.cache1.1\0libhccl.so\0/usr/local/lib/libhccl.so\0")
    assert read_machine(tree.place()).ascend.libraries == ("libhccl.so",)


def test_broken_links_are_named_with_their_targets(tmp_path):
    tree = plain_computer(tmp_path)
    tree.link("/usr/local/Ascend/cann", "cann-8.5.0")
    tree.link(f"{TOOLKIT}/latest", "8.0.0")
    ascend = read_machine(tree.place()).ascend
    assert ascend.broken_links == ("/usr/local/Ascend/cann -> cann-8.5.0", f"{TOOLKIT}/latest -> 8.0.0")
    assert ascend.toolkit is None


def test_a_container(tmp_path):
    machine = read_machine(container_without_nodes(tmp_path).place())
    assert machine.host.container
    assert (machine.ascend.chips, machine.ascend.nodes, machine.ascend.driver) == (8, (), None)
    assert machine.host.shared_memory_bytes == 64 << 20
    assert str(machine.unknown["ascend.driver"]) == "/usr/local/Ascend/driver/version.info does not say its version"


@pytest.mark.parametrize(("files", "quota_cores", "memory_limit_bytes"), [
    ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n", "/sys/fs/cgroup/memory.max": "8589934592\n"}, 1.5, 8 * GIB),
    ({"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/cpu.max": "400000 100000", "/sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 4.0, None),
    ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 0.5, None),
    ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824"}, None, GIB),
    ({"/proc/self/cgroup": "0::/../../etc\n", "/sys/fs/cgroup/cpu.max": "max 100000"}, None, None),
])
def test_control_groups_of_both_versions(tmp_path, files, quota_cores, memory_limit_bytes):
    tree = plain_computer(tmp_path)
    for name, text in files.items():
        tree.write(name, text)
    host = read_machine(tree.place()).host
    assert (host.quota_cores, host.memory_limit_bytes) == (quota_cores, memory_limit_bytes)


def test_an_nvidia_machine(tmp_path):
    machine = read_machine(healthy_h100(tmp_path).place())
    assert (machine.nvidia.chips, machine.nvidia.nodes, machine.nvidia.driver, machine.nvidia.persistence_daemon) == (1, (0,), "550.90.07", True)
    assert machine.python.torch_cuda == "12.6"
    assert not machine.has_npu


def test_what_cannot_be_read_is_none_with_a_reason(tmp_path):
    machine = read_machine(MachineTree(tmp_path).place())
    names = ("governor", "load_average", "swap_used_bytes", "memory_bytes", "clock_source", "cores", "open_files", "locked_memory_bytes")
    for name in names:
        assert getattr(machine.host, name) is None
        assert str(machine.unknown[f"host.{name}"])
    assert not machine.has_npu
    assert not machine.has_gpu


def test_other_cards_of_huawei_are_not_chips(tmp_path):
    tree = plain_computer(tmp_path)
    tree.write("/sys/bus/pci/devices/0000:09:00.0/vendor", "0x19e5\n")
    tree.write("/sys/bus/pci/devices/0000:09:00.0/device", "0x1822\n")  # a network card
    assert read_machine(tree.place()).ascend.chips == 0


def test_proxies_are_told_by_name_only(tmp_path):
    tree = plain_computer(tmp_path)
    tree.environment |= {"https_proxy": "http://user:s3cret@10.1.2.3:3128", "HF_TOKEN": "hf_s3cret", "ASCEND_RT_VISIBLE_DEVICES": "0"}
    machine = read_machine(tree.place())
    assert machine.proxies == ("https_proxy",)
    assert dict(machine.variables) == {"ASCEND_RT_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "8"}
    assert not {"s3cret", "10.1.2.3"} & set(to_json(machine, diagnose(machine), str).replace('"', " ").split())


@pytest.mark.parametrize(("environment", "names", "direct"), [
    ({}, (), False), ({"http_proxy": "http://p:1", "no_proxy": "localhost, 127.0.0.1"}, ("http_proxy",), True),
    ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, ("HTTP_PROXY",), True), ({"ALL_PROXY": "x", "no_proxy": "localhost"}, ("ALL_PROXY",), False),
    ({"http_proxy": " "}, (), False), ({"http_proxy": "p", "no_proxy": "127.0.0.0/8,localhost"}, ("http_proxy",), True)])
def test_loopback_and_proxies(environment, names, direct):
    assert (proxies(environment), loopback_direct(environment)) == (names, direct)


def test_versions_for_the_record_of_a_run(tmp_path):
    place = healthy_910b(tmp_path).place()
    assert (driver_version(place), cann_version(place)) == ("24.1.rc3.b999", "8.0.0")


def test_this_machine_can_be_read():
    machine = read_machine()
    assert machine.host.memory_bytes > 1 << 28
    assert machine.python.installed("llm-touchstone")
    assert machine.python.installed("numpy")


def test_a_plug_in_that_breaks_is_told_by_its_own_error(tmp_path):
    (tmp_path / "torch_npu.py").write_text(
        "try:\n    raise ImportError('libhccl.so: cannot open shared object file: No such file or directory')\n"
        "except ImportError as error:\n    raise RuntimeError('Failed to load the backend extension: torch_npu.') from error\n", encoding="utf-8")
    trial = try_import("torch_npu", {"PYTHONPATH": str(tmp_path)})
    assert trial.succeeded is False
    assert trial.error == "ImportError: libhccl.so: cannot open shared object file: No such file or directory"


def test_imports_that_work_die_or_hang(tmp_path):
    for name, code in (("good", ""), ("dies", "import os; os._exit(9)"), ("hangs", "import time; time.sleep(60)")):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path)}
    assert try_import("good", environment).succeeded is True
    dead = try_import("dies", environment)
    assert (dead.succeeded, dead.error) == (False, "exit code 9")
    assert try_import("hangs", environment, timeout_s=0.5).succeeded is None


FILES = ("/etc/os-release", "/etc/ascend_install.info", "/proc/self/status", "/proc/self/limits", "/proc/self/cgroup", "/proc/meminfo", "/proc/loadavg",
         "/proc/cpuinfo", "/proc/driver/nvidia/version", "/sys/devices/system/cpu/online", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max",
         "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
         "/usr/local/Ascend/driver/version.info", "/usr/local/Ascend/firmware/version.info", f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info",
         f"{TOOLKIT}/8.0.0/version.cfg", "/etc/ld.so.cache", "/sys/bus/pci/devices/0000:00:00.0/vendor", "/dev/davinci999999999999")
NAMES = ("ASCEND_HOME_PATH", "LD_LIBRARY_PATH", "ASCEND_RT_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TASK_QUEUE_ENABLE",
         "ASCEND_LAUNCH_BLOCKING", "PYTORCH_NPU_ALLOC_CONF", "HOME", "PWD", "TOUCHSTONE_CACHE", "XDG_CACHE_HOME", "HF_HOME", "no_proxy", "http_proxy")
HOSTILE = st.sampled_from([
    "\x1b[2J\x1b]0;owned\x07", "<script>alert(1)</script>", "\0", "9" * 5000, "-1", "٣", "²", "NaN", "Version=" + "9." * 3000, "\udcff\udc80", "/" * 300,
    "compatible_version_fw=[9,", "[[[[[]]]],,,", "0-99999999999", "0-1,", "max", "1e999", "=", "{0.__class__}", "{command}", "version={says}",
    "Max open files            99999999999999999999 1 files", "/../../../../etc", "Version=8.0.0\ninnerversion=[", "0," * 4000])
TEXTS = st.one_of(HOSTILE, st.text(max_size=200), st.lists(HOSTILE, max_size=3).map("\n".join))


@settings(max_examples=150)
@given(files=st.dictionaries(st.sampled_from(FILES), st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=300)),
                             max_size=6),
       variables=st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=20).map("ASCEND_".__add__)), TEXTS, max_size=6),
       versions=st.dictionaries(st.sampled_from(["torch", "torch_npu", "vllm", "vllm_ascend", "numpy"]),
                                st.one_of(st.sampled_from(["2.9.0", "0.11.0rc1", "x", "9" * 5000, "1.0+\x1b[31m", "v2", "1!2"]),
                                          st.text(st.characters(codec="ascii"), max_size=20)), max_size=3))
@example(files={"/usr/local/Ascend/driver/version.info": b"x" * (3 << 20)}, variables={"ASCEND_HOME_PATH": "x" * 5000}, versions={})
@example(files={}, variables={"ASCEND_RT_VISIBLE_DEVICES": "{0.__class__}\x1b[2J"}, versions={"torch_npu": "{oops}"})
def test_nothing_that_files_or_variables_say_crashes_it_or_steers_a_terminal(files, variables, versions):
    with tempfile.TemporaryDirectory() as folder:
        tree = healthy_910b(Path(folder))
        for name, content in files.items():
            tree.write(name, content)
        tree.environment |= variables
        for name, version in versions.items():
            metadata = next(iter(tree.site.glob(f"{name}-*.dist-info")), None)
            if metadata:
                (metadata / "METADATA").write_text(f"Name: {name}\nVersion: {version}\nRequires-Dist: numpy{version}\n", encoding="utf-8")
        machine = read_machine(tree.place())
        diagnoses = diagnose(machine)
        text = to_text(machine, diagnoses, str)
        said = json.loads(to_json(machine, diagnoses, str))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert said["problems"] == sum(one["severity"] == "problem" for one in said["diagnoses"])
    assert len(json.dumps(said["diagnoses"])) < 40_000  # nobody's megabytes are passed on
    json.dumps(said).encode("ascii")


@pytest.mark.parametrize("name", ["../../etc", "/" * 300, "a" * 5000, "\0", "", "/dev/\udcff"])
def test_impossible_names_are_not_there(tmp_path, name):
    place = Place(root=tmp_path)
    assert place.text(name) is None
    assert place.link(name) is None
    assert place.entries(name + "x", "*") == []
    assert place.space("/nowhere" + name.strip("/")) is None or isinstance(place.space("/nowhere" + name.strip("/")), tuple)
