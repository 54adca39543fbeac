"""The server's own counters, shared by all its processes and shown in Prometheus text under vLLM's names."""

from __future__ import annotations

import mmap
from enum import IntEnum

from touchstone.clock import cpu_time_ns


class Counter(IntEnum):
    """What is counted, by every process in a row of its own."""

    RUNNING = 0
    WAITING = 1
    PROMPT_TOKENS = 2
    GENERATION_TOKENS = 3
    CACHE_QUERIES = 4
    CACHE_HITS = 5
    REQUESTS = 6
    CPU_NS = 7
    PROCESS_ID = 8
    LOGS_WRITTEN = 9


_SHOWN = {
    Counter.RUNNING: ("vllm:num_requests_running", "gauge", "Requests being answered."),
    Counter.WAITING: ("vllm:num_requests_waiting", "gauge", "Requests in the queue."),
    Counter.PROMPT_TOKENS: ("vllm:prompt_tokens_total", "counter", "Prompt tokens of requests taken up."),
    Counter.GENERATION_TOKENS: ("vllm:generation_tokens_total", "counter", "Output tokens of requests that ended."),
    Counter.CACHE_QUERIES: ("vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache."),
    Counter.CACHE_HITS: ("vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache."),
}


class Counters:
    """A table of integers in memory that survives a fork: one row per process. Each process writes its own row only."""

    def __init__(self, processes: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, processes * len(Counter) * 8)).cast("q")
        self.processes = processes

    def add(self, process: int, counter: Counter, amount: int = 1) -> None:
        """Count ``amount`` more."""
        self._cells[process * len(Counter) + counter] += amount

    def put(self, process: int, counter: Counter, value: int) -> None:
        """Replace the value."""
        self._cells[process * len(Counter) + counter] = value

    def get(self, process: int, counter: Counter) -> int:
        """The value of one process."""
        return self._cells[process * len(Counter) + counter]

    def total(self, counter: Counter) -> int:
        """The sum over all processes."""
        return sum(self.get(process, counter) for process in range(self.processes))

    def text(self, model: str, process: int) -> bytes:
        """Everything that is shown, asked from ``process``, whose CPU time is fresh; the others' is as of their last request."""
        self.put(process, Counter.CPU_NS, cpu_time_ns())
        label = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines = []
        for counter, (name, kind, meaning) in _SHOWN.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f'{name}{{model_name="{label}"}} {float(self.total(counter))}']
        name = "process_cpu_seconds_total"
        lines += [f"# HELP {name} CPU time of all processes.", f"# TYPE {name} counter", f"{name} {self.total(Counter.CPU_NS) / 1e9}", ""]
        return "\n".join(lines).encode()
