"""Tables that stand the other way: metrics down the first column and a case per column, or a list of names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from touchstone.judge.claims.words import (
    heads_names,
    heads_remarks,
    heads_units,
    heads_values,
    is_figure,
    is_metric,
    is_missing,
    is_result,
)
from touchstone.message import Message, say

_MOST_METRICS = 200


@dataclass(frozen=True)
class Turned:
    """A table with its cases down and its metrics across, what was done, and what was left out."""

    heading: list[str]
    rows: list[list[str]]
    note: Message
    left_out: tuple[Message, ...] = ()


def turned(heading: Sequence[str], body: Sequence[Sequence[str]]) -> Turned | None:
    """The table turned, if it stands the other way; else None."""
    if len(body) > _MOST_METRICS:
        return None
    units = next((column for column, name in enumerate(heading) if column and heads_units(name)), None)
    remarks = [column for column, name in enumerate(heading) if column and heads_remarks(name)]
    cases = [column for column in range(1, len(heading)) if column != units and column not in remarks and not _is_of_words(body, column)]
    if not cases or not _stands_the_other_way(heading, body, cases):
        return None
    names = [_with_unit(row[0], row[units] if units else "") for row in body]
    left_out = tuple(say("The column {heading} was not read.", heading=heading[column]) for column in remarks)
    columns = [[row[column] for row in body] for column in cases]
    if len(cases) == 1 and (heads_values(heading[cases[0]]) or _is_entry(heading, cases)):
        if _is_entry(heading, cases):
            names, columns = [heading[0], *names], [[heading[cases[0]], *columns[0]]]
        return Turned(names, columns, say("The list of names and values was read as one row."), left_out)
    rows = [[heading[column], *values] for column, values in zip(cases, columns, strict=True)]
    return Turned([_corner(heading[0]), *names], rows, say("The table was turned: its first column names what was measured."), left_out)


def _is_of_words(body: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column beside others says something in every row and is never a number: a stage, a kind, and no case."""
    return len(body[0]) > 2 and not any(is_figure(row[column]) or is_missing(row[column]) for row in body)


def _stands_the_other_way(heading: Sequence[str], body: Sequence[Sequence[str]], cases: list[int]) -> bool:
    """Whether most names in the first column are of metrics, and none in the heading is; a list may say so by its heading alone."""
    if len(cases) == 1 and heads_names(heading[0]) and heads_values(heading[cases[0]]):
        return not any(is_figure(row[0]) for row in body)
    if any(_is_metric_heading(heading[column]) for column in cases):
        return False
    metrics = sum(1 for row in body if is_metric(row[0]) and not is_figure(row[0]))
    results = sum(1 for row in body if is_result(row[0]))
    cells = [row[column] for row in body for column in cases if not is_missing(row[column])]
    return results >= 1 and metrics + _is_entry(heading, cases) >= 2 and metrics * 5 >= len(body) * 3 and sum(map(is_figure, cells)) * 2 >= len(cells) > 0


def _is_metric_heading(name: str) -> bool:
    """Whether a heading names a metric or a load: "batch=4" does not, it names a case."""
    return (is_result(name) and not is_figure(name)) or (is_metric(name) and not any(map(str.isdigit, name)))


def _is_entry(heading: Sequence[str], cases: list[int]) -> bool:
    """Whether the first line of a list, which has no heading, was taken for one."""
    return len(cases) == 1 and is_result(heading[0]) and is_figure(heading[cases[0]])


def _with_unit(name: str, unit: str) -> str:
    return name if is_missing(unit) or unit in name else f"{name} ({unit})"


def _corner(name: str) -> str:
    """What the cases are called: of "metric / concurrency" the concurrency, of "metric" alone nothing."""
    parts = [part.strip() for part in re.split(r"[\\/|]", name)]
    kept = [part for part in parts if not heads_names(part)]
    return kept[-1] if len(parts) > 1 and kept else name if kept else ""
