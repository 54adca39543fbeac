"""Where the memory of each case went, as far as it is known."""

from __future__ import annotations

from touchstone.finding import CaseFinding, Findings
from touchstone.plots import MemoryStack


def memory_stacks(findings: Findings) -> tuple[MemoryStack, ...]:
    """One for every case that succeeded and of which any part or peak is known."""
    stacks = [_stack(findings, case) for case in findings.cases if case.ok]
    return tuple(stack for stack in stacks if stack.parts or stack.measured)


def _stack(findings: Findings, case: CaseFinding) -> MemoryStack:
    known = {"weights": findings.memory.get("weight_bytes"), "kv": case.kv_bytes}
    parts = [(name, int(size)) for name, size in known.items() if size]
    measured = {name: size for name, size in case.memory_peaks.items() if size is not None}
    above_idle = case.metrics.get("device_memory")
    if above_idle is not None and above_idle.value is not None:
        measured["device_memory"] = int(above_idle.value)
    peak = case.metrics["peak_memory"].value
    rest = None if peak is None else int(peak) - sum(size for _, size in parts)
    if rest is not None and rest >= 0:
        parts.append(("other", rest))
    return MemoryStack(case.name, tuple(parts), tuple(name for name, _ in parts if name == "kv"), measured,
                       findings.memory.get("device_total_bytes"))
