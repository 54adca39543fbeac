"""What happened when: output, time to the first token and time between tokens, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.message import say
from touchstone.plots import Timeline, TimelineSlice
from touchstone.report.both import Both, both, same
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Words, line, look, number_axis, picture, points, scale_of, titled
from touchstone.report.charts.labelling import UPRIGHT
from touchstone.report.charts.over_time import SECONDS, Clock, clock_of, window_words
from touchstone.report.charts.wording import about, factor_of, headings, identifier
from touchstone.report.table import number

_HEIGHT = 96
_HALF, _MOST_OF_THEM, _GAP = 0, 1, 3
"""The series of P50, P95 and the longest gap; the throughput has a panel alone."""
_AXES = {"ttft": say("TTFT of the requests sent in a slice (ms)"), "itl": say("ITL, gaps that ended in a slice (ms)")}
_MS = factor_of("ttft")
Panel = dict[str, Any]
Row = dict[str, Any]


def timeline(noun: Timeline, titles: Mapping[str, Both]) -> Chart | None:
    """One point of load over time; None where nothing was seen."""
    if not noun.slices:
        return None
    words = Words()
    clock = clock_of((one.at_s for one in noun.slices), noun.window_s)
    rows = [_in_units(one) for one in noun.slices]
    wanted = [metric for metric in ("ttft", "itl") if any(row[f"{metric}_p50"] is not None for row in rows)]
    title = words(SECONDS)
    panels = [_output(rows, clock, words, None if wanted else title),
              *(_latency(rows, metric, clock, words, title if metric == wanted[-1] else None) for metric in wanted)]
    return Chart(
        id=identifier("timeline", noun.case),
        title=about(belief.case_title(noun.case, titles), lambda case: say("Over time: {case}", case=case)),
        caption=both(say("A quantile is left out where a slice has too few values. {window} n = {n} slices.",
                         window=window_words(noun.window_s), n=len(rows))),
        spec=picture({"vconcat": panels, "bounds": "flush", "spacing": 30}), texts=words.all,
        columns=headings(say("Second"), say("Output throughput (tokens/s)"), say("TTFT P50 (ms)"), say("TTFT P95 (ms)"), say("ITL P50 (ms)"),
                         say("ITL P95 (ms)"), say("Longest gap (ms)")),
        rows=tuple(tuple(map(number, row.values())) for row in rows), legend=_legend(rows))


def _in_units(one: TimelineSlice) -> dict[str, float | None]:
    """The columns of the table, which are those of the picture."""
    times = {"ttft_p50": one.ttft_p50, "ttft_p95": one.ttft_p95, "itl_p50": one.itl_p50, "itl_p95": one.itl_p95, "gap": one.longest_gap_s}
    return {"second": one.at_s, "output": one.output_throughput, **{name: None if value is None else value * _MS for name, value in times.items()}}


def _output(rows: Sequence[Row], clock: Clock, words: Words, title: str | None) -> Panel:
    y = number_axis("output", words(say("Output throughput (tokens/s, all requests together)")), scale_of((row["output"] for row in rows), zero=True, ticks=4), **UPRIGHT)
    return {"width": WIDTH, "height": _HEIGHT, "layer": [*clock.window(title), line(rows, _HALF, x=clock.axis("second", title), y=y)]}


def _latency(rows: Sequence[Row], metric: str, clock: Clock, words: Words, title: str | None) -> Panel:
    """The band from P50 to P95; for ITL the longest gap of each slice too, which is what a stall looks like."""
    shown = [f"{metric}_p50", f"{metric}_p95", *(["gap"] if metric == "itl" else [])]
    scale = scale_of((value for row in rows for name in shown if (value := row[name]) is not None), ticks=4)
    scale = scale if scale.log else scale_of([0.0, scale.high], log=False, ticks=4)
    label = words(titled(_AXES[metric], scale))
    x = clock.axis("second", title)

    def axis(name: str) -> dict[str, Any]:
        return number_axis(name, label, scale, **UPRIGHT)

    both_ends = [row if None not in (row[shown[0]], row[shown[1]]) else {**row, shown[0]: None, shown[1]: None} for row in rows]
    band = {"data": {"values": both_ends}, "mark": {"type": "area", "color": palette.series(_HALF), "opacity": 0.18},
            "encoding": {"x": x, "y": axis(shown[0]), "y2": {"field": shown[1]}}}
    gaps = [{"second": row["second"], "gap": row["gap"], **look(_GAP)} for row in rows if row["gap"] is not None] if metric == "itl" else []
    alone = [{"second": row["second"], "value": row[shown[0]], **look(_HALF)} for row in rows if row[shown[0]] is not None]
    return {"width": WIDTH, "height": _HEIGHT, "layer": [
        *clock.window(title), band, line(rows, _HALF, x=x, y=axis(shown[0])), line(rows, _MOST_OF_THEM, x=x, y=axis(shown[1])),
        points(alone, 10, x=x, y=axis("value")), *([points(gaps, 20, x=x, y=axis("gap"))] if gaps else [])]}


def _legend(rows: Sequence[Row]) -> tuple[Key, ...]:
    found = {name for row in rows for name, value in row.items() if value is not None}
    keys = ((("ttft_p50", "itl_p50"), Key(same("P50"), _HALF, mark="line")), (("ttft_p95", "itl_p95"), Key(same("P95"), _MOST_OF_THEM, mark="line")),
            (("gap",), Key(both(say("longest gap of a slice")), _GAP)))
    return tuple(key for names, key in keys if found & {*names})
