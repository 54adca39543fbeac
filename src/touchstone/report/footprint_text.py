"""The faces of ``footprint``: tables and sentences for a terminal, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from touchstone.footprint import Accounting, Footprint, Part
from touchstone.message import Message, Translate, say
from touchstone.report.table import NOTHING, number, plain, shortened
from touchstone.report.terminal import Screen
from touchstone.units import BYTES_PER_GB, BYTES_PER_GIB, gigabytes, significant

SCHEMA = 1
PART_WORDS: Mapping[str, Message] = {
    "weights": say("weights"), "kv_cache": say("KV pool"), "state": say("states"), "activation": say("activations"), "graph": say("graphs"),
    "other": say("other"), "total": say("sum"), "memory": say("device memory"),
}
_FIGURE_OF = {"weights": "weights_bytes", "kv_cache": "kv_cache_bytes", "state": "state_bytes", "activation": "activation_bytes",
              "graph": "graph_bytes", "other": "non_torch_bytes", "memory": "device_total_bytes"}
_TOP = ("weights_bytes", "kv_cache_bytes", "kv_cache_tokens", "activation_bytes", "graph_bytes")
_FURTHER = ("state_bytes", "non_torch_bytes", "device_total_bytes", "budget_bytes", "available_bytes", "block_size", "kv_cache_blocks", "max_model_len",
            "max_running_requests")
_SHOWN = 600
_Said = Callable[[Message], str]


def to_text(found: Footprint, translate: Translate) -> str:
    """The footprint for a terminal, as wide as it is."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    for head in _heads(found):
        screen.line(said(head), 2)
    screen.line()
    _parts(screen, found, said)
    for lines in (_sources(found, said), _capacity(screen, found, said), _claims(found, said), (f"* {said(note)}" for note in found.notes)):
        for line in lines:
            screen.line(line, 2)
    return screen.text()


def _heads(found: Footprint) -> Iterator[Message]:
    """What was looked at."""
    log, device = found.log, found.device
    if log is not None:
        version = say(" {version}", version=shortened(log.version, 40)) if log.version else say("")
        yield say("log: {engine}{version}, {rank}, {ranks}", engine=log.engine or say("unknown engine"), version=version,
                  rank=say("rank {rank}", rank=shortened(log.rank, 40)) if log.rank else say("no rank named"),
                  ranks=say("ranks in it: {count}", count=log.rank_count) if log.rank_count else say("number of ranks not said"))
    if found.accounting:
        yield from _counted(found.accounting)
    if device is not None:
        size = device.visible_bytes or device.label_bytes
        yield say("device: {source}, {size}", source=device.source, size=gigabytes(size) if size else NOTHING)
        if device.used_bytes is not None and device.used_counts is not None:
            yield say("  in use: {size}, {counts}", size=gigabytes(device.used_bytes), counts=device.used_counts)


def _counted(counted: Accounting) -> Iterator[Message]:
    yield say("counted: {model} in {dtype}, {parameters} parameters, tensor parallel {tp}; {bytes} bytes of keys and values per token and device",
              model=counted.model, dtype=counted.dtype, parameters=f"{counted.parameters:,}", tp=counted.tp,
              bytes=f"{counted.rank_kv_bytes_per_token:,}")
    for assumption in counted.assumptions:
        yield say("  assumed: {assumption}", assumption=assumption)


def _parts(screen: Screen, found: Footprint, said: _Said) -> None:
    """The parts with each size in GB and in GiB; a column that would be empty is left out."""
    sides: list[tuple[Message, Callable[[Part], int | None]]] = [
        (say("Log"), lambda row: row.log_bytes), (say("Counted"), lambda row: row.accounting_bytes), (say("Device"), lambda row: row.device_bytes)]
    sides = [(title, size) for title, size in sides if any(size(row) is not None for row in found.parts)]
    columns = [said(say("Part")), *(f"{said(title)} {unit}" for title, _ in sides for unit in ("GB", "GiB")), said(say("Ratio"))]
    rows = [[said(PART_WORDS[row.part]), *(cell for _, size in sides for cell in _both(size(row))), number(row.ratio)]
            for row in found.parts if any(size(row) is not None for _, size in sides)]
    screen.table(columns, rows, numbers=True)
    for row in found.parts:
        if row.says:
            screen.line(said(say("* {part}: {says}", part=PART_WORDS[row.part], says=row.says)), 2)


def _both(size: int | None) -> tuple[str, str]:
    return number(size, 1 / BYTES_PER_GB), number(size, 1 / BYTES_PER_GIB)


def _sources(found: Footprint, said: _Said) -> Iterator[str]:
    """The lines of the log that the figures are from."""
    if found.log is None or not found.log.figures:
        return
    yield ""
    yield said(say("The log's own lines:"))
    lines = {line.number: line.text for name in (*_FIGURE_OF.values(), "kv_cache_tokens") if name in found.log.figures
             for line in found.log.figures[name].lines}
    for at, text in sorted(lines.items()):
        yield f"  {at}: {shortened(text, _SHOWN)}"


def _capacity(screen: Screen, found: Footprint, said: _Said) -> Iterator[str]:
    """Sessions by length: of the log's pool, and of shares of the device."""
    if found.capacity:
        shares = list(dict.fromkeys(one.fraction for one in found.capacity))
        cells = {(one.tokens, one.fraction): f"{one.sessions:,}" for one in found.capacity}
        yield ""
        screen.table([said(say("Sessions of tokens")), *(said(say("log's pool")) if share is None else f"{share:.2f}" for share in shares)],
                     [[f"{tokens:,}", *(cells.get((tokens, share), NOTHING) for share in shares)]
                      for tokens in dict.fromkeys(one.tokens for one in found.capacity)], numbers=True)
    for need in found.needs:
        yield said(say("* {sessions} sessions of {tokens} tokens need {size}{share}", sessions=f"{need.sessions:,}", tokens=f"{need.tokens:,}",
                       size=gigabytes(need.needed_bytes),
                       share=say(": {percent} % of the device's memory", percent=significant(100 * need.fraction)) if need.fraction else say("")))


def _claims(found: Footprint, said: _Said) -> Iterator[str]:
    for one in found.claimed:
        yield ""
        sessions = said(say(", ")).join(said(say("{count} of {tokens}", count=f"{count:,}", tokens=f"{tokens:,}")) for tokens, count in one.sessions.items())
        yield said(say("{claim} as {unit}: {size}, {tokens} tokens; sessions: {sessions}", claim=found.claim, unit=one.unit, size=gigabytes(one.pool_bytes),
                       tokens=f"{one.pool_tokens:,}" if one.pool_tokens is not None else NOTHING, sessions=sessions))
        if one.says:
            yield f"  {said(one.says)}"


def to_json(found: Footprint, translate: Translate) -> str:
    """The footprint as one JSON object; its shape is a contract (``"schema": 1``)."""
    def said(message: Message | None) -> str | None:
        return None if message is None else message.render(translate)

    log, device = found.log, found.device
    document: dict[str, Any] = {
        "schema": SCHEMA, "engine": log.engine if log else None, "engine_version": log.version if log else None,
        **{name: log.count(name) if log else None for name in _TOP},
        "ranks": log.rank_count if log else None, "rank": log.rank if log else None, "ready": log.ready if log else None,
        "starts": log.starts if log else None, **{name: log.count(name) if log else None for name in _FURTHER},
        "memory_fraction": log.value("memory_fraction") if log else None, "max_concurrency": log.value("max_concurrency") if log else None,
        "evidence": {name: [{"line": line.number, "text": line.text} for line in one.lines] for name, one in log.figures.items()}
                    if log else {},
        "accounting": _accounting(found.accounting, said), "device": None if device is None else {
            "source": said(device.source), "visible_bytes": device.visible_bytes, "label_bytes": device.label_bytes, "used_bytes": device.used_bytes,
            "used_counts": said(device.used_counts)},
        "capacity": [{"tokens": one.tokens, "sessions": one.sessions, "fraction": one.fraction, "pool_bytes": one.pool_bytes} for one in found.capacity],
        "needs": [{"tokens": one.tokens, "sessions": one.sessions, "needed_bytes": one.needed_bytes, "fraction": one.fraction} for one in found.needs],
        "reconciliation": [{"part": row.part, "log_bytes": row.log_bytes, "accounting_bytes": row.accounting_bytes, "device_bytes": row.device_bytes,
                            "ratio": row.ratio, "says": said(row.says)} for row in found.parts],
        "claim": None if found.claim is None else {"text": found.claim, "readings": [
            {"unit": one.unit, "pool_bytes": one.pool_bytes, "pool_tokens": one.pool_tokens,
             "sessions": {str(tokens): count for tokens, count in one.sessions.items()}, "total_bytes": one.total_bytes,
             "limit_bytes": one.limit_bytes, "fraction": one.fraction, "says": said(one.says)} for one in found.claimed]},
        "notes": [said(note) for note in found.notes],
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _accounting(counted: Accounting | None, said: Callable[[Message | None], str | None]) -> dict[str, Any] | None:
    if counted is None:
        return None
    return {
        "model": counted.model, "dtype": counted.dtype, "parameters": counted.parameters, "tp": counted.tp, "weights_bytes": counted.weights_bytes,
        "rank_weights_bytes": counted.rank_weights_bytes, "kv_value_bytes": counted.kv_value_bytes, "kv_bytes_per_token": counted.kv_bytes_per_token,
        "rank_kv_bytes_per_token": counted.rank_kv_bytes_per_token,
        "session_bytes": {str(tokens): size for tokens, size in counted.session_bytes.items()}, "max_positions": counted.max_positions,
        "assumptions": [said(one) for one in counted.assumptions]}


FOOTPRINT_FACES: Mapping[str, Callable[[Footprint, Translate], str]] = {"text": to_text, "json": to_json}
"""Name → function of a footprint and a translator."""
