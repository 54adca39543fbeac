"""Was the machine the same from beginning to end: every trial in the order it was played, temperature and clock below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import Point, Stability, StabilityPoint
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Scale, Words, line, look, number_axis, picture, points, scale_of
from touchstone.report.charts.labelling import UPRIGHT
from touchstone.report.charts.wording import headings, launch_keys
from touchstone.report.table import NOTHING, number, percent
from touchstone.units import significant

_HEIGHT, _LOW = 190, 80
_BAND, _ROOM = (98.0, 102.0), (97.0, 103.0)
_PERCENT = 100.0
_MOST_READINGS = 40
"""Of each series in the table, evenly spread: the picture has them all."""
_Row = dict[str, Any]


def stability(noun: Stability, titles: Mapping[str, Both]) -> Chart | None:
    """None without a measured trial."""
    if not noun.points:
        return None
    words, warmups = Words(), bool(noun.warmup)
    panels = [_trials(noun, words), *_readings(noun, words)]
    launches = launch_keys(point.launch for point in noun.points)
    return Chart(
        id="stability", title=both(say("Every trial in the order it was played")), caption=both(_caption(noun)),
        spec=picture({"vconcat": panels, "spacing": 22}), texts=words.all,
        columns=headings(say("Scenario"), say("Launch"), say("What"), say("Place: value")),
        rows=(*_trial_cells(noun, titles), *_spread_cells(noun, titles), *_reading_cells(noun)),
        legend=(*launches, *([Key(both(say("warm-up")), launches[0].series, hollow=True)] if warmups else [])))


def _trials(noun: Stability, words: Words) -> dict[str, Any]:
    y = _upward(noun)
    rows = [*(_row(point, y, hollow=True) for point in noun.warmup), *(_row(point, y, hollow=False) for point in noun.points)]
    x = scale_of([row["x"] for row in rows], log=False)
    channels: dict[str, Any] = {"x": number_axis("x", words(say("Trials, in the order they were played")), x, grid=False),
                "y": number_axis("y", words(say("Output throughput (% of the median of its case)")), y, **UPRIGHT)}
    ends = {**channels, "x": {**channels["x"], "field": "from"}, "x2": {"field": "to"}}
    span = {"from": x.low, "to": x.high}
    band = {"data": {"values": [{**span, "y": _BAND[0], "top": _BAND[1]}]}, "mark": {"type": "rect", "color": palette.SHADE},
            "encoding": {**ends, "y2": {"field": "top"}}}
    median = {"data": {"values": [{**span, "y": _PERCENT}]}, "mark": {"type": "rule", "color": palette.MUTED}, "encoding": ends}
    return {"width": WIDTH, "height": _HEIGHT, "layer": [band, median, points(rows, **channels)]}


def _upward(noun: Stability) -> Scale:
    """Of the measured trials, so that a slow warm-up does not press them to a line."""
    return scale_of([*(point.relative * _PERCENT for point in noun.points), *_ROOM], log=False)


def _row(point: StabilityPoint, scale: Scale, *, hollow: bool) -> _Row:
    shown = look(point.launch)
    return {"x": point.order, "y": min(max(point.relative * _PERCENT, scale.low), scale.high), **shown, "fill": palette.SURFACE if hollow else shown["fill"]}


def _readings(noun: Stability, words: Words) -> Iterator[dict[str, Any]]:
    """Two flat panels over the seconds of the run, each where there is anything to show."""
    for title, found, factor in ((say("Temperature (°C)"), noun.temperature_c, 1.0), (say("Clock (GHz)"), noun.frequency_hz, 1e-9)):
        if found:
            yield _reading([{"x": at, "y": value * factor} for at, value in found], words(title), words)


def _reading(rows: Sequence[_Row], title: str, words: Words) -> dict[str, Any]:
    x, y = scale_of((row["x"] for row in rows), log=False), scale_of((row["y"] for row in rows), log=False, ticks=3)
    channels: dict[str, Any] = {"x": number_axis("x", words(say("Seconds since the first trial")), x), "y": number_axis("y", title, y, **UPRIGHT)}
    return {"width": WIDTH, "height": _LOW, "layer": [{**line(rows, 0, **channels), "mark": {"type": "line", "color": palette.INK, "strokeWidth": 1.4}}]}


def _caption(noun: Stability) -> Message:
    sentence = say("The band is ± 2 % around the median of each case; n = {n} measured trials.", n=len(noun.points))
    if noun.warmup:
        sentence = say("{sentence} Hollow: warm-up, which no result contains; one beyond the picture stands at its edge.", sentence=sentence)
    if not noun.launch_cv:
        return sentence
    return say("{sentence} Between launches the cases vary by up to {most} %.", sentence=sentence,
               most=significant(_PERCENT * max(noun.launch_cv.values()), 2))


def _trial_cells(noun: Stability, titles: Mapping[str, Both]) -> Iterator[tuple[Both | str, ...]]:
    """Of each case in each launch one row: the trials with their places, in percent."""
    for found, what in ((noun.warmup, say("warm-up (% of the median)")), (noun.points, say("measured (% of the median)"))):
        rows: dict[tuple[str, int], list[str]] = {}
        for point in sorted(found, key=lambda point: point.order):
            rows.setdefault((point.case, point.launch), []).append(f"{point.order}: {number(point.relative, _PERCENT)}")
        for (case, launch), values in rows.items():
            yield belief.case_title(case, titles), str(launch + 1), both(what), _listed(values)


def _spread_cells(noun: Stability, titles: Mapping[str, Both]) -> Iterator[tuple[Both | str, ...]]:
    for case, spread in noun.launch_cv.items():
        yield belief.case_title(case, titles), NOTHING, both(say("between launches (CV)")), both(percent(significant(_PERCENT * spread, 2)))


def _reading_cells(noun: Stability) -> Iterator[tuple[Both | str, ...]]:
    for what, found, factor in ((say("temperature (°C by second)"), noun.temperature_c, 1.0), (say("clock (GHz by second)"), noun.frequency_hz, 1e-9)):
        if found:
            yield NOTHING, NOTHING, both(what), _listed([f"{number(at)}: {number(value, factor)}" for at, value in _some(found)])


def _listed(values: Sequence[str]) -> str:
    return " · ".join(values[:_MOST_READINGS]) + (" …" if len(values) > _MOST_READINGS else "")


def _some(found: Sequence[Point]) -> Sequence[Point]:
    return found[::-(-len(found) // _MOST_READINGS) or 1]
