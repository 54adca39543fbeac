"""Pictures: plots of the judge → Vega-Lite and a table → static SVG. One module for each kind; :mod:`drawing` draws them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from touchstone.finding import Findings
from touchstone.plots import Plots
from touchstone.report.both import Both, titled
from touchstone.report.charts.cdf import cdf
from touchstone.report.charts.chart import Chart
from touchstone.report.charts.curve import curve
from touchstone.report.charts.dots import dots
from touchstone.report.charts.gantt import gantt
from touchstone.report.charts.heat import heat
from touchstone.report.charts.memory import memory
from touchstone.report.charts.pareto import pareto
from touchstone.report.charts.roofline import roofline
from touchstone.report.charts.scaling import scaling
from touchstone.report.charts.stability import stability
from touchstone.report.charts.timeline import timeline


def charts_of(findings: Findings, plots: Plots) -> tuple[Chart, ...]:
    """Every picture of a report, in the order of the page; what has nothing to draw is left out. The id of each is its own."""
    titles = {case.name: titled(case.title, case.name) for case in findings.cases}
    return tuple(_with_own_ids(chart for chart in _charts(plots, titles) if chart is not None))


def _charts(plots: Plots, titles: Mapping[str, Both]) -> Iterator[Chart | None]:
    yield from (dots(noun, titles) for noun in plots.dots)
    yield from (heat(noun, titles) for noun in plots.heat_maps)
    yield from (scaling(noun, titles) for noun in plots.scaling)
    yield from (cdf(noun, titles) for noun in plots.cdfs)
    yield from (gantt(noun, titles) for noun in plots.gantts)
    yield from (timeline(noun, titles) for noun in plots.timelines)
    yield from (curve(noun, titles) for noun in plots.curves)
    yield from (pareto(noun, titles) for noun in plots.curves)
    if plots.roofline is not None:
        yield roofline(plots.roofline, titles)
    yield memory(plots.memory, titles)
    if plots.stability is not None:
        yield stability(plots.stability, titles)


def _with_own_ids(charts: Iterable[Chart]) -> Iterator[Chart]:
    taken: set[str] = set()
    for chart in charts:
        name = next(name for name in _numbered(chart.id) if name not in taken)
        taken.add(name)
        yield chart if name == chart.id else replace(chart, id=name)


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 1 << 30):
        yield f"{name}-{number}"
