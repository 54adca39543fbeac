"""The plots of a load run. Its events pass by once more; findings do not keep them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from touchstone.finding import Findings
from touchstone.judge.load.scan import Arrivals, Offered, by_case, offered_points
from touchstone.judge.load.summarize import rate_of, sample_of
from touchstone.judge.plots.cdf import LATENCIES, Floats, cdfs_of
from touchstone.judge.plots.curves import load_curves
from touchstone.judge.plots.dots import dot_plots
from touchstone.judge.plots.gantt import gantt_of
from touchstone.judge.plots.timeline import Clockwork
from touchstone.message import Message, say
from touchstone.plots import Dot, Plots
from touchstone.served import LoadRun, Point

MOST_POINTS = 3
"""So many loads are drawn request by request: the first, the last, and the one that the headline is of or one in the middle."""


def plots_of_load(run: LoadRun, findings: Findings) -> Plots:
    """The plots of a load test."""
    shown = _shown(run, findings)
    clocks: dict[int, Clockwork] = {}

    def watch(offered: Offered, arrivals: Arrivals) -> None:
        index = offered.point.index
        if index in shown:
            if index not in clocks:
                clocks[index] = Clockwork(offered)
            clocks[index].add(arrivals)

    offered = {one.point.index: one for one in offered_points(run, watch)}
    repeats = by_case(list(offered.values()))
    drawn = [offered[index] for index in shown]
    timelines = [clocks.get(one.point.index, Clockwork(one)).timeline(one) for one in drawn]  # before anybody sorts the gaps
    open_load = any((case.load or {}).get("arrival") != "closed" for case in findings.cases)
    found = Plots(
        dots=dot_plots([case for case in findings.cases if case.trials > 1], lambda metric, case: _dots(metric, repeats[case.name])),
        cdfs=cdfs_of(findings.cases, (*LATENCIES, "response_ttft") if open_load else LATENCIES,
                     lambda metric, case: _values(metric, repeats[case.name])),
        gantts=tuple(gantt for one in drawn if (gantt := gantt_of(one)) is not None),
        timelines=tuple(timeline for timeline in timelines if timeline is not None), curves=load_curves(findings.cases))
    return replace(found, missing=_missing(found, findings))


def _shown(run: LoadRun, findings: Findings) -> tuple[int, ...]:
    """The points that are drawn request by request: the first repeat of each of so many cases, in the order of the findings."""
    first: dict[str, Point] = {}
    for point in run.points:
        first.setdefault(point.case, point)
    names = [case.name for case in findings.cases]
    between = [names.index(card.case) for card in findings.headline.cards if card.case in names[1:-1]][:1] or [len(names) // 2]
    return tuple(first[names[place]].index for place in sorted({0, *between, len(names) - 1})) if names else ()


def _dots(metric: str, repeats: list[Offered]) -> tuple[Dot, ...]:
    values = [(one.point.index, _of_repeat(metric, one)) for one in repeats]
    return tuple(Dot(0, index + 1, value) for index, value in values if value is not None)


def _of_repeat(metric: str, offered: Offered) -> float | None:
    if metric == "output_throughput":
        return rate_of(metric, offered)
    sample = sample_of(metric, offered)
    return sample.mean if len(sample.values) else None


def _values(metric: str, repeats: list[Offered]) -> Floats:
    return np.concatenate([sample_of(metric, one).values for one in repeats])


def _missing(found: Plots, findings: Findings) -> dict[str, Message]:
    nothing = say("no request was sent")
    unseen = say("the server does not say what it runs on")
    static = say("needs an engine whose batch size is set; a server makes its own batches")
    missing = {
        "dots": say("needs two repeats of a load"), "scaling": static, "cdfs": say("no request ended well"), "gantts": nothing,
        "timelines": nothing, "curves": say("needs two concurrencies, or two request rates"), "heat_maps": static, "roofline": unseen,
        "memory": unseen, "stability": say("needs trials of an engine that are alike; the load itself was changed"),
    }
    left = {field: reason for field, reason in missing.items() if not getattr(found, field)}
    if found.curves:
        left["curves"] = say("how many devices share the work is not known: throughput is that of all of them together")
    if len(findings.cases) > MOST_POINTS:
        left["gantts"] = left["timelines"] = say("drawn for {shown} of {all} loads", shown=MOST_POINTS, all=len(findings.cases))
    return left
