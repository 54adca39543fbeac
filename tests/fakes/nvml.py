# ruff: noqa: N802, N815 - their real names
"""A recorded fake of NVML's Python binding (nvidia-ml-py): the calls that Touchstone may use, in the units NVML uses.

Names and units follow docs.nvidia.com/deploy/nvml-api. Anything else is an AttributeError, and a driver that lacks a call raises
NVMLError_FunctionNotFound as the real one does.
"""

from types import SimpleNamespace

MIB = 1 << 20


class NVMLError(Exception):
    """What every call raises."""


class Nvml:
    """``lacks`` are calls this driver does not have; ``lost`` makes every reading fail from now on."""

    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    nvmlMemory_v2 = 0x2000028

    def __init__(self, names=("NVIDIA H100 80GB HBM3",), lacks=(), pids=()):
        self.names, self.lacks, self.pids = names, set(lacks), list(pids)
        self.lost = False
        self.shut_down = 0
        self.energy_mj = 5_000_000_000
        self.reasons = 0

    def _call(self, name, handle=None):
        if name in self.lacks:
            raise NVMLError("Function Not Found")
        if self.lost:
            raise NVMLError("GPU is lost")

    def nvmlInit(self):
        self._call("nvmlInit")

    def nvmlShutdown(self):
        self.shut_down += 1

    def nvmlSystemGetDriverVersion(self):
        return "550.54.15"

    def nvmlDeviceGetCount(self):
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index):
        return SimpleNamespace(index=index)

    def nvmlDeviceGetIndex(self, handle):
        return handle.index

    def nvmlDeviceGetName(self, handle):
        return self.names[handle.index]

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle.index}a2b3c4d-0000-1111-2222-333344445555"

    def nvmlDeviceGetMemoryInfo(self, handle, version=None):
        self._call("nvmlDeviceGetMemoryInfo_v2" if version else "nvmlDeviceGetMemoryInfo", handle)
        if version:
            assert version == self.nvmlMemory_v2
            return SimpleNamespace(total=81_559 * MIB, reserved=551 * MIB, free=80_000 * MIB, used=1_008 * MIB)
        return SimpleNamespace(total=81_559 * MIB, free=80_000 * MIB, used=1_559 * MIB)

    def nvmlDeviceGetPowerUsage(self, handle):
        self._call("nvmlDeviceGetPowerUsage", handle)
        return 312_456

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        self._call("nvmlDeviceGetTotalEnergyConsumption", handle)
        self.energy_mj += 78_114
        return self.energy_mj

    def nvmlDeviceGetTemperature(self, handle, sensor):
        assert sensor == self.NVML_TEMPERATURE_GPU
        self._call("nvmlDeviceGetTemperature", handle)
        return 61

    def nvmlDeviceGetUtilizationRates(self, handle):
        self._call("nvmlDeviceGetUtilizationRates", handle)
        return SimpleNamespace(gpu=97, memory=40)

    def nvmlDeviceGetClockInfo(self, handle, kind):
        assert kind == self.NVML_CLOCK_SM
        self._call("nvmlDeviceGetClockInfo", handle)
        return 1980

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        self._call("nvmlDeviceGetCurrentClocksEventReasons", handle)
        return self.reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        self._call("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return self.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        self._call("nvmlDeviceGetComputeRunningProcesses", handle)
        return [SimpleNamespace(pid=pid, usedGpuMemory=MIB) for pid in self.pids]
