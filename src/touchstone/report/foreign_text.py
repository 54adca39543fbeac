"""The faces of a run by another tool's definitions: its names and units, and why its numbers are not ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.finding import ForeignMetric
from touchstone.message import Message, Translate, say
from touchstone.report.document import SCHEMA
from touchstone.report.markdown import cell, grid
from touchstone.report.table import NOTHING, plain
from touchstone.report.terminal import Screen
from touchstone.units import significant

Cases = Sequence[tuple[str, Sequence[ForeignMetric]]]
_SHOWN = ("mean", "p50", "p90", "p95", "p99", "max")


def foreign_to_text(tool: str, cases: Cases, translate: Translate) -> str:
    """The metrics of every case for a terminal, then one line for each definition that differs from ours."""
    screen = Screen()
    screen.line(_headline(tool).render(translate))
    for name, metrics in cases:
        screen.line()
        screen.line(plain(name))
        screen.table(_columns(translate), _rows(metrics), numbers=True)
    screen.line()
    for metric, message in _differences(cases):
        screen.line(f"{metric}: {plain(message.render(translate))}", hang=2)
    return screen.text()


def foreign_to_markdown(tool: str, cases: Cases, translate: Translate) -> str:
    """The same as Markdown."""
    parts = [f"## {cell(_headline(tool).render(translate))}"]
    for name, metrics in cases:
        parts += [f"### {cell(name)}", grid(_columns(translate), [[cell(one) for one in row] for row in _rows(metrics)])]
    parts.append("\n".join(f"* {cell(metric)}: {cell(message.render(translate))}" for metric, message in _differences(cases)))
    return "\n\n".join(parts).rstrip()


def foreign_to_json(tool: str, cases: Cases, translate: Translate) -> str:
    """One JSON object with every statistic, in the units of the tool."""
    document = {"schema": SCHEMA, "metrics_as": tool, "cases": [{"name": name, "metrics": [
        {"name": one.name, "unit": one.unit, "statistics": one.statistics, "formula": one.formula, "ours": one.ours,
         "differs": one.differs.render(translate) if one.differs else None} for one in metrics]} for name, metrics in cases]}
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def _headline(tool: str) -> Message:
    return say("This run by the definitions of {tool}; what that tool's own client would have added to the times is not in it", tool=tool)


def _columns(translate: Translate) -> list[str]:
    return [say("Metric").render(translate), *(name.upper() if name[0] == "p" else say("mean").render(translate) if name == "mean" else
                                               say("max").render(translate) for name in _SHOWN)]


def _rows(metrics: Sequence[ForeignMetric]) -> list[list[str]]:
    return [[plain(f"{one.name} ({one.unit})" if one.unit else one.name), *_numbers(one.statistics)] for one in metrics]


def _numbers(statistics: Mapping[str, float | None]) -> list[str]:
    """One number stands under the mean, since a rate or a count has no other."""
    if "value" in statistics:
        value = statistics["value"]
        return [NOTHING if value is None else significant(value), *[""] * (len(_SHOWN) - 1)]
    return [NOTHING if (value := statistics.get(name)) is None else significant(value) for name in _SHOWN]


def _differences(cases: Cases) -> list[tuple[str, Message]]:
    """Why a metric is not ours, each said once."""
    found: dict[tuple[str, Message], None] = {}
    for _, metrics in cases:
        found |= {(plain(one.name), one.differs): None for one in metrics if one.differs is not None}
    return list(found)


FOREIGN_FACES: Mapping[str, Any] = {"text": foreign_to_text, "md": foreign_to_markdown, "json": foreign_to_json}
"""Name → function of a tool's name, the cases and a translator."""
