"""Throughput against latency by rising load, and the goodput of each load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import OperatingCurve, OperatingPoint
from touchstone.report.both import Both, both, same
from touchstone.report.charts import belief
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Words, look, number_axis, picture, points, scale_of, titled
from touchstone.report.charts.labelling import UPRIGHT, Frame, labels
from touchstone.report.charts.operating import bars, honest_scale, interval, intervals, joined, load_label, reach, shape_of
from touchstone.report.charts.wording import factor_of, headings, metric_word, unit_words
from touchstone.report.table import NOTHING, number

_HEIGHT = 170
_LATENCIES = ("ttft", "tpot")
_STATISTICS = ("p50", "p99")
"""In the order of their series."""
_GOODPUT_SERIES = 2
_MOST_TICKS = 10
_LOADS: Mapping[str, Message] = {
    "concurrency": say("Requests in flight"), "rate": say("Requests offered per second"), "batch": say("Batch size"),
}
_COLUMNS = (say("Scenario"), say("Load"), say("Output tokens/s"), say("95 % interval"), say("TTFT P50 (ms)"), say("TTFT P99 (ms)"),
            say("TPOT P50 (ms)"), say("TPOT P99 (ms)"), say("Goodput (requests/s)"), say("95 % interval"), say("Verdict"))
_Row = dict[str, Any]
_Cells = tuple[Both | str, ...]


def curve(noun: OperatingCurve, titles: Mapping[str, Both]) -> Chart | None:
    """What each load gives in all and what it costs a user; None where nothing is known but the throughput."""
    words = Words()
    latencies = {metric: rows for metric in _LATENCIES if (rows := list(_latency_rows(noun, metric)))}
    goodputs = list(_goodput_rows(noun))
    panels = [*_latency_panels(latencies, words), *_goodput_panels(goodputs, noun, words)]
    if not panels:
        return None
    columns, table = _without_empty(headings(*_COLUMNS), [_cells(point, titles) for point in noun.points])
    statistics = _statistics(row for rows in latencies.values() for row in rows)
    return Chart(
        id="curve", title=both(say("Throughput and latency: {shape}", shape=shape_of(noun))),
        caption=both(say("Each point is one load, n = {n}; the lines join the believable ones by rising load. Right is more, down is sooner. "
                         "Bars are 95 % intervals, cut at the edge.", n=len(noun.points))),
        spec=picture({"vconcat": panels}), texts=words.all, columns=columns, rows=table,
        legend=(*(Key(same(name.upper()), _STATISTICS.index(name), "line") for name in statistics),
                *([Key(both(metric_word("goodput")), _GOODPUT_SERIES, "line")] if goodputs else []),
                *belief.keys(point.trust for point in noun.points)))


def _latency_rows(noun: OperatingCurve, metric: str) -> Iterator[_Row]:
    """A row for each quantile of each point; the last of a point carries the label of its load."""
    for point in noun.points:
        values = {name: value for name in _STATISTICS if (value := getattr(point, f"{metric}_{name}")) is not None}
        for place, (name, value) in enumerate(values.items(), 1):
            yield {"x": point.output_throughput, "y": value * factor_of(metric), "statistic": name, **_ends(point, first=place == 1),
                   "label": load_label(point) if place == len(values) else "", "joined": belief.believable(point.trust),
                   **look(_STATISTICS.index(name), point.trust)}


def _ends(point: OperatingPoint, *, first: bool) -> _Row:
    """The interval of the throughput, once for each point: all its quantiles stand above each other."""
    return {"low": point.low, "high": point.high} if first else {"low": None, "high": None}


def _goodput_rows(noun: OperatingCurve) -> Iterator[_Row]:
    for point in noun.points:
        if point.goodput is not None:
            yield {"x": point.load, "y": point.goodput, "low": point.goodput_low, "high": point.goodput_high,
                   "joined": belief.believable(point.trust), **look(_GOODPUT_SERIES, point.trust)}


def _statistics(rows: Iterable[_Row]) -> list[str]:
    found = {row["statistic"] for row in rows}
    return [name for name in _STATISTICS if name in found]


def _latency_panels(latencies: Mapping[str, Sequence[_Row]], words: Words) -> Iterator[dict[str, Any]]:
    """One above the other, over the same throughput, which the last of them names."""
    everything = [row for rows in latencies.values() for row in rows]
    x = honest_scale(reach(everything, "x") if everything else ())
    for metric, rows in latencies.items():
        last, found = metric == tuple(latencies)[-1], _statistics(rows)
        y = honest_scale([row["y"] for row in rows])
        upward = say("{metric}, {statistics} ({unit})", metric=metric_word(metric), statistics=", ".join(found).upper(), unit=unit_words(metric, "s"))
        across = words(titled(say("Output throughput, mean (output tokens/s, all requests together)"), x)) if last else None
        channels: dict[str, Any] = {"x": number_axis("x", across, x, labels=last), "y": number_axis("y", words(titled(upward, y)), y, **UPRIGHT)}
        series = {name: [row for row in rows if row["statistic"] == name and row["joined"]] for name in found}
        lines = [joined(series[name], _STATISTICS.index(name), **channels) for name in found]
        spans = bars(rows, x)
        taken = [*series.values(), *([{"x": row[end], "y": row["y"]} for end in ("low", "high")] for row in spans)]
        named = labels([row for row in rows if row["label"]], rows, taken, Frame(x, y, WIDTH, _HEIGHT), channels)
        yield {"width": WIDTH, "height": _HEIGHT, "layer": [*lines, *intervals(spans, channels, "x"), points(rows, **channels), named]}


def _goodput_panels(rows: Sequence[_Row], noun: OperatingCurve, words: Words) -> Iterator[dict[str, Any]]:
    """A panel, or none without goodput."""
    if not rows:
        return
    x = scale_of(row["x"] for row in rows)
    x = replace(x, ticks=tuple(sorted({row["x"] for row in rows}))) if x.log and len(rows) <= _MOST_TICKS else x
    y = scale_of(reach(rows, "y"), zero=True)
    across = words(titled(_LOADS.get(noun.points[0].load_kind, say("Load")), x))
    upward = words(say("Goodput ({unit})", unit=unit_words("goodput", "1/s")))
    channels: dict[str, Any] = {"x": number_axis("x", across, x), "y": number_axis("y", upward, y, **UPRIGHT)}
    yield {"width": WIDTH, "height": _HEIGHT, "layer": [
        joined([row for row in rows if row["joined"]], _GOODPUT_SERIES, **channels), *intervals(bars(rows, y), channels, "y"), points(rows, **channels)]}


def _cells(point: OperatingPoint, titles: Mapping[str, Both]) -> _Cells:
    return (belief.case_title(point.case, titles), load_label(point), number(point.output_throughput), interval(point.low, point.high),
            *(number(getattr(point, f"{metric}_{name}"), factor_of(metric)) for metric in _LATENCIES for name in _STATISTICS),
            number(point.goodput), interval(point.goodput_low, point.goodput_high), belief.verdict(point.trust))


def _without_empty(columns: Sequence[Both], rows: Sequence[_Cells]) -> tuple[tuple[Both, ...], tuple[_Cells, ...]]:
    """Only the columns that have a value in any row."""
    kept = [place for place in range(len(columns)) if any(row[place] != NOTHING for row in rows)]
    return tuple(columns[place] for place in kept), tuple(tuple(row[place] for place in kept) for row in rows)
