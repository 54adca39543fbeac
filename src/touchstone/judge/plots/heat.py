"""Metrics over batch sizes and lengths, where several of both were measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from touchstone.finding import CaseFinding, Trust
from touchstone.judge.metrics import METRICS
from touchstone.judge.plots.shapes import Shape, alike, planned_cases, sampling
from touchstone.plots import HeatCell, HeatMap
from touchstone.record import Run

SHOWN = ("output_throughput", "ttft", "tpot")
_VARIED: Mapping[str, Callable[[Shape], float]] = {"input": lambda shape: shape.input_tokens, "output": lambda shape: shape.output_tokens}
_FIXED = {"input": _VARIED["output"], "output": _VARIED["input"]}
Row = Mapping[int, CaseFinding]
"""The cases of one length by batch size."""


def heat_maps(run: Run, cases: Sequence[CaseFinding], shapes: Sequence[Shape]) -> tuple[HeatMap, ...]:
    """One per metric for every set of shapes that differ in one length and have, two of them at least, several batch sizes each."""
    failed = _failures(run, cases)
    return tuple(HeatMap(metric, METRICS[metric].unit, axis, tuple(_cells(metric, rows)))
                 for axis in _FIXED for group in _groups(axis, shapes) for rows in [_rows(axis, group, failed)] for metric in SHOWN)


def _groups(axis: str, shapes: Sequence[Shape]) -> Iterator[list[Shape]]:
    """Shapes that differ in the length of ``axis`` alone."""
    groups: list[list[Shape]] = []
    for shape in shapes:
        group = next((one for one in groups if alike(_FIXED[axis](one[0]), _FIXED[axis](shape)) and one[0].sampling == shape.sampling), None)
        if group is None:
            groups.append(group := [])
        group.append(shape)
    yield from (group for group in groups if sum(shape.batched for shape in group) > 1)


def _failures(run: Run, cases: Sequence[CaseFinding]) -> Mapping[str, list[CaseFinding]]:
    """Under the name of each case that has a result, those that asked for the same work and have none: nobody measured their lengths."""
    planned = planned_cases(run)

    def work(case: CaseFinding) -> tuple[object, ...]:
        asked = planned.get(case.name, {})
        return asked.get("input_tokens"), str(asked.get("messages")), asked.get("output_tokens"), sampling(planned, case)

    lost = [case for case in cases if case.speed and not case.ok]
    return {case.name: [other for other in lost if work(other) == work(case)] for case in cases if case.ok}


def _rows(axis: str, group: Sequence[Shape], failed: Mapping[str, list[CaseFinding]]) -> dict[int, Row]:
    rows: dict[int, dict[int, CaseFinding]] = {}
    for shape in group:
        row = rows.setdefault(round(_VARIED[axis](shape)), {})
        lost = [other for case in shape.cases for other in failed[case.name]]
        for case in (*shape.cases, *lost):
            row.setdefault(case.batch_size, case)
    return dict(sorted(rows.items()))


def _cells(metric: str, rows: Mapping[int, Row]) -> Iterator[HeatCell]:
    """The whole grid, row by row."""
    batches = sorted({batch for row in rows.values() for batch in row})
    for length, row in rows.items():
        for batch in batches:
            case = row.get(batch)
            if case is None:
                yield HeatCell(batch, length, None, Trust.SUSPECT, "")
            else:
                yield HeatCell(batch, length, case.metrics[metric].value, case.trust, case.name)
