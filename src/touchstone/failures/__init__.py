"""What the failures of inference engines and their surroundings look like in a log, why they happen, and what cures them.

A failure is a row: `FAILURES` is read by ``touchstone explain``, and ``docs/troubleshooting.md`` is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from touchstone.failures.cuda import CUDA
from touchstone.failures.explanation import Explanation, explain_with
from touchstone.failures.failure import Failure, Standing
from touchstone.failures.hccl import HCCL
from touchstone.failures.host import HOST
from touchstone.failures.hub_access import HUB_ACCESS
from touchstone.failures.hub_network import HUB_NETWORK
from touchstone.failures.llama_cpp import LLAMA_CPP
from touchstone.failures.mindie import MINDIE
from touchstone.failures.npu_install import NPU_INSTALL
from touchstone.failures.npu_runtime import NPU_RUNTIME
from touchstone.failures.sglang import SGLANG
from touchstone.failures.table import Table
from touchstone.failures.transformers import TRANSFORMERS
from touchstone.failures.vllm import VLLM

__all__ = ["FAILURES", "Explanation", "Failure", "Standing", "explain"]

FAILURES: tuple[Failure, ...] = (
    *NPU_RUNTIME, *HCCL, *NPU_INSTALL, *CUDA, *VLLM, *SGLANG, *LLAMA_CPP, *TRANSFORMERS, *MINDIE, *HUB_ACCESS, *HUB_NETWORK, *HOST)
"""Every failure that is known; where a line fits two of the same standing, the earlier one is meant."""

_TABLE = Table(FAILURES)


def explain(text_lines: Iterable[str]) -> list[Explanation]:
    """What the lines of a log say of failures: the likeliest cause first, errors that nobody knows said to be unknown.

    Streams over any length in constant memory; of a line the first ``LONGEST`` characters are read. Never raises.
    """
    return explain_with(_TABLE, text_lines)
