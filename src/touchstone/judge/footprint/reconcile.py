"""The log beside arithmetic and the device, part by part: what agrees, and what would explain what does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from touchstone.footprint import Accounting, DeviceMemory, EngineLog, Part
from touchstone.judge.footprint.accounting import rank_kv_bytes_per_token, rank_weights
from touchstone.message import Message, say
from touchstone.simulate.architecture import Architecture
from touchstone.units import BYTES_PER_GB, BYTES_PER_GIB, gigabytes, significant

TOLERANCE = 0.02
"""How far log and arithmetic may be apart: allocators round up, and engines keep tables of their own beside the weights."""
_DTYPES = ("bf16", "fp32", "fp8", "int4", "nvfp4", "mxfp4", "nf4", "q8_0", "q6_k", "q5_k", "q4_k")
_DEVICES = (1, 2, 4, 8, 16, 32, 64)
_VALUE_BYTES = {2: "16", 1: "8", 4: "32"}


def reconciled(log: EngineLog | None, accounting: Accounting | None, device: DeviceMemory | None, arch: Architecture | None) -> tuple[Part, ...]:
    """The parts, their sum, and the device's memory."""
    def logged(name: str) -> int | None:
        return log.count(name) if log else None

    weights = _part("weights", logged("weights_bytes"), accounting.rank_weights_bytes if accounting else None)
    pool = _part("kv_cache", logged("kv_cache_bytes"), _pool_bytes(log, accounting))
    rows = [_said(weights, _weights(weights, accounting, arch)), _said(pool, _pool(pool, log, accounting, arch))]
    for part, name in (("state", "state_bytes"), ("activation", "activation_bytes"), ("graph", "graph_bytes")):
        if part != "state" or logged(name) is not None:
            rows.append(Part(part, logged(name)))
    rows.append(_other(rows, logged("non_torch_bytes"), device))
    visible = device.visible_bytes or device.label_bytes if device else None
    total = _total(rows)
    rows.append(Part("total", total, device_bytes=device.used_bytes if device else None, says=_fits(rows, log, visible)))
    rows.append(Part("memory", logged("device_total_bytes"), device_bytes=visible))
    return tuple(rows)


def _part(name: str, logged: int | None, counted: int | None) -> Part:
    return Part(name, logged, counted, ratio=logged / counted if logged is not None and counted else None)


def _other(rows: list[Part], logged: int | None, device: DeviceMemory | None) -> Part:
    """What the log says of the rest, beside what the device held that the other lines of the log do not explain."""
    listed = _total(rows)
    if listed is None or device is None or device.used_bytes is None or device.used_counts is None:
        return Part("other", logged)
    rest = device.used_bytes - listed
    if rest < 0:
        return Part("other", logged, says=say("the device held {size} less than the log lists: memory that was set aside but never used, or a peak "
                                              "between two readings", size=gigabytes(-rest)))
    return Part("other", logged, device_bytes=rest, says=say("the device held {size} more than the parts above: the runtime, communication, what an "
                                                             "allocator keeps", size=gigabytes(rest)))


def _said(part: Part, message: Message | None) -> Part:
    return Part(part.part, part.log_bytes, part.accounting_bytes, part.device_bytes, part.ratio, message)


def _pool_bytes(log: EngineLog | None, accounting: Accounting | None) -> int | None:
    tokens = log.count("kv_cache_tokens") if log else None
    return None if tokens is None or accounting is None else tokens * accounting.rank_kv_bytes_per_token


def _agrees(logged: float, counted: float) -> bool:
    return abs(logged / counted - 1) <= TOLERANCE


def _apart(ratio: float) -> str:
    return significant(abs(100 * (ratio - 1)), 2)


def _weights(part: Part, accounting: Accounting | None, arch: Architecture | None) -> Message | None:
    if part.ratio is None or accounting is None or arch is None or part.log_bytes is None:
        return None
    if abs(part.ratio - 1) <= TOLERANCE:
        return say("{dtype} weights agree with the log within {percent} %", dtype=accounting.dtype, percent=_apart(part.ratio))
    found = _either(_simple(part.log_bytes, arch, accounting)) or next(_twofold(part.log_bytes, arch), None)
    apart = say("more") if part.ratio > 1 else say("less")
    if found is None:
        return say("the log has {percent} % {apart} than {dtype} weights; no other dtype and no other number of devices explains it: a draft model, an "
                   "encoder of images or another model might", percent=_apart(part.ratio), apart=apart, dtype=accounting.dtype)
    return say("the log has {percent} % {apart} than {dtype} weights; {why}", percent=_apart(part.ratio), apart=apart, dtype=accounting.dtype, why=found)


def _either(explanations: Iterator[Message]) -> Message | None:
    """The first two of them: half of the bits and twice the devices look alike."""
    found = list(islice(explanations, 2))
    return say("{one}, or {other}", one=found[0], other=found[1]) if len(found) > 1 else found[0] if found else None


def shared_over(log: EngineLog, arch: Architecture, accounting: Accounting) -> int | None:
    """The number of devices with which the log's weights and its pool both agree; None where there is none. ``accounting`` is of one."""
    weights, pool, tokens = (log.count(name) for name in ("weights_bytes", "kv_cache_bytes", "kv_cache_tokens"))
    if not weights or not pool or not tokens:
        return None
    return next((devices for devices in _DEVICES if _agrees(weights, rank_weights(arch, accounting.dtype, devices))
                 and _agrees(pool / tokens, rank_kv_bytes_per_token(arch, accounting.kv_value_bytes, devices))), None)


def _simple(logged: int, arch: Architecture, accounting: Accounting) -> Iterator[Message]:
    """What alone would make the two agree: another dtype, another number of devices, GB instead of GiB."""
    for dtype in _DTYPES:
        if _agrees(logged, rank_weights(arch, dtype, accounting.tp)):
            yield say("{dtype} weights would agree", dtype=dtype)
            break
    for devices in _DEVICES:
        if _agrees(logged, rank_weights(arch, accounting.dtype, devices)):
            yield say("shared out over {devices} devices they would agree", devices=devices)
            break
    if _agrees(logged * BYTES_PER_GB / BYTES_PER_GIB, accounting.rank_weights_bytes):
        yield say("if its GB were 10⁹ bytes they would agree")


def _twofold(logged: int, arch: Architecture) -> Iterator[Message]:
    for dtype in _DTYPES:
        for devices in _DEVICES:
            if _agrees(logged, rank_weights(arch, dtype, devices)):
                yield say("{dtype} weights shared out over {devices} devices would agree", dtype=dtype, devices=devices)


def _pool(part: Part, log: EngineLog | None, accounting: Accounting | None, arch: Architecture | None) -> Message | None:
    """Bytes ÷ tokens of the log against the bytes that a token keeps."""
    tokens = log.count("kv_cache_tokens") if log else None
    if part.log_bytes is not None and part.log_bytes <= 0:  # with tokens it is a small pool, rounded off
        return None if tokens else say("nothing is left for the pool: weights and the rest take more than the engine's share of the device")
    if part.ratio is None or accounting is None or arch is None or not tokens or part.log_bytes is None:
        return None
    per_token = part.log_bytes / tokens
    said, expected = significant(per_token), significant(accounting.rank_kv_bytes_per_token)
    if abs(part.ratio - 1) <= TOLERANCE:
        return say("{said} bytes per token, as counted ({expected})", said=said, expected=expected)
    found = _either(_simple_pools(per_token, arch, accounting)) or next(_twofold_pools(per_token, arch), None)
    if found is None and arch.window:
        found = say("layers with a window keep less")
    if found is None:
        found = say("no other size of a value and no other number of devices explains it")
    return say("{said} bytes per token, counted are {expected}; {why}", said=said, expected=expected, why=found)


def _simple_pools(per_token: float, arch: Architecture, accounting: Accounting) -> Iterator[Message]:
    for size, bits in _VALUE_BYTES.items():
        if _agrees(per_token, rank_kv_bytes_per_token(arch, size, accounting.tp)):
            yield say("values of {bits} bits would agree", bits=bits)
    for devices in _DEVICES:
        if _agrees(per_token, rank_kv_bytes_per_token(arch, accounting.kv_value_bytes, devices)):
            yield say("shared out over {devices} devices they would agree", devices=devices)
            break


def _twofold_pools(per_token: float, arch: Architecture) -> Iterator[Message]:
    for size, bits in _VALUE_BYTES.items():
        for devices in _DEVICES:
            if _agrees(per_token, rank_kv_bytes_per_token(arch, size, devices)):
                yield say("values of {bits} bits shared out over {devices} devices would agree", bits=bits, devices=devices)


def _total(rows: list[Part]) -> int | None:
    """The sum of what the log says, where it says both weights and pool; a negative pool takes nothing."""
    sizes = {row.part: row.log_bytes for row in rows}
    if sizes["weights"] is None or sizes["kv_cache"] is None:
        return None
    return sum(max(size, 0) for size in sizes.values() if size is not None)


def _fits(rows: list[Part], log: EngineLog | None, visible: int | None) -> Message | None:
    """Weights, pool, states, graphs and the rest lie in memory at once; activations come and go."""
    if _total(rows) is None or visible is None:
        return None
    resident = sum(max(row.log_bytes, 0) for row in rows if row.log_bytes is not None and row.part != "activation")
    if resident > visible:
        return say("impossible: {resident} lie in a memory of {visible}", resident=gigabytes(resident), visible=gigabytes(visible))
    budget = log.count("budget_bytes") if log else None
    if budget is not None and log is not None:
        return say("{resident} of {visible} are taken for good; the engine's share is {budget}", resident=gigabytes(resident), visible=gigabytes(visible),
                   budget=gigabytes(budget))
    return say("{resident} of {visible} are taken for good", resident=gigabytes(resident), visible=gigabytes(visible))
