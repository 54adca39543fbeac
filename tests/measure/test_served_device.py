"""What a server's device is called: as the driver says, where it is the one that was asked for."""

import pytest

from touchstone.device_list import DeviceList, DeviceReading
from touchstone.measure.devices import served
from touchstone.measure.devices.served import ServedDevice

HOST = DeviceList((DeviceReading(0, name="NVIDIA H100 80GB HBM3"), DeviceReading(1, name="NVIDIA L4"),
                   DeviceReading(0, npu_id=0, chip_id=0, name="910B3"), DeviceReading(3, npu_id=3, chip_id=0, name="Ascend910")))


@pytest.mark.parametrize(("asked", "variables", "name"), [
    ("cuda", {}, "NVIDIA H100 80GB HBM3"), ("cuda:1", {}, "NVIDIA L4"), ("npu:0", {}, "Ascend910B3"), ("npu:3", {}, "Ascend910"),
    ("npu:0", {"ASCEND_RT_VISIBLE_DEVICES": "3"}, "Ascend910"), ("cuda:0", {"CUDA_VISIBLE_DEVICES": "1"}, "NVIDIA L4"),
    ("npu:7", {}, "npu:7"), ("cuda:1", {"CUDA_VISIBLE_DEVICES": "0"}, "cuda:1"),
])
def test_its_name_is_the_drivers(asked, variables, name, monkeypatch):
    for variable in ("CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(served, "read_machine", lambda: HOST)
    assert ServedDevice(asked, list).identity() == {"name": name}


def test_an_accelerators_memory_is_left_to_the_telemetry():
    memory = ServedDevice("npu:0", list).memory()
    assert (memory.device_total, memory.peak_resident) == (None, None)
