"""Every repetition of every case: trials of an engine, repeats of a load."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from touchstone.finding import CaseFinding
from touchstone.judge.metrics import METRICS
from touchstone.plots import CaseDots, Dot, DotPlot

SHOWN = ("ttft", "tpot", "output_throughput")


def dot_plots(cases: Sequence[CaseFinding], dots: Callable[[str, CaseFinding], tuple[Dot, ...]]) -> tuple[DotPlot, ...]:
    """One plot per metric that any case has; ``dots`` gives those of a metric and a case."""
    plots = [DotPlot(metric, METRICS[metric].unit, tuple(_row(metric, case, found) for case in cases if (found := dots(metric, case))))
             for metric in SHOWN]
    return tuple(plot for plot in plots if plot.cases)


def _row(metric: str, case: CaseFinding, dots: tuple[Dot, ...]) -> CaseDots:
    estimate = case.metrics[metric]
    return CaseDots(case.name, case.trust, dots, estimate.value, estimate.low, estimate.high)
