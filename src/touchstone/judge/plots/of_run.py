"""The plots of an engine run, from the same trials that entered its estimates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from touchstone.finding import CaseFinding, Findings
from touchstone.judge.limits.devices import count_of, why_open
from touchstone.judge.plots.cdf import LATENCIES, Floats, cdfs_of
from touchstone.judge.plots.curves import batch_curves
from touchstone.judge.plots.dots import dot_plots
from touchstone.judge.plots.heat import heat_maps
from touchstone.judge.plots.memory import memory_stacks
from touchstone.judge.plots.played import Played
from touchstone.judge.plots.roofline import roofline_of
from touchstone.judge.plots.scaling import scalings
from touchstone.judge.plots.shapes import shapes_of
from touchstone.judge.plots.stability import stability_of
from touchstone.judge.summarize import distinct, trial_value, values_of
from touchstone.message import Message, say
from touchstone.plots import Dot, Plots, Roofline
from touchstone.record import Run

_TOGETHER = say("the requests of a batch are handed over together, and nothing is in flight between batches")


def plots_of_run(run: Run, findings: Findings) -> Plots:
    """The plots of a run of an engine in this process."""
    played, shapes = Played(run), shapes_of(run, findings.cases)

    def dots(metric: str, case: CaseFinding) -> tuple[Dot, ...]:
        return tuple(Dot(trial.launch, order, value) for order, trial in played.whole(case.name)
                     if (value := trial_value(metric, trial)) is not None)

    def values(metric: str, case: CaseFinding) -> Floats:
        return np.array([value for _, trial in played.whole(case.name) for value in values_of(metric, distinct(trial))])

    roofline = roofline_of(run, findings)
    found = Plots(
        dots=dot_plots(findings.cases, dots), scaling=scalings(shapes), cdfs=cdfs_of(findings.cases, LATENCIES, values),
        curves=batch_curves(shapes, None if why_open(run) else count_of(run)), heat_maps=heat_maps(run, findings.cases, shapes),
        roofline=roofline if isinstance(roofline, Roofline) else None, memory=memory_stacks(findings),
        stability=stability_of(run, findings.cases, played))
    return replace(found, missing=_missing(found, roofline))


def _missing(found: Plots, roofline: Roofline | Message) -> dict[str, Message]:
    nothing = say("no trial succeeded")
    some = bool(found.dots)
    batches = say("needs cases of one shape at two batch sizes") if some else nothing
    missing = {
        "dots": nothing, "scaling": batches, "cdfs": nothing, "gantts": _TOGETHER, "timelines": _TOGETHER, "curves": batches,
        "heat_maps": say("needs two lengths, each at two batch sizes") if some else nothing,
        "memory": say("neither the weights nor a peak of memory is known") if some else nothing, "stability": nothing,
        "roofline": roofline if isinstance(roofline, Message) else nothing,
    }
    left = {field: reason for field, reason in missing.items() if not getattr(found, field)}
    if found.curves and found.curves[0].devices is None:
        left["curves"] = say("how many devices share the work is not known: throughput is that of all of them together")
    return left
