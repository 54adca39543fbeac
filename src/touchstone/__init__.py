"""Touchstone benchmarks LLM inference on Ascend NPU, CUDA GPU and CPU, and says whether to believe the number."""

__version__ = "0.1.0"
__all__ = ["__version__"]
