"""One contract for every device, an NPU's calls on a recorded fake of torch_npu, and the reasons why a device cannot be had."""

import importlib.util
import os
import subprocess
import sys

import pytest
from fakes.torch_npu import TOTAL_MEMORY, Torch

from touchstone.errors import NotReadyError, UsageError
from touchstone.measure.devices import DEVICE_KINDS, installed, open_device, present
from touchstone.measure.devices.accelerator import Accelerator, checked
from touchstone.measure.devices.cpu import Cpu

TAKES_NO_DEVICE = {"Event", "Event.record", "Event.elapsed_time", "empty_cache", "is_available", "device_count"}
MISSING_LIBRARY = "libhccl.so: cannot open shared object file: No such file or directory"
OPEN_NPU = """
from touchstone.errors import NotReadyError
from touchstone.measure.devices import open_device
try:
    open_device("npu:0")
except NotReadyError as error:
    print(error)
"""


@pytest.fixture(params=DEVICE_KINDS)
def device(request):
    if request.param == "cpu":
        return Cpu()
    if request.param == "npu":
        return checked(Torch(), "npu", 0)
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return open_device("cuda:0")


def test_contract_name_and_waiting(device):
    assert device.torch_name in {"cpu", f"{device.kind}:0"}
    assert device.synchronize() is None


def test_contract_memory_is_counted_or_none(device):
    memory = device.memory()
    for name, value in vars(memory).items():
        assert value is None or (isinstance(value, int) and value >= 0), name
    for peak, now in ((memory.peak_allocated, memory.allocated), (memory.peak_reserved, memory.reserved)):
        assert (peak is None) == (now is None)
        assert peak is None or peak >= now
    assert memory.reserved is None or memory.reserved >= memory.allocated
    assert 0 < memory.device_used <= memory.device_total
    assert memory.peak_resident or memory.peak_allocated is not None


def test_contract_peaks_start_anew(device):
    before = device.memory()
    assert device.reset_peaks() is None
    after = device.memory()
    for peak in ("peak_allocated", "peak_reserved"):
        assert getattr(before, peak) is None or getattr(after, peak) <= getattr(before, peak)
    assert device.release() is None
    assert device.memory().device_total == before.device_total


def test_contract_identity_names_the_chip_and_no_serial_number(device):
    identity = device.identity()
    assert isinstance(identity["name"], str)
    assert identity["name"]
    assert None not in identity.values()
    assert not [key for key in identity if "serial" in key.lower() or "uuid" in key.lower()]


def test_contract_events_measure_milliseconds_where_there_are_any(device):
    first, last = device.event(), device.event()
    if device.kind == "cpu":
        assert first is None
        return
    first.record()
    last.record()
    device.synchronize()
    assert first.elapsed_time(last) >= 0


def test_the_fake_has_nothing_that_torch_npu_lacks():
    for name in ("get_device_capability", "utilization", "CUDAGraph", "memory_stats"):
        with pytest.raises(AttributeError):
            getattr(Torch().npu, name)


def test_an_accelerator_passes_its_own_index_everywhere():
    torch = Torch()
    device = Accelerator(torch, "npu", 3)
    device.synchronize()
    device.memory()
    device.reset_peaks()
    device.identity()
    device.release()
    used = {name for name, _ in torch.npu.calls}
    assert used >= {"synchronize", "mem_get_info", "memory_allocated", "memory_reserved", "max_memory_allocated",
                    "max_memory_reserved", "reset_peak_memory_stats", "get_device_name", "get_device_properties", "empty_cache"}
    assert {index for name, index in torch.npu.calls if name not in TAKES_NO_DEVICE} == {3}
    assert device.torch_name == "npu:3"


def test_memory_and_identity_of_an_npu_are_what_its_driver_says():
    device = Accelerator(Torch(), "npu", 0)
    memory = device.memory()
    assert (memory.allocated, memory.reserved, memory.peak_allocated, memory.peak_reserved) == (3 << 20, 5 << 20, 5 << 20, 7 << 20)
    assert (memory.device_used, memory.device_total) == (67 << 20, TOTAL_MEMORY)
    assert dict(device.identity()) == {"name": "Ascend910B3", "memory_bytes": TOTAL_MEMORY, "cube_core_num": 20, "vector_core_num": 40}
    device.reset_peaks()
    assert device.memory().peak_allocated == 3 << 20
    device.release()
    assert device.memory().reserved == 3 << 20


def test_synchronising_asks_the_device_once_and_nothing_else():
    torch = Torch()
    npu = Accelerator(torch, "npu", 3)
    assert torch.npu.calls == [("set_device", 3)]  # so that events record on this device
    npu.synchronize()
    assert torch.npu.calls[1:] == [("synchronize", 3)]


@pytest.mark.parametrize("kind", ["npu", "cuda"])
def test_no_device_is_not_ready(kind):
    with pytest.raises(NotReadyError, match=rf"torch 2.5.1 sees no {kind} device"):
        checked(Torch(devices=0), kind, 0)


def test_a_torch_without_cuda_is_said_to_be_one():
    torch = Torch(devices=0)
    torch.__version__ = "2.13.0+cpu"
    with pytest.raises(NotReadyError, match="build for CPUs"):
        checked(torch, "cuda", 0)


def test_an_index_too_high_is_not_ready_and_says_how_many_there_are():
    with pytest.raises(NotReadyError, match="npu:8; torch sees 8"):
        checked(Torch(devices=8), "npu", 8)
    assert checked(Torch(devices=8), "npu", 7).torch_name == "npu:7"


@pytest.mark.parametrize(("name", "nearest"), [
    ("cudaa", "cuda"), ("nqu:0", "npu:0"), ("CPUs", "cpu"), ("cuda:x", "cuda:0"), ("cuda:-1", "cuda:0"),
])
def test_an_unknown_device_offers_the_nearest(name, nearest):
    with pytest.raises(UsageError, match=rf"Unknown device: {name}\. Did you mean {nearest}\?"):
        open_device(name)


def test_open_device_gives_the_host():
    assert open_device("cpu").kind == "cpu"


def test_a_hidden_device_is_not_present(monkeypatch):
    for kind, variable in (("cuda", "CUDA_VISIBLE_DEVICES"), ("npu", "ASCEND_RT_VISIBLE_DEVICES")):
        for hidden in ("", "-1"):
            monkeypatch.setenv(variable, hidden)
            assert not present(kind)
    assert present("cpu")


def test_installed_reads_metadata_and_imports_nothing(tmp_path, monkeypatch):
    _install(tmp_path, "raise SystemExit('imported')", autoload=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed("torch_npu") == "2.5.1"
    assert installed("no-such-distribution") is None


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("autoload", [False, True], ids=["imported by us", "loaded by torch itself"])
def test_torch_npu_without_cann_says_what_to_source(tmp_path, autoload):
    _install(tmp_path, f"raise ImportError({MISSING_LIBRARY!r})", autoload=autoload)
    said = _python(OPEN_NPU, tmp_path)
    assert "2.5.1" in said
    assert "CANN" in said
    assert "set_env.sh" in said


def test_without_torch_npu_an_npu_is_not_ready(tmp_path):
    if installed("torch_npu"):
        pytest.skip("torch_npu is installed here")
    assert "torch_npu is not installed" in _python(OPEN_NPU, tmp_path)


def _install(directory, source, *, autoload):
    """A distribution torch_npu 2.5.1 in ``directory``; with ``autoload`` torch imports it by itself, as it does the real one."""
    information = directory / "torch_npu-2.5.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: torch_npu\nVersion: 2.5.1\n")
    if autoload:
        (information / "entry_points.txt").write_text("[torch.backends]\ntorch_npu = torch_npu:_autoload\n")
    (directory / "torch_npu.py").write_text(source + "\n")


def _python(code, path):
    """What ``code`` prints in a process of its own that finds modules in ``path`` first."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, "PYTHONPATH": str(path)})
    assert done.returncode == 0, done.stderr
    return done.stdout
