"""Sensors on recorded fakes: right units, a reason for what cannot be read, and never an exception of another kind."""

import os
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest
from fakes.nvml import MIB, Nvml
from hypothesis import given
from hypothesis import strategies as st

from touchstone.measure.sensors import NoReadingsError, Watched, open_sensor
from touchstone.measure.sensors import nvml as nvml_sensor
from touchstone.measure.sensors.choice import chosen_devices, runs_here
from touchstone.measure.sensors.processes import RunProcesses
from touchstone.measure.sensors.rapl import Rapl


def watched(*devices, kind="cuda", pid=None, elsewhere=False):
    own = RunProcesses(elsewhere=elsewhere)
    own.pid = pid
    return Watched(launch=3, kind=kind, devices=devices or ("0",), own=own)


# ── which devices ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("device", "count", "variables", "chosen"), [
    ("cuda", 1, {}, ("0",)), ("cuda:1", 1, {}, ("1",)), ("npu:2", 2, {}, ("2", "3")), ("cpu", 1, {}, ("0",)),
    ("cuda:1", 1, {"CUDA_VISIBLE_DEVICES": "4, 6"}, ("6",)), ("cuda", 2, {"CUDA_VISIBLE_DEVICES": "7,5,1"}, ("7", "5")),
    ("npu:1", 1, {"ASCEND_RT_VISIBLE_DEVICES": "2,3", "CUDA_VISIBLE_DEVICES": ""}, ("3",)),
    ("cuda", 1, {"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, ("GPU-8932f937",)), ("cuda", 1, {"CUDA_VISIBLE_DEVICES": "0,-1,2"}, ("0",)),
])
def test_a_program_s_numbers_become_the_driver_s(device, count, variables, chosen):
    assert chosen_devices(device, count, variables) == chosen


@pytest.mark.parametrize(("device", "count", "variables"), [
    ("cuda:1", 1, {"CUDA_VISIBLE_DEVICES": "4"}), ("cuda:1", 1, {"CUDA_VISIBLE_DEVICES": "0,-1,2"}), ("cuda", 1, {"CUDA_VISIBLE_DEVICES": ""}),
    ("npu", 4, {"ASCEND_RT_VISIBLE_DEVICES": "0,1,2"}), ("npu", 1, {"ASCEND_RT_VISIBLE_DEVICES": "GPU-1"}),
])
def test_a_device_that_is_not_visible_is_not_guessed(device, count, variables):
    with pytest.raises(NoReadingsError, match="VISIBLE_DEVICES shows"):
        chosen_devices(device, count, variables)


@given(st.text(max_size=30), st.integers(0, 3), st.integers(1, 3))
def test_hostile_visibility_gives_devices_or_a_reason(text, first, count):
    try:
        found = chosen_devices(f"npu:{first}", count, {"ASCEND_RT_VISIBLE_DEVICES": text})
    except NoReadingsError:
        return
    assert len(found) == count
    assert all(one.isdecimal() for one in found)


@pytest.mark.parametrize(("url", "here"), [(None, True), ("http://localhost:8000", True), ("http://127.0.0.1:1/v1", True), ("http://[::1]:80", True),
                                           ("http://10.0.0.7:8000", False), ("https://example.org", False)])
def test_a_server_on_another_machine_has_other_devices(url, here):
    assert runs_here(url) is here


def test_a_kind_nobody_reads_has_a_reason():
    with pytest.raises(NoReadingsError):
        open_sensor(watched(kind="abacus"))


# ── whose processes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_processes_of_the_run_are_told_from_others():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import os, sys; print(os.getpid(), flush=True); sys.stdin.read()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        grandchild = int(child.stdout.readline())
        own = RunProcesses()
        assert own.others([child.pid, 1]) == 2  # before the run has a process, all are others'
        own.pid = child.pid
        assert own.others([child.pid, grandchild]) == 0
        assert own.others([grandchild, 1, os.getpid()]) == 2
        assert own.others([2**22 + 7]) is None  # a list without the run's own process is of another namespace
        assert own.others([]) is None
        assert RunProcesses(elsewhere=True).others([1]) is None
        child.stdin.close()


# ── NVML ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nvml_s_units_become_ours():
    (sample,) = nvml_sensor.Nvml(watched(pid=os.getpid()), Nvml(pids=[os.getpid(), 1])).read()
    assert (sample.launch, sample.kind, sample.index) == (3, "cuda", 0)
    assert sample.memory_used_bytes == 1_008 * MIB  # without what the driver keeps for itself
    assert (sample.power_w, sample.temperature_c, sample.utilization_percent) == (312.456, 61.0, 97.0)
    assert sample.energy_j > 5_000_000
    assert sample.frequency_hz == 1_980_000_000
    assert (sample.throttle, sample.other_processes) == ("", 1)


def test_an_old_driver_s_names_are_used_where_the_new_are_missing():
    sensor = nvml_sensor.Nvml(watched(), Nvml(lacks=["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetCurrentClocksEventReasons"]))
    (sample,) = sensor.read()
    assert (sample.memory_used_bytes, sample.throttle) == (1_559 * MIB, "")
    assert "memory_reserved_bytes" not in sensor.facts()["devices"][0]
    assert sensor.facts()["devices"][0]["unavailable"] == {}


def test_what_a_gpu_does_not_give_is_none_and_listed():
    sensor = nvml_sensor.Nvml(watched(), Nvml(lacks=["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetComputeRunningProcesses"]))
    (sample,) = sensor.read()
    assert (sample.energy_j, sample.other_processes, sample.power_w) == (None, None, 312.456)
    assert sensor.facts()["devices"][0]["unavailable"] == {"energy_j": "Function Not Found", "other_processes": "Function Not Found"}


def test_several_gpus_by_number_and_by_name():
    library = Nvml(names=["NVIDIA L40S"] * 4)
    assert [sample.index for sample in nvml_sensor.Nvml(watched("3", "1"), library).read()] == [3, 1]
    assert [sample.index for sample in nvml_sensor.Nvml(watched("GPU-2a2b"), library).read()] == [2]


@pytest.mark.parametrize(("devices", "names"), [(("1",), ["A"]), (("GPU-ffff",), ["A", "A"]), (("GPU-",), ["A", "A"]), (("MIG-1234",), ["A"])])
def test_a_gpu_that_is_not_there_has_a_reason(devices, names):
    library = Nvml(names=names)
    with pytest.raises(NoReadingsError):
        nvml_sensor.Nvml(watched(*devices), library)
    assert library.shut_down == 1


def test_gpus_of_several_models_are_not_guessed(monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    library = Nvml(names=["NVIDIA T400", "NVIDIA H100"])
    with pytest.raises(NoReadingsError, match="PCI_BUS_ID"):
        nvml_sensor.Nvml(watched("0"), library)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert nvml_sensor.Nvml(watched("1"), library).read()[0].index == 1


def test_a_gpu_that_falls_off_ends_the_sensor_with_a_reason():
    library = Nvml()
    sensor = nvml_sensor.Nvml(watched(), library)
    library.lost = True
    with pytest.raises(NoReadingsError, match="GPU is lost"):
        sensor.read()


@pytest.mark.parametrize(("bits", "words"), [
    (0, ""), (0x1, ""), (0x4, "sw_power_cap"), (0x41, "hw_thermal_slowdown"), (0x68, "hw_slowdown,sw_thermal_slowdown,hw_thermal_slowdown"),
    (0x10004, "sw_power_cap,0x10000"), (0x80, "hw_power_brake_slowdown")])
def test_reasons_for_a_low_clock_are_words(bits, words):
    assert nvml_sensor.throttle_words(bits) == words


def test_the_binding_has_every_name_of_the_fake():
    names = [name for name in dir(Nvml) if name.startswith(("nvml", "NVML"))]
    assert len(names) > 15
    assert [name for name in names if not hasattr(pynvml, name)] == []
    for name, word in ((name, name.removeprefix("nvmlClocksEventReason")) for name in dir(pynvml) if name.startswith("nvmlClocksEventReason")):
        if word not in {"All", "None", "GpuIdle", "UserDefinedClocks"}:
            assert nvml_sensor.throttle_words(getattr(pynvml, name)).replace("_", "") == word.lower()


def test_without_a_driver_there_is_a_reason():
    class NoDriver(Nvml):
        def nvmlInit(self):  # noqa: N802 - its real name
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    with pytest.raises(NoReadingsError, match="NVML cannot be opened"):
        nvml_sensor.Nvml(watched(), NoDriver())


# ── RAPL ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

RANGE_UJ = 262_143_328_850


def zone(root: Path, name: str, kind: str, energy_uj: object, range_uj: object = RANGE_UJ) -> Path:
    path = root / name
    path.mkdir()
    for file, content in (("name", kind), ("energy_uj", energy_uj), ("max_energy_range_uj", range_uj)):
        (path / file).write_text(f"{content}\n", encoding="ascii")
    return path


def energy(sensor):
    (sample,) = sensor.read()
    assert (sample.kind, sample.index, sample.power_w) == ("cpu", 0, None)
    return sample.energy_j


def test_packages_are_summed_and_nothing_else(tmp_path):
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000), zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    core, whole = zone(tmp_path, "intel-rapl:0:0", "core", 500), zone(tmp_path, "intel-rapl:2", "psys", 9)
    sensor = Rapl(watched(kind="cpu"), tmp_path)
    start = energy(sensor)
    for path, value in ((first, 3_500_000), (second, 8_000_000), (core, 10**9), (whole, 10**9)):
        (path / "energy_uj").write_text(str(value), encoding="ascii")
    assert energy(sensor) - start == pytest.approx(3.5)
    assert sensor.facts() == {"packages": 2}


@given(st.lists(st.integers(0, RANGE_UJ - 1), min_size=1, max_size=30), st.integers(0, RANGE_UJ - 1))
def test_a_counter_that_turns_over_goes_on_rising(steps, begin):
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = zone(Path(name), "intel-rapl:0", "package-0", begin)
        sensor = Rapl(watched(kind="cpu"), Path(name))
        start, value, total = energy(sensor), begin, 0
        for step in steps:
            value, total = (value + step) % RANGE_UJ, total + step
            (path / "energy_uj").write_text(str(value), encoding="ascii")
            assert energy(sensor) - start == pytest.approx(total / 1e6, rel=1e-9, abs=1e-6)


def test_a_counter_nobody_may_read_has_a_cure(tmp_path, monkeypatch):
    zone(tmp_path, "intel-rapl:0", "package-0", 5)

    def refuse(path, **_):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return real(path, encoding="ascii")

    real = Path.read_text  # root may read anything, so the kernel's refusal is played
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(NoReadingsError, match="sudo chmod a\\+r"):
        Rapl(watched(kind="cpu"), tmp_path)


@pytest.mark.parametrize("content", ["", "junk", "9" * 5000])
def test_a_broken_counter_has_a_reason(tmp_path, content):
    path = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    sensor = Rapl(watched(kind="cpu"), tmp_path)
    (path / "energy_uj").write_text(content, encoding="ascii")
    with pytest.raises(NoReadingsError, match="cannot be read"):
        sensor.read()


def test_a_host_without_counters_has_a_reason(tmp_path):
    with pytest.raises(NoReadingsError, match="no energy counter"):
        Rapl(watched(kind="cpu"), tmp_path)
