"""Each rule fires on the machine it is for, and is silent on healthy ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes.machine_tree import (
    TOOLKIT,
    MachineTree,
    cann_85,
    container_without_nodes,
    healthy_910b,
    healthy_h100,
    plain_computer,
    recorded,
)

from touchstone.diagnosis import Severity
from touchstone.judge.doctor import RULES, diagnose
from touchstone.machine import ImportTrial, Requirement
from touchstone.measure.machine import read_machine

PROBLEM, WARNING, NOTE, CANNOT_TELL, OK = Severity
DRIVER, FIRMWARE, INSTALL = "/usr/local/Ascend/driver/version.info", "/usr/local/Ascend/firmware/version.info", "/etc/ascend_install.info"
NNAL = "/usr/local/Ascend/nnal/atb"


def named(tree: MachineTree, *trials: ImportTrial):
    return {one.rule: one for one in diagnose(read_machine(tree.place(), trials))}


@pytest.mark.parametrize("make", [healthy_910b, cann_85, healthy_h100, plain_computer])
def test_a_healthy_machine_has_nothing_to_cure(make, tmp_path):
    assert [(one.rule, str(one.says), one.evidence) for one in diagnose(read_machine(make(tmp_path).place())) if one.severity is not OK] == []


def change(**variables: str) -> Callable[[MachineTree], None]:
    return lambda tree: tree.environment.update(variables)


def without(*names: str) -> Callable[[MachineTree], None]:
    return lambda tree: [tree.environment.pop(name) for name in names]


def writes(name: str, text: str) -> Callable[[MachineTree], None]:
    return lambda tree: tree.write(name, text)


def removes(*names: str) -> Callable[[MachineTree], None]:
    return lambda tree: [tree.remove(name) for name in names]


def installs(name: str, version: str, *requires: str) -> Callable[[MachineTree], None]:
    return lambda tree: tree.install(name, version, requires)


def both(*changes: Callable[[MachineTree], None]) -> Callable[[MachineTree], None]:
    return lambda tree: [one(tree) for one in changes]


def sets(**values: object) -> Callable[[MachineTree], None]:
    return lambda tree: tree.__dict__.update(values)


NO_CANN = both(removes(f"{TOOLKIT}/latest", f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info"), without("ASCEND_HOME_PATH", "LD_LIBRARY_PATH"))

ON_910B = [
    # driver, firmware, nodes
    ("ascend-driver", PROBLEM, removes("/usr/local/Ascend/driver"), "no driver"),
    ("ascend-driver", CANNOT_TELL, writes(DRIVER, "nothing"), "does not say its version"),
    ("ascend-install", WARNING, writes(INSTALL, "Driver_Install_Status=installing"), "not completed"),
    ("ascend-install", NOTE, writes(INSTALL, "UserName=HwHiAiUser"), "old drivers never do"),
    ("ascend-install", CANNOT_TELL, removes(INSTALL), "cannot be read"),
    ("ascend-firmware", WARNING, both(writes(DRIVER, recorded("driver-24.1.rc1")), writes(FIRMWARE, "Version=7.7.0.1.231")), "do not name each other"),
    ("ascend-firmware", CANNOT_TELL, removes(FIRMWARE), "firmware"),
    ("ascend-firmware", CANNOT_TELL, both(writes(DRIVER, "Version=26.0\n"), writes(FIRMWARE, "Version=8.0\n")), "does not name"),
    ("ascend-nodes", PROBLEM, removes("/dev/hisi_hdc"), "missing in /dev"),
    ("ascend-nodes", PROBLEM, sets(closed={"davinci3"}), "may not open"),
    ("ascend-nodes", PROBLEM, removes(*(f"/dev/davinci{number}" for number in range(8))), "not loaded"),
    # CANN, NNAL
    ("cann", PROBLEM, NO_CANN, "importing torch_npu fails"),
    ("cann", PROBLEM, both(NO_CANN, installs("torch_npu", "2.6.0")), "even 'import torch' fails"),
    ("cann", PROBLEM, both(NO_CANN, installs("torch_npu", "2.6.0"), change(TORCH_DEVICE_BACKEND_AUTOLOAD="0")), "importing torch_npu fails"),
    ("cann", CANNOT_TELL, writes(f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info", "?"), "says its version"),
    ("cann-links", PROBLEM, lambda tree: (tree.remove(f"{TOOLKIT}/latest"), tree.link(f"{TOOLKIT}/latest", "8.1.RC1")), "lead nowhere"),
    ("cann-loaded", PROBLEM, without("ASCEND_HOME_PATH"), "not loaded"),
    ("cann-loaded", PROBLEM, without("LD_LIBRARY_PATH"), "not loaded"),
    ("cann-loaded", PROBLEM, change(ASCEND_HOME_PATH="/opt/gone"), "not there"),
    ("nnal", WARNING, change(LD_LIBRARY_PATH=f"{TOOLKIT}/latest/lib64"), "libatb.so is not found"),
    ("nnal", WARNING, lambda tree: (tree.remove(f"{NNAL}/latest"), tree.link(f"{NNAL}/latest", "8.1.RC1"),
                                    tree.write(f"{NNAL}/8.1.RC1/atb/cxx_abi_0/lib/libatb.so")), "undefined symbol"),
    ("nnal", PROBLEM, both(removes(f"{NNAL}/latest"), installs("vllm_ascend", "0.9.1")), "libatb.so fails"),
    ("driver-cann", NOTE, writes(DRIVER, "Version=22.0.4\nInnerversion=V100R001C02\n"), "often work"),
    # packages
    ("torch-npu", PROBLEM, installs("torch_npu", "2.5.1"), "undefined symbol"),
    ("torch-npu", WARNING, installs("torch_npu", "2.4.1"), "undefined symbol"),
    ("torch-npu", CANNOT_TELL, installs("torch_npu", "unknown"), "not a number"),
    ("torch-npu-cann", NOTE, both(installs("torch_npu", "2.5.1.post1"), lambda tree: tree.torch("2.5.1")), "other pairs often work"),
    ("torch-npu-python", WARNING, sets(python="3.12.4"), "not released for Python 3.12"),
    ("two-accelerators", PROBLEM, lambda tree: tree.torch("2.4.0+cu121", "12.1"), "ERR00007"),
    ("vllm-ascend", PROBLEM, both(installs("vllm_ascend", "0.11.0"), installs("vllm", "0.9.1")), "released for vllm 0.11.0"),
    ("vllm-ascend", PROBLEM, installs("vllm_ascend", "0.11.0"), "vllm is not"),
    ("vllm-ascend", NOTE, both(installs("vllm_ascend", "0.9.1"), installs("vllm", "0.9.1")), "other versions of its parts"),
    ("vllm-ascend", NOTE, both(installs("vllm_ascend", "0.99.0"), installs("vllm", "0.99.0")), "not in our table"),
    ("requirements", PROBLEM, installs("tokenizers", "0.15.2"), "break requirements"),
    ("requirements", WARNING, installs("mindformers", "1.3.2", "tokenizers==0.15.0"), "break requirements"),
    ("requirements", WARNING, installs("mindspore", "2.4.0", "numpy>=2.0; python_version >= '3.10'"), "break requirements"),
    ("numpy-cann", NOTE, installs("numpy", "2.2.0"), "numpy 1"),
    # variables
    ("ascend-visible", PROBLEM, change(ASCEND_RT_VISIBLE_DEVICES="0,2,4,6,1,3,5,7"), "must rise"),
    ("ascend-visible", PROBLEM, change(ASCEND_RT_VISIBLE_DEVICES="1, 2,3"), "a blank included"),
    ("ascend-visible", PROBLEM, change(ASCEND_RT_VISIBLE_DEVICES="0,1,1"), "twice"),
    ("ascend-visible", PROBLEM, change(ASCEND_RT_VISIBLE_DEVICES="6,7,8"), "107001"),
    ("ascend-visible", PROBLEM, change(ASCEND_RT_VISIBLE_DEVICES=""), "no device"),
    ("ascend-visible", PROBLEM, change(ASCEND_RT_VISIBLE_DEVICES="npu0"), "digit"),
    ("cuda-visible", NOTE, change(CUDA_VISIBLE_DEVICES="0"), "does nothing for an NPU"),
    ("launch-blocking", PROBLEM, change(ASCEND_LAUNCH_BLOCKING="1"), "finding faults"),
    ("launch-blocking", PROBLEM, change(CUDA_LAUNCH_BLOCKING="1"), "finding faults"),
    ("task-queue", WARNING, change(TASK_QUEUE_ENABLE="0"), "slower"),
    ("allocator", WARNING, change(PYTORCH_NPU_ALLOC_CONF="expandable_segments:True", PYTORCH_ALLOC_CONF="expandable_segments:True"), "both set"),
    ("cpu-fallback", NOTE, without("TORCH_NPU_FALLBACK_CPU_DISABLE"), "run on the CPU"),
    ("cpu-fallback", NOTE, change(ASCEND_SKIP_CPU_FALLBACK_WARNING="1"), "does nothing"),
    ("autoload", NOTE, change(TORCH_DEVICE_BACKEND_AUTOLOAD="0"), "knows no npu"),
    ("proxy", WARNING, change(http_proxy="http://proxy:3128"), "loopback is not excepted"),
    ("omp-threads", NOTE, without("OMP_NUM_THREADS"), "not set"),
    ("omp-threads", NOTE, change(OMP_NUM_THREADS="128"), "more than the 64 cores"),
    ("omp-threads", WARNING, change(OMP_NUM_THREADS="many"), "not a count"),
    # host
    ("governor", WARNING, writes("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"), "powersave"),
    ("governor", CANNOT_TELL, removes("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "virtual machines"),
    ("load", WARNING, writes("/proc/loadavg", "48.10 40 30 9/1311 1\n"), "48.1 on 64 cores"),
    ("load", CANNOT_TELL, removes("/proc/loadavg"), "cannot be read"),
    ("swap", WARNING, writes("/proc/meminfo", "MemTotal: 527929388 kB\nSwapTotal: 20000000 kB\nSwapFree: 1000000 kB\n"), "swapped out"),
    ("disk", WARNING, sets(free_bytes=10_000_000_000), "little free space"),
    ("open-files", WARNING, writes("/proc/self/limits", "Max open files            1024                 524288               files     \n"), "1024 files"),
    ("locked-memory", NOTE, writes("/proc/self/limits", "Max locked memory         65536                65536                bytes     \n"), "RDMA"),
    ("clock", WARNING, writes("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"), "hpet"),
    ("clock", NOTE, writes("/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n"), "virtual machine"),
    ("numa-balancing", NOTE, writes("/proc/sys/kernel/numa_balancing", "1\n"), "NUMA"),
    ("huge-pages", NOTE, writes("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"), "'always'"),
    ("cpu-quota", WARNING, writes("/sys/fs/cgroup/cpu.max", "400000 100000\n"), "4 cores' worth"),
    ("memory-limit", NOTE, writes("/sys/fs/cgroup/memory.max", "17179869184\n"), "16 GiB"),
    ("shared-memory", WARNING, sets(shared_bytes=64 << 20), "bus error"),
]
ON_H100 = [
    ("nvidia-driver", PROBLEM, removes("/proc/driver/nvidia/version", "/dev/nvidia0"), "not loaded"),
    ("nvidia-driver", CANNOT_TELL, removes("/proc/driver/nvidia/version"), "cannot be read"),
    ("nvidia-persistence", NOTE, removes("/run/nvidia-persistenced/socket"), "nvidia-persistenced"),
    ("cuda-driver", PROBLEM, lambda tree: tree.torch("2.12.0+cu130", "13.0"), "from 580 on"),
    ("cuda-driver", WARNING, lambda tree: tree.torch("2.12.0+cpu"), "without CUDA"),
    ("cuda-driver", CANNOT_TELL, lambda tree: tree.torch("2.12.0", "19.0"), "our table"),
    ("cuda-visible", WARNING, change(CUDA_VISIBLE_DEVICES="-1"), "hides every device"),
    ("cuda-visible", PROBLEM, change(CUDA_VISIBLE_DEVICES="0,x"), "first wrong one"),
    ("cuda-visible", PROBLEM, change(CUDA_VISIBLE_DEVICES="0,0"), "twice"),
    ("cuda-visible", PROBLEM, change(CUDA_VISIBLE_DEVICES="1"), "not there"),
]


def check(tree, rule, severity, alter, words):
    alter(tree)
    found = named(tree)[rule]
    assert found.severity is severity, str(found.says)
    assert words in str(found.says)
    if severity in {PROBLEM, WARNING}:
        assert found.cure is not None
        assert str(found.cure)


def _id(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else ""


@pytest.mark.parametrize(("rule", "severity", "alter", "words"), ON_910B, ids=_id)
def test_rules_of_an_npu_and_its_host(tmp_path, rule, severity, alter, words):
    check(healthy_910b(tmp_path), rule, severity, alter, words)


@pytest.mark.parametrize(("rule", "severity", "alter", "words"), ON_H100, ids=_id)
def test_rules_of_a_gpu(tmp_path, rule, severity, alter, words):
    check(healthy_h100(tmp_path), rule, severity, alter, words)


def test_failed_imports_are_a_problem(tmp_path):
    tree = healthy_910b(tmp_path)
    failed = named(tree, ImportTrial("torch", succeeded=True), ImportTrial("torch_npu", succeeded=False, error="ImportError: libhccl.so: cannot open"))
    assert failed["imports"].severity is PROBLEM
    assert failed["imports"].evidence == ("torch_npu: ImportError: libhccl.so: cannot open",)
    assert str(failed["imports"].cure) == f"source {TOOLKIT}/set_env.sh"
    assert named(tree, ImportTrial("torch", succeeded=None))["imports"].severity is CANNOT_TELL
    assert named(tree, ImportTrial("torch", succeeded=True))["imports"].severity is OK


def test_every_rule_has_fired():
    assert {rule for rule, *_ in (*ON_910B, *ON_H100)} | {"imports"} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_only_the_altered_thing_is_wrong(tmp_path):
    tree = healthy_910b(tmp_path)
    tree.environment["ASCEND_RT_VISIBLE_DEVICES"] = "1,0"
    found = [one for one in diagnose(read_machine(tree.place())) if one.severity is not OK]
    assert [one.rule for one in found] == ["ascend-visible"]
    assert str(found[0].cure) == "export ASCEND_RT_VISIBLE_DEVICES=0,1"
    assert found[0].evidence == ("ASCEND_RT_VISIBLE_DEVICES=1,0",)


def test_the_container_s_variable_may_be_in_any_order(tmp_path):
    tree = healthy_910b(tmp_path)
    tree.environment["ASCEND_VISIBLE_DEVICES"] = "5,6,7,0,1,2,3,4"
    assert [one for one in diagnose(read_machine(tree.place())) if one.severity is not OK] == []


def test_ids_count_within_the_devices_that_a_container_was_given(tmp_path):
    tree = healthy_910b(tmp_path)
    for number in range(5):
        tree.remove(f"/dev/davinci{number}")
    tree.environment["ASCEND_RT_VISIBLE_DEVICES"] = "0,1,2"
    assert named(tree)["ascend-visible"].severity is OK
    tree.environment["ASCEND_RT_VISIBLE_DEVICES"] = "5,6,7"
    assert named(tree)["ascend-visible"].severity is PROBLEM


def test_a_container_without_nodes_is_told_how_to_start(tmp_path):
    found = named(container_without_nodes(tmp_path))
    assert found["ascend-nodes"].severity is PROBLEM
    assert "--device /dev/davinci0 --device /dev/davinci_manager" in str(found["ascend-nodes"].cure)
    assert found["ascend-driver"].severity is CANNOT_TELL
    assert found["shared-memory"].severity is WARNING
    assert {one.rule for one in found.values() if one.severity is PROBLEM} == {"ascend-nodes"}


def test_a_computer_without_accelerator_hears_nothing_of_ascend_or_nvidia(tmp_path):
    tree = plain_computer(tmp_path)
    tree.environment |= {"ASCEND_RT_VISIBLE_DEVICES": "1,0", "CUDA_VISIBLE_DEVICES": "x", "TASK_QUEUE_ENABLE": "0"}
    tree.shared_bytes = 1 << 20
    assert [one for one in diagnose(read_machine(tree.place())) if one.severity is not OK] == []


def test_fixture_pairs_that_are_known_to_work_are_not_warned_of(tmp_path):
    """Driver 25.2.0 with CANN 8.3.RC2 runs (vllm-ascend issue 5648) though neither names the other; what its driver says is not recorded."""
    tree = healthy_910b(tmp_path)
    tree.write(f"{TOOLKIT}/8.0.0/aarch64-linux/ascend_toolkit_install.info", recorded("cann-8.3.RC2"))
    tree.write(DRIVER, "Version=25.2.0\n")
    assert named(tree)["driver-cann"].severity is OK


@pytest.mark.parametrize(("driver", "firmware"), [("driver-25.0.rc1.1", "firmware-7.7.0.1.231"), ("driver-24.1.rc1", "firmware-7.1.0.11.220")])
def test_firmware_as_recorded_beside_its_driver(tmp_path, driver, firmware):
    tree = healthy_910b(tmp_path)
    tree.write(DRIVER, recorded(driver))
    tree.write(FIRMWARE, recorded(firmware))
    assert named(tree)["ascend-firmware"].severity is OK


def test_an_uninstalled_parser_is_not_an_all_clear(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "packaging.requirements", None)
    assert named(healthy_910b(tmp_path))["requirements"].severity is CANNOT_TELL


def test_requirements_that_nobody_can_read_accuse_nobody(tmp_path):
    machine = read_machine(healthy_910b(tmp_path).place())
    package = replace(machine.python.packages["transformers"], requires=(
        Requirement("numpy ~~ 3", "numpy", "1.26.4"), Requirement("numpy>=1", "numpy", "not a version"), Requirement("numpy; (((", "numpy", "1")))
    machine = replace(machine, python=replace(machine.python, packages={"transformers": package}))
    assert {one.rule: one.severity for one in diagnose(machine)}["requirements"] is OK


def test_the_gravest_comes_first(tmp_path):
    tree = container_without_nodes(tmp_path)
    tree.environment.pop("OMP_NUM_THREADS")
    severities = [one.severity for one in diagnose(read_machine(tree.place()))]
    assert severities == sorted(severities, key=list(Severity).index)
    assert set(severities) == set(Severity)
