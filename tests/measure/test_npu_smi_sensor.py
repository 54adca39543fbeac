"""The NPU sensor against a stand-in for npu-smi: one long watch, few calls, a reason for whatever it refuses."""

import subprocess
import sys
import time

import pytest
from fakes.npu_smi import POWER_W, REFUSED, NpuSmi

from touchstone.clock import now_ns
from touchstone.measure.sensors import NoReadingsError, Watched, npu_smi
from touchstone.measure.sensors.processes import RunProcesses

MIB = 1 << 20


def opened(tool, *devices):
    return npu_smi.NpuSmi(Watched(launch=1, kind="npu", devices=devices or ("2",), own=RunProcesses()), str(tool))


def gathered(sensor, enough, timeout_s=20):
    """What the sensor gives until ``enough(samples)``."""
    samples, deadline = [], time.monotonic() + timeout_s
    while not enough(samples):
        assert time.monotonic() < deadline, samples
        samples += sensor.read()
        time.sleep(0.02)
    return samples


def of_watch(samples):
    return [sample for sample in samples if sample.memory_used_bytes is None]


def test_the_watch_gives_power_and_one_call_memory_and_processes(tmp_path):
    stand_in, before_ns = NpuSmi(tmp_path), now_ns()
    sensor = opened(stand_in.tool)
    samples = gathered(sensor, lambda found: len(of_watch(found)) >= 6)
    facts = sensor.facts()
    sensor.close()
    first, rows = samples[0], of_watch(samples)
    assert (first.memory_used_bytes, first.power_w, first.temperature_c, first.utilization_percent) == (57_856 * MIB, 116.6, 38.0, 13.0)
    assert first.other_processes == 1  # before the run has a process, whoever is listed is another
    assert {(sample.launch, sample.kind, sample.index) for sample in samples} == {(1, "npu", 2)}
    assert [sample.power_w for sample in rows[:4]] == [*POWER_W, *POWER_W]
    stamps = [before_ns, *(sample.at_ns for sample in rows), now_ns()]
    assert stamps == sorted(stamps)
    assert stamps[-2] - stamps[1] > 5 * 40_000_000  # stamped as they came, not when they were fetched
    assert stand_in.calls() == ["info", "info watch -i 2 -c 0 -d 1 -s ptaicmb"]
    assert facts["watch"] == [True]
    assert facts["call_s"] > 0


def test_closing_ends_the_watch(tmp_path):
    stand_in = NpuSmi(tmp_path)
    sensor = opened(stand_in.tool)
    gathered(sensor, of_watch)
    assert stand_in.watching()
    sensor.close()
    assert not stand_in.watching()


def test_a_watch_does_not_outlive_a_killed_reader(tmp_path):
    stand_in = NpuSmi(tmp_path)
    code = (f"import sys, time\nfrom touchstone.measure.sensors.terminal_stream import TerminalStream\n"
            f"for line in TerminalStream([{str(stand_in.tool)!r}, 'info', 'watch', '-i', '2']): print(line, flush=True)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as reader:
        assert b"NpuID" in reader.stdout.readline()
        assert stand_in.watching()
        reader.kill()
    deadline = time.monotonic() + 10
    while stand_in.watching():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_where_watch_is_not_understood_calls_take_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(npu_smi, "FAST_PERIOD_S", 0.05)
    sensor = opened(NpuSmi(tmp_path, watches=False).tool)
    samples = gathered(sensor, lambda found: len(found) >= 4)
    assert {sample.power_w for sample in samples} == {116.6}
    assert sensor.facts()["watch"] == [False]
    assert sensor.facts()["calls"] >= 4
    sensor.close()


def test_calls_rest_ten_times_as_long_as_they_take(tmp_path, monkeypatch):
    sensor = opened(NpuSmi(tmp_path, watches=False).tool)
    sensor._calls_ns.append(700_000_000)
    assert sensor._rest_s() == pytest.approx(7.0)
    sensor._calls_ns.append(1)
    assert sensor._rest_s() == npu_smi.FAST_PERIOD_S >= 1
    sensor.close()


def test_several_devices_share_the_calls(tmp_path):
    stand_in = NpuSmi(tmp_path)
    sensor = opened(stand_in.tool, "2", "5")
    assert [(sample.index, sample.memory_used_bytes) for sample in list(sensor._samples)[:2]] == [(2, 57_856 * MIB), (5, 57_856 * MIB)]
    assert stand_in.calls().count("info") == 1
    sensor.close()


def test_the_power_of_a_card_of_two_dies_is_marked_as_such(tmp_path):
    table = tmp_path / "a3.txt"
    table.write_text("""\
| npu-smi 25.2.0                   Version: 25.2.0                                              |
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     Ascend910           | OK            | 162.8       35                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3407 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           35                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          3100 / 65536         |
+===========================+===============+====================================================+
""", encoding="utf-8")
    sensor = opened(NpuSmi(tmp_path, table=table).tool, "0", "1")
    assert [(one["chip_id"], one["power_of"]) for one in sensor.facts()["devices"]] == [(0, (0, 1)), (1, (0, 1))]
    assert [sample.power_w for sample in list(sensor._samples)[:2]] == [162.8, None]
    sensor.close()


@pytest.mark.parametrize("spoil", [lambda one: one.tool.unlink(), lambda one: one.tool.write_text("#!/nowhere\n"), NpuSmi.breaks,
                                   lambda one: one.tool.write_text("#!/bin/sh\nhead -c 3000000 /dev/urandom\n"),
                                   lambda one: one.tool.write_text("#!/bin/sh\nprintf '\\033[2Jhello\\n'\n")])
def test_a_tool_that_lists_nothing_has_a_reason(tmp_path, spoil):
    stand_in = NpuSmi(tmp_path)
    spoil(stand_in)
    with pytest.raises(NoReadingsError, match="npu-smi") as caught:
        opened(stand_in.tool)
    assert str(caught.value).isprintable()
    if stand_in.place.joinpath("broken").exists():
        assert REFUSED.read_text(encoding="utf-8").split()[-1] in str(caught.value)


def test_a_device_it_does_not_list_has_a_reason(tmp_path):
    with pytest.raises(NoReadingsError, match="lists no device 8"):
        opened(NpuSmi(tmp_path).tool, "8")


def test_a_tool_that_dies_later_ends_the_sensor_with_its_words(tmp_path, monkeypatch):
    monkeypatch.setattr(npu_smi, "FAST_PERIOD_S", 0.05)
    stand_in = NpuSmi(tmp_path, watches=False)
    sensor = opened(stand_in.tool)
    stand_in.breaks()
    with pytest.raises(NoReadingsError, match="-8005"):
        gathered(sensor, lambda _: False)
    sensor.close()


def test_without_the_tool_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(npu_smi, "_PLACES", ())
    with pytest.raises(NoReadingsError, match="npu-smi is not here"):
        npu_smi.NpuSmi(Watched(0, "npu", ("0",), RunProcesses()))
