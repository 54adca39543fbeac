"""Tables of what was measured: latencies, memory, devices, and how a server was loaded."""

from __future__ import annotations

from touchstone.finding import Findings
from touchstone.message import say
from touchstone.report import load_table, sheets
from touchstone.report.both import Both, both
from touchstone.report.html.blocks import Block, Fold, Grid, Point, Points, Prose, grid_of, in_both, shown


def latencies(findings: Findings) -> tuple[Block, ...]:
    """Every latency of every case; of a load those that are seldom asked for in a fold."""
    others = grid_of("other-latencies", sheets.other_latencies, findings)
    return (*shown(grid_of("latencies", sheets.main_latencies, findings)), *((Fold(others.title, (others,)),) if others.rows else ()))


def memory(findings: Findings) -> tuple[Block, ...]:
    """Where the memory went, and loading."""
    return (*shown(grid_of("memory-sizes", sheets.memory, findings)), *shown(grid_of("loading", sheets.loading, findings)))


def devices(findings: Findings) -> tuple[Block, ...]:
    """Energy, heat and clocks, and how they were watched."""
    notes = in_both(lambda translate, lang: sheets.device_notes(findings, translate, lang))
    points = (Points(both(say("How the devices were watched")), tuple(Point("", note) for note in notes)),) if notes else ()
    return (*shown(grid_of("devices", sheets.devices, findings)), *points)


def serving(findings: Findings) -> tuple[Block, ...]:
    """Of a load run: what was offered, which levels were kept, what failed, and whether the client kept up."""
    if findings.kind != "load" or not findings.cases:
        return ()
    failures = grid_of("failures", sheets.failures, findings)
    failed: tuple[Block, ...] = (failures,) if failures.rows else (Prose(_said(failures)),)
    return (*shown(grid_of("levels", sheets.levels, findings)), grid_of("conditions", sheets.conditions, findings), *failed, *_client(findings))


def _said(grid: Grid) -> Both:
    """The note of a table without rows, after its title."""
    assert isinstance(grid.title, Both)
    assert isinstance(grid.note, Both)
    return Both(f"{grid.title.en}: {grid.note.en}", f"{grid.title.zh}：{grid.note.zh}")


def _client(findings: Findings) -> tuple[Block, ...]:
    client = findings.client
    if client is None:
        return ()
    lines = (*map(both, load_table.client_lines(findings)), *map(both, client.reasons))
    return (Points(both(say("The load client")), tuple(Point("", line) for line in lines)),) if lines else ()
