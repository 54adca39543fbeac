"""What SGLang says, 0.3 to 0.5 and the releases of 2026, on CUDA and NPU.

The wording is that of logs in public issues; tests/data/server-logs has an example of each with its source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from touchstone.engine_log.reading import SIZE, Event, Loaded, Pool, Reading, Said, quoted, size, whole

KEYS = ("avail mem=", "mem usage", "KV Cache is allocated", "KV cache allocated", "Mamba Cache is allocated", "max_total_num_tokens=", "ServerArgs(", "fired up")
LATE_KEYS = ("ServerArgs(", "Load weight")
_WEIGHTS = re.compile(r"\bLoad weight (begin|end)\.")
_TYPE = re.compile(r"\btype=(\w{1,100})")
_FREE = re.compile(rf"\bavail(?:able)?(?:_gpu)?[ _]mem={SIZE}")
_USED = re.compile(rf"\bmem usage={SIZE}")
_POOL = re.compile(r"\bKV [Cc]ache (?:is )?allocated\b")
_TOKENS = re.compile(r"#tokens: ([\d,]{1,20})")
_HALVES = re.compile(rf"\bK size: {SIZE}, V size: {SIZE}")
_BOTH = re.compile(rf"\bKV size: {SIZE}")
_SUM = re.compile(rf"\b\w*KVPool mem usage: {SIZE}(?:.*?full size: (\d{{1,15}}))?")
_STATES = re.compile(rf"\b(?:\w+_state|\w+_cache|\w+_window) size: {SIZE}")
_CAPTURE = re.compile(r"\bCapture .{0,60}?graph (begin|end)\.", re.IGNORECASE)
_LIMITS = tuple((re.compile(rf"\b{name}=(\d{{1,15}})"), figure) for name, figure in (
    ("max_total_num_tokens", "kv_cache_tokens"), ("max_running_requests", "max_running_requests"), ("context_len", "max_model_len")))
_ARGUMENTS = tuple((re.compile(rf"\b{name}=([\d.]{{1,12}})"), figure) for name, figure in (
    ("mem_fraction_static", "memory_fraction"), ("tp_size", "tensor_parallel"), ("page_size", "block_size"),
    ("max_running_requests", "max_running_requests"), ("context_length", "max_model_len")))
_PARALLEL = {name: re.compile(rf"\b{name}=(\d{{1,6}})") for name in ("tp_size", "pp_size", "dp_size")}


def says(line: str) -> Iterator[Said]:
    """What ``line`` says; nothing where it is not SGLang's."""
    if "server_args=ServerArgs(" in line:
        yield from _begins(line)
    elif "fired up and ready to roll" in line:
        yield Event("engine", "sglang")
        yield Event("ready")
    else:
        for one in _figures(line):
            yield Event("engine", "sglang")
            yield one


def _figures(line: str) -> Iterator[Said]:
    for pattern, read in _LINES:
        if found := pattern.search(line):
            if not quoted(line, found.start()):
                yield from read(line, found)
            return


def _weights(line: str, found: re.Match[str]) -> Iterator[Said]:
    free, used, model = _size(_FREE, line), _size(_USED, line), _TYPE.search(line)
    if found[1] == "begin":
        yield Event("free", "weights", free)
    else:
        yield Loaded(used, model[1] if model else None, free)


def _pool(line: str, _: re.Match[str]) -> Iterator[Said]:
    """K and V apart, or one size where latent attention keeps one vector."""
    tokens, halves, both = _TOKENS.search(line), _HALVES.search(line), _size(_BOTH, line)
    sizes = [size(halves[1], halves[2]), size(halves[3], halves[4])] if halves else [both]
    count = whole(tokens[1]) if tokens else None
    known = [one for one in sizes if one is not None]
    if known and len(known) == len(sizes):
        yield Pool(sum(known), None if count is None else int(count))
    elif count is not None:
        yield Reading("kv_cache_tokens", count, priority=1)


def _sum(_: str, found: re.Match[str]) -> Iterator[Said]:
    if (value := size(found[1], found[2])) is not None:
        yield Pool(value, int(found[3]) if found[3] else None, whole=True)


def _states(line: str, _: re.Match[str]) -> Iterator[Said]:
    values = [size(*groups) for groups in _STATES.findall(line)]
    yield Reading("state_bytes", sum(value for value in values if value is not None), how="add")


def _capture(line: str, found: re.Match[str]) -> Iterator[Said]:
    free, used = _size(_FREE, line), _size(_USED, line)
    if found[1].lower() == "begin":
        yield Event("free", "graph", free)
        return
    if used is not None:
        yield Reading("graph_bytes", used, priority=1, how="add")
    elif free is not None:
        yield Event("free", "captured", free)
    yield from _left(line, 1)


def _limits(line: str, _: re.Match[str]) -> Iterator[Said]:
    for pattern, figure in _LIMITS:
        if (found := pattern.search(line)) and (value := whole(found[1])) is not None:
            yield Reading(figure, value, priority=2 if figure != "kv_cache_tokens" else 1)
    yield from _left(line, 2)


def _end(line: str, _: re.Match[str]) -> Iterator[Said]:
    yield from _left(line, 1)


def _left(line: str, priority: int) -> Iterator[Said]:
    if (free := _size(_FREE, line)) is not None:
        yield Reading("available_bytes", free, priority, how="last")


def _size(pattern: re.Pattern[str], line: str) -> float | None:
    found = pattern.search(line)
    return size(found[1], found[2]) if found else None


_LINES: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Iterator[Said]]], ...] = (
    (_WEIGHTS, _weights), (_POOL, _pool), (_SUM, _sum), (re.compile(r"\bMamba Cache is allocated\b"), _states), (_CAPTURE, _capture),
    (re.compile(r"\bmax_total_num_tokens=\d+(?:, |$)|\bavailable_gpu_mem="), _limits), (re.compile(r"\bMemory pool end\b"), _end),
)


def _begins(line: str) -> Iterator[Said]:
    """A server's settings. With attention shared out by data, its groups are among the tensor-parallel ranks, else beside them."""
    yield Event("begin")
    yield Event("engine", "sglang")
    for pattern, figure in _ARGUMENTS:
        if (found := pattern.search(line)) and (value := whole(found[1])) is not None:
            yield Reading(figure, value, priority=1)
    sizes = {name: int(found[1]) for name, pattern in _PARALLEL.items() if (found := pattern.search(line))}
    if "tp_size" in sizes:
        groups = 1 if "enable_dp_attention=True" in line else sizes.get("dp_size", 1)
        yield Event("ranks", value=float(sizes["tp_size"] * sizes.get("pp_size", 1) * groups))
