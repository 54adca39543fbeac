"""CUDA GPU and Ascend NPU: torch gives both the same functions, under ``torch.cuda`` and ``torch.npu``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.errors import NotReadyError
from touchstone.measure.devices import DeviceMemory, installed

_CANN_MISSING = ("libhccl.so", "libascendcl.so", "Failed to load the backend extension: torch_npu")


class Accelerator:
    """One device of ``torch``'s namespace ``kind`` (``cuda`` or ``npu``).

    ``torch`` is passed in, so that a recorded fake of it can be tested without the hardware.
    """

    def __init__(self, torch: Any, kind: str, index: int) -> None:
        self.kind = kind
        self._index = index
        self._api = getattr(torch, kind)
        self._api.set_device(index)  # events record on the current device and take no index

    @property
    def torch_name(self) -> str:
        return f"{self.kind}:{self._index}"

    def synchronize(self) -> None:
        self._api.synchronize(self._index)

    def event(self) -> Any:
        return self._api.Event(enable_timing=True)

    def memory(self) -> DeviceMemory:
        free, total = self._api.mem_get_info(self._index)
        return DeviceMemory(
            allocated=self._api.memory_allocated(self._index), reserved=self._api.memory_reserved(self._index),
            peak_allocated=self._api.max_memory_allocated(self._index),
            peak_reserved=self._api.max_memory_reserved(self._index),
            device_used=total - free, device_total=total, peak_resident=None,
        )

    def reset_peaks(self) -> None:
        self._api.reset_peak_memory_stats(self._index)

    def release(self) -> None:
        self._api.empty_cache()

    def identity(self) -> Mapping[str, object]:
        properties = self._api.get_device_properties(self._index)
        facts: dict[str, object] = {"name": self._api.get_device_name(self._index), "memory_bytes": properties.total_memory}
        for name in ("multi_processor_count", "cube_core_num", "vector_core_num"):
            value = getattr(properties, name, None)
            if value is not None:
                facts[name] = value
        return facts


def open_accelerator(kind: str, index: int) -> Accelerator:
    """Import torch (and torch_npu) and take device ``index``. Raises :class:`NotReadyError` with the reason found."""
    plugin = installed("torch_npu")
    if kind == "npu" and plugin is None:
        raise NotReadyError("There is no NPU for torch here: torch_npu is not installed.",
                            "Install the torch_npu of your torch version, or use --device cpu.")
    try:
        import torch

        if kind == "npu":
            import torch_npu  # noqa: F401 - registers torch.npu
    except (ImportError, RuntimeError) as error:  # torch turns a plug-in that fails to load into a RuntimeError
        if any(mark in str(error) for mark in _CANN_MISSING):
            raise NotReadyError("torch_npu {version} is installed but CANN is missing: {error}.",
                                "Run 'source /usr/local/Ascend/ascend-toolkit/set_env.sh', or use --device cpu with "
                                "TORCH_DEVICE_BACKEND_AUTOLOAD=0.", version=plugin, error=error) from error
        raise NotReadyError("torch cannot be imported: {error}.", "pip install 'llm-touchstone[transformers]'",
                            error=error) from error
    return checked(torch, kind, index)


def checked(torch: Any, kind: str, index: int) -> Accelerator:
    """The device, if torch sees it. Raises :class:`NotReadyError`."""
    api = getattr(torch, kind, None)
    if (api is None or not api.is_available()) and kind == "cuda" and str(torch.__version__).endswith("+cpu"):
        raise NotReadyError("torch {version} is a build for CPUs and sees no GPU.",
                            "Install the build for your CUDA version (pytorch.org), or use --device cpu.", version=torch.__version__)
    if api is None or not api.is_available():
        raise NotReadyError("torch {version} sees no {kind} device.", "Check the driver, or use --device cpu.",
                            version=torch.__version__, kind=kind)
    if index >= api.device_count():
        raise NotReadyError("There is no device {kind}:{index}; torch sees {count}.", "Choose a lower number.",
                            kind=kind, index=index, count=api.device_count())
    return Accelerator(torch, kind, index)
