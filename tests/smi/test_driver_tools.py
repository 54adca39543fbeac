"""The live machine: tools that are scripts, device nodes that are files, and an NVML that is a table."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import psutil
import pytest
from recorded_listings import RECORDED, expected, lines_of

from touchstone.clock import now_ns, sleep
from touchstone.device_list import DeviceList, DeviceReading
from touchstone.measure.devices import driver_tools
from touchstone.measure.devices.driver_tools import ask, read_machine

A3 = "info-25.2.0-A3-2npu-4die-proc.txt"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder that is the whole PATH; neither NVML nor the usual places are there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(driver_tools, "_PLACES", ())
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return folder


@pytest.fixture
def nodes(tmp_path):
    """A folder like /dev, with two NPUs in it and what else a driver puts there."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("davinci0", "davinci10", "davinci_manager", "devmm_svm", "davinci1x"):
        (folder / name).touch()
    return folder


def install(folder, name, script):
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def said(listing):
    return "\n".join(map(str, listing.notes))


def test_npu_smi_is_read_and_its_cost_is_said(tools, tmp_path):
    install(tools, "npu-smi", f"/bin/cat {RECORDED[A3]}")
    found = read_machine(tmp_path)
    assert lines_of(found) == expected()[A3]
    assert said(found).startswith("Asking npu-smi info took 0.")


def test_npu_smi_is_found_where_the_driver_puts_it(tools, tmp_path, monkeypatch):
    place = tmp_path / "sbin"
    place.mkdir()
    install(place, "npu-smi", f"/bin/cat {RECORDED[A3]}")
    monkeypatch.setattr(driver_tools, "_PLACES", (str(place),))
    assert len(read_machine(tmp_path).devices) == 4


def test_devices_without_npu_smi_are_listed_by_their_nodes(tools, nodes):
    found = read_machine(nodes)
    assert found.devices == (DeviceReading(0), DeviceReading(10))
    assert "mount npu-smi" in said(found)


def test_an_npu_smi_without_rights_leaves_the_nodes_and_the_reason(tools, nodes):
    install(tools, "npu-smi", f"/bin/cat {RECORDED['errors-container.txt']}; exit 1")
    found = read_machine(nodes)
    assert found.devices == (DeviceReading(0), DeviceReading(10))
    assert "'rwm'" in said(found)


def test_a_slow_npu_smi_is_stopped_with_all_its_children(tools, nodes):
    install(tools, "npu-smi", "/bin/sleep 61.25 & echo started; wait")
    started_ns = now_ns()
    found = read_machine(nodes, timeout_s=0.3)
    assert now_ns() - started_ns < 30e9
    assert found.devices == (DeviceReading(0), DeviceReading(10))
    assert said(found).startswith("npu-smi info did not answer within 0.")
    for _ in range(50):
        left = [process for process in psutil.process_iter(["cmdline", "status"])
                if "61.25" in (process.info["cmdline"] or ()) and process.info["status"] != psutil.STATUS_ZOMBIE]
        if not left:
            break
        sleep(0.1)
    assert left == []


def test_a_tool_that_cannot_be_run_is_an_answer_too(tmp_path):
    broken = tmp_path / "npu-smi"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    answer = ask([str(broken)], 5)
    assert answer.code == 126
    assert answer.text


def test_bytes_that_are_no_text_do_not_matter(tools, tmp_path):
    install(tools, "npu-smi", f"printf '\\377\\303'; /bin/cat {RECORDED[A3]}")
    assert len(read_machine(tmp_path).devices) == 4


def test_a_machine_without_accelerators_says_what_was_looked_for(tools, tmp_path):
    found = read_machine(tmp_path)
    assert found.devices == ()
    assert "/dev/davinci*" in said(found)


def test_nvidia_smi_stands_in_for_nvml(tools, tmp_path):
    install(tools, "nvidia-smi", 'case "$1" in *compute-apps*) echo "pid, process_name, used_gpu_memory [MiB], gpu_bus_id"; '
            'echo "77, python, 101 MiB, 00000000:0F:00.0";; *) echo "index, name, temperature.gpu, power.draw [W], utilization.gpu [%], '
            'memory.used [MiB], memory.total [MiB], pci.bus_id"; echo "0, NVIDIA L40S, 41, 33.10 W, 2 %, 5 MiB, 46068 MiB, 00000000:0F:00.0";; esac')
    assert lines_of(read_machine(tmp_path)) == ["0 | - | - | NVIDIA L40S | - | 33.1 | 41 | 2 | 5 | 46068 | 00000000:0F:00.0", "> 77 | python | - | - | 101"]


def test_gpus_without_a_driver_are_listed_by_their_nodes(tools, tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    found = read_machine(tmp_path)
    assert found.devices == (DeviceReading(0), DeviceReading(1))
    assert "--gpus all" in said(found)
    install(tools, "nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    found = read_machine(tmp_path)
    assert found.devices == (DeviceReading(0), DeviceReading(1))
    assert "different versions" in said(found)


class NvmlError(Exception):
    """What NVML raises."""


def nvml(**changed):
    """One GPU of which NVML tells everything but its utilisation."""
    def not_supported(*_):
        raise NvmlError("Not Supported")

    table = {
        "NVMLError": NvmlError, "NVML_TEMPERATURE_GPU": 0, "nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index, "nvmlDeviceGetName": lambda _: b"NVIDIA H100", "nvmlDeviceGetPowerUsage": lambda _: 69_250,
        "nvmlDeviceGetUtilizationRates": not_supported, "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=3 << 20, total=81559 << 20),
        "nvmlDeviceGetPciInfo": lambda _: SimpleNamespace(busId="00000000:0F:00.0"), "nvmlDeviceGetTemperature": lambda _, sensor: 29 + sensor,
        "nvmlDeviceGetComputeRunningProcesses": lambda _: [SimpleNamespace(pid=7, usedGpuMemory=None), SimpleNamespace(pid=8, usedGpuMemory=1 << 20)],
        "nvmlSystemGetProcessName": lambda pid: "python" if pid == 8 else not_supported(),
    }
    return SimpleNamespace(**{**table, **changed})


def test_nvml_is_asked_first(tools, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    assert lines_of(read_machine(tmp_path)) == ["0 | - | - | NVIDIA H100 | - | 69.25 | 29 | - | 3 | 81559 | 00000000:0F:00.0",
                                                "> 7 | - | - | - | -", "> 8 | python | - | - | 1"]


def test_an_nvml_without_a_driver_is_no_error(tools, tmp_path, monkeypatch):
    def fails():
        raise NvmlError("Driver Not Loaded")

    monkeypatch.setitem(sys.modules, "pynvml", nvml(nvmlInit=fails))
    assert said(read_machine(tmp_path)).startswith("There is no accelerator here")
    (tmp_path / "nvidia0").touch()
    assert said(read_machine(tmp_path)) == "The driver of NVIDIA does not answer: Driver Not Loaded."


def test_gpus_and_npus_of_one_machine_stand_side_by_side(tools, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    install(tools, "npu-smi", f"/bin/cat {RECORDED[A3]}")
    assert [device.npu_id for device in read_machine(tmp_path).devices] == [None, 0, 0, 1, 1]
    assert read_machine(tmp_path) != DeviceList()
