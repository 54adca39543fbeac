"""The faces of somebody else's numbers, read into our words and units: what was understood, and where their definitions differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from touchstone.claim import FIGURE_UNITS, Claim, ClaimTable, Figure
from touchstone.message import Message, Translate, say
from touchstone.report.document import SCHEMA
from touchstone.report.markdown import cell, grid
from touchstone.report.table import COLON, METRIC_WORDS, NOTHING, plain
from touchstone.report.terminal import Screen
from touchstone.units import BYTES_PER_GB, significant

FIGURE_WORDS: Mapping[str, Message] = {
    **METRIC_WORDS, "user_throughput": say("Throughput per user"), "throughput": say("Throughput of unsaid tokens"),
    "batch_size": say("Batch Size"), "concurrency": say("Concurrency"), "input_tokens": say("Input length"),
    "output_tokens": say("Output length"), "requests": say("Requests"), "duration": say("Duration"), "request_rate": say("Request rate"),
    "devices": say("Devices"), "runs": say("Runs"), "weight_memory": say("Weights"), "kv_memory": say("KV cache"),
    "prompt_bytes": say("Prompt length"), "prompt_words": say("Prompt length"), "device_memory": say("Device memory"),
    "memory_fraction": say("Memory fraction"),
}
_SHOWN = ("", "p50", "p90", "p95", "p99", "max", "std")
_MOST_CLAIMS = 50
_LONG_TIMES = frozenset({"duration"})


@dataclass(frozen=True)
class Understood:
    """A table of claims as it was read: by which ``tool`` it was written, under which ``conditions``, with ``notes`` on its definitions.

    ``listed`` is how many requests each row of the table lists one by one.
    """

    tool: str
    version: str | None
    table: ClaimTable
    conditions: Mapping[str, str]
    notes: tuple[Message, ...]
    listed: Mapping[int, int]


def claims_to_text(results: Sequence[Understood], translate: Translate) -> str:
    """What was understood, for a terminal."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    for place, one in enumerate(results):
        if place:
            screen.line()
        screen.line(said(_title(one)))
        for line in _conditions(one, said):
            screen.line(line, hang=2)
        for claim in one.table.claims[:_MOST_CLAIMS]:
            screen.line()
            screen.line(_heading(claim, one, said))
            columns, rows = _rows(claim, said)
            screen.table(columns, rows, numbers=True)
        screen.line()
        for line in _after(one, said):
            screen.line(f"* {line}", hang=2)
    return screen.text()


def claims_to_markdown(results: Sequence[Understood], translate: Translate) -> str:
    """What was understood, as Markdown."""
    def said(message: Message) -> str:
        return message.render(translate)

    parts: list[str] = []
    for one in results:
        parts += [f"# {cell(said(_title(one)))}", *(cell(line) for line in _conditions(one, said))]
        for claim in one.table.claims[:_MOST_CLAIMS]:
            columns, rows = _rows(claim, said)
            parts += [f"## {cell(_heading(claim, one, said))}", grid(columns, rows)]
        parts.append("\n".join(f"* {cell(line)}" for line in _after(one, said)))
    return "\n\n".join(part for part in parts if part)


def claims_to_json(results: Sequence[Understood], translate: Translate) -> str:
    """What was understood, as one JSON object; figures in SI units, each with the range that would be printed alike."""
    document = {"schema": SCHEMA, "results": [{
        "tool": one.tool, "version": one.version, "source": one.table.source, "conditions": one.conditions,
        "rows": [{"row": claim.row, "label": claim.label, "words": claim.words, "requests_listed": one.listed.get(claim.row, 0),
                  "figures": {name: _figure(name, figure) for name, figure in claim.figures.items()}} for claim in one.table.claims],
        "notes": _said(one.notes, translate), "assumptions": _said(one.table.assumptions, translate),
        "left_out": _said(one.table.left_out, translate),
    } for one in results]}
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


CLAIM_FACES = {"text": claims_to_text, "md": claims_to_markdown, "json": claims_to_json}


def _said(messages: Sequence[Message], translate: Translate) -> list[str]:
    return [message.render(translate) for message in messages]


def _figure(name: str, figure: Figure) -> dict[str, Any]:
    base, _, statistic = name.partition(".")
    unit = FIGURE_UNITS[base]
    return {"value": figure.value, "low": figure.low, "high": figure.high, "unit": f"{unit}^2" if statistic == "var" else unit,
            "text": figure.text}


def _title(one: Understood) -> Message:
    return say("{source}: results of {tool}", source=one.table.source, tool=" ".join(part for part in (one.tool, one.version) if part))


def _conditions(one: Understood, said: Any) -> Iterator[str]:
    subject = {"model": one.table.subject.model, "hardware": one.table.subject.hardware, "dtype": one.table.subject.dtype}
    pairs = [f"{name} {value}" for name, value in {**subject, **one.conditions}.items() if value]
    if pairs:
        yield f"{said(say('Conditions'))}: {plain(' · '.join(pairs))}"


def _heading(claim: Claim, one: Understood, said: Any) -> str:
    listed = one.listed.get(claim.row)
    return plain(f"{claim.row}. {claim.label}") + (f" · {said(say('{count} requests listed one by one', count=listed))}" if listed else "")


def _rows(claim: Claim, said: Any) -> tuple[list[str], list[list[str]]]:
    """One row per quantity, one column per statistic that any of them has; a condition is its own mean."""
    bases = list(dict.fromkeys(name.partition(".")[0] for name in claim.figures))
    shown = [one for one in _SHOWN if not one or any(f"{base}.{one}" in claim.figures for base in bases)]
    columns = [said(say("Quantity")), said(say("Mean")), *shown[1:]]
    return columns, [[_name(base, said), *(_shown(claim, base, one) for one in shown)] for base in bases]


def _name(base: str, said: Any) -> str:
    unit, _ = _scale(base)
    return f"{said(FIGURE_WORDS[base])} ({unit})" if unit not in {"1", base} else said(FIGURE_WORDS[base])


def _scale(base: str) -> tuple[str, float]:
    """The unit of a face and what to multiply by."""
    unit = FIGURE_UNITS[base]
    if unit == "s" and base not in _LONG_TIMES:
        return "ms", 1e3
    return ("GB", 1 / BYTES_PER_GB) if unit == "B" else (unit, 1.0)


def _shown(claim: Claim, base: str, statistic: str) -> str:
    figure = claim.figures.get(f"{base}.{statistic}" if statistic else base)
    return NOTHING if figure is None else significant(figure.value * _scale(base)[1], min(4, _digits(figure.text) or 4))


def _digits(printed: str) -> int:
    """How many digits of a number were printed, from the first that is not 0: no more are shown."""
    return len(re.sub(r"[^0-9]", "", re.split(r"[eE ]", printed.strip())[0]).lstrip("0"))


def _after(one: Understood, said: Any) -> Iterator[str]:
    more = len(one.table.claims) - _MOST_CLAIMS
    if more > 0:
        yield said(say("and {count} more rows; --format json has them all", count=more))
    for heading, messages in ((say("Definition"), one.notes), (say("Assumed"), one.table.assumptions), (say("Left out"), one.table.left_out)):
        for message in messages[:_MOST_CLAIMS]:
            yield f"{said(heading)}{said(COLON)}{said(message)}"
