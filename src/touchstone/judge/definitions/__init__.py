"""A run's numbers by the definitions of other tools, so that a number published with one of them can be laid beside ours.

Each tool is a module with one :class:`~touchstone.judge.definitions.tool.Tool`: which events it takes for tokens, and its formulas. What
its own client would have added to the times is not in a run and not in these numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from touchstone.errors import unknown_name
from touchstone.finding import ForeignMetric
from touchstone.judge.columns import events_of, requests_of
from touchstone.judge.definitions import aiperf, aisbench, differences, evalscope, guidellm, sglang, vllm
from touchstone.judge.definitions.answers import Answers, Reader, Reading, read_answers
from touchstone.judge.definitions.arithmetic import made_tokens
from touchstone.judge.definitions.tool import Tool
from touchstone.message import say
from touchstone.record import Run
from touchstone.served import Events, LoadRun, Requests

__all__ = ["TOOLS", "ForeignMetric", "Tool", "metrics_as", "metrics_as_table"]

TOOLS: Mapping[str, Tool] = {one.TOOL.name: one.TOOL for one in (vllm, sglang, guidellm, aiperf, evalscope, aisbench)}
_OF_A_STREAM = {"ttft", "ttfo", "ttfe", "tpot", "itl", "decode_speed"}


def metrics_as_table(run: LoadRun | Run, tool: str) -> tuple[tuple[str, tuple[ForeignMetric, ...]], ...]:
    """The metrics of every case of ``run`` as ``tool`` defines them, in the order of the cases; its repeats are taken as one long run.

    Raises :class:`touchstone.errors.UsageError` for a tool that is not one of :data:`TOOLS`.
    """
    if tool not in TOOLS:
        raise unknown_name(say("tool"), tool, TOOLS)
    cases = _served_cases(run, TOOLS[tool]) if isinstance(run, LoadRun) else _engine_cases(run, TOOLS[tool])
    return tuple((name, metrics_as(tool, points)) for name, points in cases.items())


def metrics_as(tool: str, points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    """The metrics of one case, which was offered as ``points``, as ``tool`` (one of :data:`TOOLS`) defines them."""
    measured = TOOLS[tool].measure(points)
    unknown = sum(int(np.ma.getmaskarray(made_tokens(one.requests))[one.good].sum()) for one in points)
    return tuple(_without_times(one, unknown) if not points[0].streamed else _without_tokens(one, unknown) for one in measured)


def _without_tokens(metric: ForeignMetric, unknown: int) -> ForeignMetric:
    """Says why a metric is missing, where it is because nobody counted the tokens."""
    if unknown and all(value is None for value in metric.statistics.values()):
        return replace(metric, differs=say("the tokens of {answers} answers are unknown: the server sent no count, and none was made of the text",
                                           answers=unknown))
    return metric


def _without_times(metric: ForeignMetric, unknown: int) -> ForeignMetric:
    """Takes away what answers in one piece do not show."""
    if metric.ours in _OF_A_STREAM:
        return replace(metric, statistics=dict.fromkeys(metric.statistics), differs=differences.NOT_STREAMED)
    return _without_tokens(metric, unknown)


# ── a server under load ──────────────────────────────────────────────────────────────────────────────────────────────────


def _served_cases(run: LoadRun, tool: Tool) -> dict[str, list[Answers]]:
    endpoint: Any = run.header.get("endpoint")
    endpoint = endpoint if isinstance(endpoint, Mapping) else {}
    chat, streamed = endpoint.get("backend") != "openai", endpoint.get("stream") is not False
    readers = {point.index: Reader(run.requests.where(run.requests.point.data == point.index), _reading(tool, chat=chat),
                                   chat=chat, streamed=streamed) for point in run.points}
    for batch in run.events():
        for index, events in _by_point(batch):
            if index in readers:
                readers[index].add(events)
    cases: dict[str, list[Answers]] = {}
    for point in run.points:
        cases.setdefault(point.case, []).append(readers[point.index].answers())
    return cases


def _reading(tool: Tool, *, chat: bool) -> Reading:
    return tool.chat if chat else tool.completions


def _by_point(events: Events) -> Iterator[tuple[int, Events]]:
    for index in np.unique(events.point.data).tolist():
        here = events.point.data == index
        yield index, events if here.all() else Events(**{one.name: getattr(events, one.name)[here] for one in fields(Events)})


# ── an engine in this process ────────────────────────────────────────────────────────────────────────────────────────────


def _engine_cases(run: Run, tool: Tool) -> dict[str, list[Answers]]:
    cases: dict[str, list[Answers]] = {}
    for trial in run.measured():
        answers = read_answers(_seen(requests_of(trial.records)), [events_of(trial.records)], tool.chat)
        cases.setdefault(trial.case, []).append(answers)
    return cases


def _seen(requests: Requests) -> Requests:
    """What an engine wrote is seen by the user: there is no channel for anything else."""
    return replace(requests, first_output_ns=requests.first_token_ns)
