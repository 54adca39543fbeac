"""What the pictures of a report are drawn from: a run and its findings in, points out. One module for each family of pictures."""

from __future__ import annotations

from touchstone.finding import Findings
from touchstone.judge.plots.of_load import plots_of_load
from touchstone.judge.plots.of_run import plots_of_run
from touchstone.plots import Plots
from touchstone.record import Run
from touchstone.served import LoadRun


def plots_of(run: Run | LoadRun, findings: Findings) -> Plots:
    """All that can be drawn of ``run``, of which ``findings`` are; means and intervals are theirs."""
    return plots_of_load(run, findings) if isinstance(run, LoadRun) else plots_of_run(run, findings)
