"""A recorded fake of what torch looks like once torch_npu is imported: the part of ``torch.npu`` that Touchstone may use.

Names and behaviour follow notes/ascend.md section 3.1 (Ascend/pytorch torch_npu/npu). Anything else is an AttributeError, so
code that calls a function which exists only under ``torch.cuda`` fails here and not on somebody's NPU.
"""

from types import SimpleNamespace

TOTAL_MEMORY = 65_452_113_920  # an Atlas 800I A2, as get_device_properties gives it
MIB = 1 << 20


class Event:
    """A timing event; ``elapsed_time`` is in milliseconds and wants both ends recorded with timing on."""

    def __init__(self, npu, enable_timing):
        self._npu, self._enable_timing, self._at = npu, enable_timing, None

    def record(self):
        self._npu.calls.append(("Event.record", None))
        self._at = len(self._npu.calls)

    def elapsed_time(self, end):
        if not (self._enable_timing and self._at and end._at):
            raise RuntimeError("both events must be recorded with timing enabled")
        self._npu.calls.append(("Event.elapsed_time", None))
        return float(end._at - self._at)


class Npu:
    """The namespace ``torch.npu``. ``calls`` holds (function, device index or None) in the order they came."""

    def __init__(self, devices=8, name="Ascend910B3"):
        self.calls = []
        self._devices, self._name = devices, name
        self._current, self._peak, self._cached = 3 * MIB, 5 * MIB, 2 * MIB

    def _called(self, function, device):
        self.calls.append((function, device))
        if device is not None and not 0 <= device < self._devices:
            raise RuntimeError(f"Invalid device ID {device}.")

    def is_available(self):
        self.calls.append(("is_available", None))
        return self._devices > 0

    def device_count(self):
        self.calls.append(("device_count", None))
        return self._devices

    def synchronize(self, device=None):
        self._called("synchronize", device)

    def Event(self, enable_timing=False):  # noqa: N802 - its real name
        self.calls.append(("Event", None))
        return Event(self, enable_timing)

    def memory_allocated(self, device=None):
        self._called("memory_allocated", device)
        return self._current

    def memory_reserved(self, device=None):
        self._called("memory_reserved", device)
        return self._current + self._cached

    def max_memory_allocated(self, device=None):
        self._called("max_memory_allocated", device)
        return self._peak

    def max_memory_reserved(self, device=None):
        self._called("max_memory_reserved", device)
        return self._peak + self._cached

    def reset_peak_memory_stats(self, device=None):
        self._called("reset_peak_memory_stats", device)
        self._peak = self._current

    def mem_get_info(self, device=None):
        self._called("mem_get_info", device)
        return TOTAL_MEMORY - self._current - 64 * MIB, TOTAL_MEMORY

    def get_device_properties(self, device=None):
        self._called("get_device_properties", device)
        return SimpleNamespace(name=self._name, total_memory=TOTAL_MEMORY, cube_core_num=20, vector_core_num=40,
                               multi_processor_count=None)

    def get_device_name(self, device=None):
        self._called("get_device_name", device)
        return self._name

    def set_device(self, device):
        self._called("set_device", device)

    def empty_cache(self):
        self.calls.append(("empty_cache", None))
        self._cached = 0


class Torch:
    """What stands for the module ``torch``."""

    __version__ = "2.5.1"

    def __init__(self, devices=8):
        self.npu = Npu(devices)
