"""Every repetition of every case as a point, and the mean with its interval between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import CaseDots, DotPlot
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import Words, labels_of, look, name_axis, number_axis, picture, points, scale_of, width_beside
from touchstone.report.charts.wording import factor_of, headings, identifier, launch_keys, left_out, metric_word, unit_of, unit_words
from touchstone.report.table import NOTHING, number

_SHARED = 3.0
"""Cases whose values span more than this factor have an axis each: on one axis their repetitions would be a blot."""
_ROW, _LANE = 14, 9
_MOST_CASES = 24
_MOST_ROWS = 200
_MOST_VALUES = 60
Panel = dict[str, Any]
Row = dict[str, Any]


def dots(noun: DotPlot, titles: Mapping[str, Both]) -> Chart | None:
    """The repetitions of one metric; None where no case has any."""
    cases = [case for case in noun.cases if case.dots]
    if not cases:
        return None
    words, shown = Words(), cases[:_MOST_CASES]
    title = words(say("{metric} of one repetition ({unit})", metric=metric_word(noun.metric), unit=unit_words(noun.metric, noun.unit)))
    labels = labels_of((case.case for case in shown), titles, words)
    apart = _apart(shown)
    groups = [[case] for case in shown] if apart else [shown]
    panels = [_panel(group, {case.case: labels[case.case] for case in group}, factor_of(noun.metric), words.room(labels.values()),
                     title if group is groups[-1] else None) for group in groups]
    return Chart(
        id=identifier("dots", noun.metric), title=both(say("Every repetition: {metric}", metric=metric_word(noun.metric))),
        caption=both(left_out(_caption(cases, apart=apart), len(cases) - _MOST_CASES)),
        spec=picture({"vconcat": panels, "bounds": "flush", "spacing": 26}), texts=words.all,
        columns=headings(say("Scenario"), say("Launch"), say("n"), say("Mean"), say("95 % interval"),
                         say("Values ({unit})", unit=unit_of(noun.metric, noun.unit)), say("Verdict")),
        rows=tuple(_rows(cases, titles, factor_of(noun.metric)))[:_MOST_ROWS], legend=_legend(cases))


def _caption(cases: Sequence[CaseDots], *, apart: bool) -> Message:
    return say("A point is one repetition; the bar is the mean with its 95 % interval, cut at the edge. {scales} n = {n} repetitions of {cases} cases.",
               scales=say("Each case has an axis of its own.") if apart else say("All cases share one axis."),
               n=sum(len(case.dots) for case in cases), cases=len(cases))


def _apart(cases: Sequence[CaseDots]) -> bool:
    values = [dot.value for case in cases for dot in case.dots]
    return min(values) <= 0 or max(values) / min(values) > _SHARED


def _panel(cases: Sequence[CaseDots], labels: Mapping[str, str], factor: float, room: float, title: str | None) -> Panel:
    repeated: list[Row] = [{"case": labels[case.case], "launch": dot.launch, "value": dot.value * factor, **look(dot.launch, case.trust)}
                           for case in cases for dot in case.dots]
    means = [_mean(case, labels[case.case], factor) for case in cases if case.mean is not None]
    values = [row["value"] for row in repeated]
    scale = scale_of([*values, *_ends(means, values)], log=scale_of(values).log, ticks=5)
    means = [{**row, "low": max(row["low"], scale.low), "high": min(row["high"], scale.high)} for row in means]

    def across(name: str) -> dict[str, Any]:
        return number_axis(name, title, scale, grid=len(cases) > 1)

    y = name_axis("case", list(labels.values()), minExtent=room, maxExtent=room)
    lanes = {"field": "launch", "type": "nominal", "scale": {"paddingOuter": 0.5}}
    height = _ROW + _LANE * len({row["launch"] for row in repeated})
    return {"width": width_beside(room), "height": height * len(cases), "layer": [
        {"data": {"values": means}, "mark": {"type": "rule", "strokeWidth": 2, "color": palette.INK},
         "encoding": {"y": y, "x": across("low"), "x2": {"field": "high"}}},
        {"data": {"values": means}, "mark": {"type": "tick", "thickness": 2, "size": 14, "opacity": 1, "color": palette.INK},
         "encoding": {"y": y, "x": across("mean")}},
        points(repeated, 36, y=y, yOffset=lanes, x=across("value"))]}


def _mean(case: CaseDots, label: str, factor: float) -> Row:
    """The mean and its interval; without an interval only its place is drawn."""
    mean = (case.mean or 0.0) * factor
    return {"case": label, "mean": mean, "low": mean if case.low is None else case.low * factor,
            "high": mean if case.high is None else case.high * factor}


def _ends(means: Sequence[Row], values: Sequence[float]) -> list[float]:
    """The means and the ends of their intervals, as far from the points as these reach at most: a wider one would press them together."""
    reach = (max(values) - min(values)) or math.inf
    return [min(max(row[side], min(values) - reach), max(values) + reach) for row in means for side in ("mean", "low", "high")]


def _rows(cases: Sequence[CaseDots], titles: Mapping[str, Both], factor: float) -> Iterator[tuple[Both | str, ...]]:
    for case in cases:
        interval = NOTHING if case.low is None or case.high is None else f"{number(case.low, factor)} … {number(case.high, factor)}"
        for launch in sorted({dot.launch for dot in case.dots}):
            values = [number(dot.value, factor) for dot in case.dots if dot.launch == launch]
            listed = " · ".join(values[:_MOST_VALUES]) + (" …" if len(values) > _MOST_VALUES else "")
            yield (belief.case_title(case.case, titles), str(launch + 1), str(len(values)), number(case.mean, factor), interval, listed,
                   belief.verdict(case.trust))


def _legend(cases: Sequence[CaseDots]) -> tuple[Key, ...]:
    return (*launch_keys(dot.launch for case in cases for dot in case.dots), *belief.keys(case.trust for case in cases))
