"""What vLLM and vLLM-Ascend say: V0 and V1 from 0.5 on, on CUDA, NPU and CPU.

The wording is that of logs in public issues; tests/data/server-logs has an example of each with its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from touchstone.engine_log.reading import SIZE, Event, Loaded, Reading, Said, quoted, readings, row, size, whole

KEYS = ("weights", "KV ", "blocks: ", "Model loading took", "raph", "memory", "Maximum concurrency", "LLM engine ", "API server version", "world size",
        "world_size=", "lock size", "non-default args", "max model len", "Starting to load", "plugin ascend", "vllm_ascend", "vllm-ascend", "startup complete",
        "for peak", "kv_cache")
"""Words one of which is in every line of interest."""
LATE_KEYS = ("weights took", "Model loading took", "LLM engine ", "API server version", "Available KV", "KV cache size", "Starting to load")
"""Those that matter once the server is ready."""
_FIGURES = (
    row("model weights take", rf"\bmodel weights take[s=]?\s*{SIZE}", "weights_bytes", priority=2),
    row("Actual usage", rf"\bActual usage(?: is|:) {SIZE} for weights?\b", "weights_bytes", priority=1),
    row("weights memory: ", rf"\bweights memory: {SIZE}", "weights_bytes", priority=1),
    row("PyTorch activation peak", rf"\bPyTorch activation peak memory(?: takes)?[\s=]+{SIZE}", "activation_bytes", priority=3),
    row(" for peak", rf"{SIZE} for peak\s+activation", "activation_bytes", priority=2),
    row("torch peak memory increase", rf"\btorch peak memory increase: {SIZE}", "activation_bytes", priority=1),
    row("non_torch_memory", rf"\bnon_torch_memory(?: takes)?[\s=]+{SIZE}", "non_torch_bytes", priority=3),
    row(" for non-torch", rf"{SIZE} for non-torch\s+memory", "non_torch_bytes", priority=2),
    row("total memory: ", r"\bAvailable memory: (-?\d{6,18}), total memory: (\d{6,18})\b", "kv_cache", "device_total", priority=4),
    row("total memory: ", rf"\bAvailable memory: {SIZE}, total memory: {SIZE}", "kv_cache_bytes", "device_total_bytes", priority=4),
    row("Available KV", rf"\bAvailable KV cache memory: {SIZE}", "kv_cache_bytes", priority=3),
    row("reserved for KV", rf"\bmemory reserved for KV Cache is {SIZE}", "kv_cache_bytes", priority=3),
    row("available_kv_cache", rf"\bavailable_kv_cache_memory[\s=]+{SIZE}", "kv_cache_bytes", priority=3),
    row("kv_cache_size", rf"\bkv_cache_size[\s=]+{SIZE}", "kv_cache_bytes", priority=3),
    row("for KV Cache as", rf"\breserved {SIZE} memory for KV Cache as specified", "kv_cache_bytes", priority=3),
    row("Explicitly set (", r"\bExplicitly set \(([\d.]{1,12})/[\d.]{1,12}\) GiB for KV cache", "kv_cache_gib", priority=3),
    row("in use is ", r"\b[Cc]urrent (?:KV|kv) cache memory in use is (\d{6,18}) bytes", "kv_cache", priority=5),
    row("urrent ", rf"\b[Cc]urrent (?:KV|kv) cache memory(?: in use is|:) {SIZE}", "kv_cache_bytes", priority=2),
    row("available KV cache memory (", rf"\bavailable KV cache memory \({SIZE}\)", "kv_cache_bytes", priority=1),
    row("raph capturing finished", rf"\bGraph capturing finished in [\d.]{{1,12}} secs?, took {SIZE}", "graph_bytes", priority=3),
    row("graph pool memory: ", rf"\bgraph pool memory: {SIZE} \(actual\)", "graph_bytes", priority=2),
    row("raph", rf"{SIZE} for (?:CUDAGraph|\w{{1,20}} graph)\s+memory", "graph_bytes", priority=1),
    row("graph memory: ", rf"\bEstimated \w{{1,20}} graph memory: {SIZE}", "graph_estimate_bytes"),
    row(" KV cache size: ", r"\b\w{1,20} KV cache size: ([\d,]{1,20}) tokens", "kv_cache_tokens", priority=3),
    row(" blocks: ", r"# \w{1,20} blocks: ([\d,]{1,20})\b", "kv_cache_blocks"),
    row("Maximum concurrency", r"\bMaximum concurrency for ([\d,]{1,20}) tokens per request: ([\d.]{1,20})x", "max_model_len", "max_concurrency", priority=3),
    row("total_", rf"\btotal_\w{{1,20}}_memory(?: \(|[\s=]+){SIZE}", "device_total_bytes", priority=2),
    row("_utilization (", rf"\bgpu_memory_utilization \(([\d.]{{1,9}})\) = {SIZE}", "memory_fraction", "budget_bytes", priority=2),
    row("memory_utilization", r"\b\w{1,20}_memory_utilization[\s=]+(\d?\.\d{1,9})", "memory_fraction", priority=2),
    row("Free memory on device", r"\bFree memory on device[^(]{0,40}\([\d.]{1,12}/([\d.]{1,12}) GiB\)", "device_total_gib", priority=1),
    row("memory utilization", rf"\b[Dd]esired GPU memory utilization(?: is)? \(([\d.]{{1,9}}), {SIZE}\)", "memory_fraction", "budget_bytes", priority=2),
    row("max model len", r"\bUsing max model len (\d{1,12})", "max_model_len", priority=2),
    row("lock size ", r"\b[Bb]lock size (?:is set )?to (\d{1,6})\b", "block_size", priority=2),
)
_SETTINGS = tuple((re.compile(rf"\b{name}['\"]?[=:] ?([\d.]{{1,12}})"), figure) for name, figure in (
    ("gpu_memory_utilization", "memory_fraction"), ("max_model_len", "max_model_len"), ("max_seq_len", "max_model_len"),
    ("block_size", "block_size"), ("max_num_seqs", "max_running_requests"), ("tensor_parallel_size", "tensor_parallel")))
_PARALLEL = tuple(re.compile(rf"\b{name}_parallel_size['\"]?[=:] ?(\d{{1,6}})") for name in ("tensor", "pipeline", "data"))
_LOADED = re.compile(rf"\b(?:Model loading|Loading model weights) took {SIZE}")
_WORLD = re.compile(r"\bin world size (\d{1,6}) is assigned|\bworld_size=(\d{1,6}) rank=")
_ENGINE = re.compile(r"\bLLM engine (?:\(v([^)\s]{1,60})\) )?with config")
_SERVER = re.compile(r"\bvLLM API server version v?(\S{1,60})")
_LOADING = re.compile(r"\bStarting to load model (.{1,300}?)\.\.\.")
_ASCEND = re.compile(r"plugin ascend\b|\bvllm[_-]ascend\b|\bmodel_runner_v1\.py:|\bworker_v1\.py:|\[worker\.py:\d+\] Available (?:KV cache )?memory|# npu blocks"
                     r"|\bNPU graph\b|\bon NPU\b|\bAvailable memory: -?[\d.]+(?: GiB)?, total memory: \d|\bdevice_config=npu\b|\bActual usage: ")
_ASCEND_WORDS = ("scend", "_v1.py:", "[worker.py:", "# npu", "NPU", "total memory: ", "=npu", "Actual usage: ")
_EXACT = {"kv_cache": ("kv_cache_bytes", 1.0), "device_total": ("device_total_bytes", 1.0), "kv_cache_gib": ("kv_cache_bytes", float(1 << 30)),
          "device_total_gib": ("device_total_bytes", float(1 << 30))}
READY = "Application startup complete"


def says(line: str) -> Iterator[Said]:
    """What ``line`` says; nothing where it is not vLLM's."""
    yield from _starts(line)
    if any(word in line for word in _ASCEND_WORDS) and _ASCEND.search(line):
        yield Event("engine", "vllm-ascend")
    heard = False
    if " took " in line and (found := _LOADED.search(line)) and not quoted(line, found.start()):
        heard = True
        yield Loaded(size(found[1], found[2]))
    for reading in readings(_FIGURES, line):
        heard = True
        figure, factor = _EXACT.get(reading.figure, (reading.figure, 1.0))
        yield reading._replace(figure=figure, value=reading.value * factor)
    if heard:
        yield Event("engine", "vllm")


def _starts(line: str) -> Iterator[Said]:
    """How a start announces itself, and what it is configured to."""
    engine = _ENGINE.search(line) if "LLM engine " in line else None
    server = _SERVER.search(line) if "API server version" in line else None
    for found in (server, engine):
        if found:
            yield Event("begin")
            yield Event("engine", "vllm")
            yield Event("version", found[1] or "")
    if engine or "non-default args" in line:
        yield Event("engine", "vllm")
        yield from _settings(line)
    if ("world size" in line or "world_size=" in line) and (found := _WORLD.search(line)):
        yield Event("engine", "vllm")
        yield Event("ranks", value=float(found[1] or found[2]))
    if "Starting to load model" in line and (found := _LOADING.search(line)) and not quoted(line, found.start()):
        yield Event("loading", found[1])
    if READY in line:
        yield Event("ready")


def _settings(line: str) -> Iterator[Said]:
    for pattern, figure in _SETTINGS:
        if (found := pattern.search(line)) and (value := whole(found[1])) is not None:
            yield Reading(figure, value, priority=1)
    sizes = [int(found[1]) for pattern in _PARALLEL if (found := pattern.search(line))]
    if sizes:
        ranks = 1
        for one in sizes:
            ranks *= one
        yield Event("ranks", value=float(ranks))
