"""The share of requests that were at most this slow, one line for each case, with the service levels asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import Cdf, CdfCurve, LimitLine, Point
from touchstone.report.both import Both, both, same
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import (
    MOST_SERIES,
    WIDTH,
    Scale,
    Words,
    line,
    look,
    number_axis,
    picture,
    points,
    scale_of,
    titled,
)
from touchstone.report.charts.labelling import UPRIGHT
from touchstone.report.charts.wording import factor_of, headings, identifier, left_out, metric_word, unit_of, unit_words
from touchstone.report.table import NOTHING, number, shortened

_HEIGHT = 220
_SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)
_NEAR = 0.0051
"""At most 200 steps: a share that is on the curve is met within one of them."""
_FEW = 0.01
_MARKED = (0.25, 0.5, 0.75, 0.9, 0.99)
_PERCENT = Scale(0, 100, (0, 25, 50, 75, 90, 100))
_CLOSE = 2.0
_LEVEL = 40
_ASKED = 13
"""Pixels of a line of text above the plot."""
Row = dict[str, Any]


def cdf(noun: Cdf, titles: Mapping[str, Both]) -> Chart | None:
    """The distributions of one metric; None where there is no value."""
    curves = [curve for curve in noun.curves if curve.points]
    if not curves:
        return None
    words, factor, shown = Words(), factor_of(noun.metric), _shown(curves)
    unit = unit_of(noun.metric, noun.unit)
    return Chart(
        id=identifier("cdf", noun.metric), title=both(say("Distribution of {metric}", metric=metric_word(noun.metric))),
        caption=both(_caption(curves, noun.limits, shown)), spec=_spec(noun, shown, words, factor), texts=words.all,
        columns=(*headings(say("Scenario"), say("n")), *headings(*(say("{share} % at most ({unit})", share=f"{100 * share:.0f}", unit=unit)
                                                                   for share in _SHARES)), *headings(say("Verdict"))),
        rows=tuple(_row(curve, titles, factor) for curve in curves), legend=_legend(shown, titles))


def _shown(curves: Sequence[CdfCurve]) -> list[CdfCurve]:
    """All, or so many as can be told apart: the first, the last (of rising loads the least and the highest) and others evenly between."""
    if len(curves) <= MOST_SERIES:
        return list(curves)
    return [curves[round(place * (len(curves) - 1) / (MOST_SERIES - 1))] for place in range(MOST_SERIES)]


def _spec(noun: Cdf, curves: Sequence[CdfCurve], words: Words, factor: float) -> Mapping[str, Any]:
    limits = [limit.value for limit in noun.limits]
    first = min(_first(curve) for curve in curves)
    scale = _scale([x * factor for x in [*limits, first, *(x for curve in curves for x, _ in curve.points if x >= first)]])
    label = say("{metric} ({unit})", metric=metric_word(noun.metric), unit=unit_words(noun.metric, noun.unit))
    where = {"x": number_axis("x", words(titled(label, scale)), scale),
             "y": number_axis("share", words(say("Values that are at most this (%)")), _PERCENT, **{**UPRIGHT, "titleY": -9 - _ASKED * len(noun.limits)})}
    layers = [line(_steps(curve, factor, scale.low), place, step=True, **where)
              for place, curve in enumerate(curves) if belief.believable(curve.trust)]
    marks = [row for place, curve in enumerate(curves) for row in _marks(curve, place, factor)]
    return picture({"width": WIDTH, "height": _HEIGHT, "layer": [*layers, points(marks, 32, **where), *_limits(noun.limits, where, scale, words, factor)]})


def _scale(values: Sequence[float]) -> Scale:
    """Logarithmic, as latencies have long tails; not where all are so close that no round number would lie between them."""
    return scale_of(values, log=max(values) > _CLOSE * min(values))


def _first(curve: CdfCurve) -> float:
    """Where a curve begins to be worth its place: the few that were faster still would push all others together."""
    return next((x for x, share in curve.points if share >= _FEW), curve.points[-1][0])


def _steps(curve: CdfCurve, factor: float, low: float) -> list[Row]:
    """The curve from the edge of the picture on, or from the least value if that is inside it."""
    rows = [{"x": x * factor, "share": 100 * share} for x, share in curve.points]
    before = [row for row in rows if row["x"] < low]
    return [{"x": low if before else rows[0]["x"], "share": before[-1]["share"] if before else 0.0}, *rows[len(before):]]


def _marks(curve: CdfCurve, place: int, factor: float) -> Iterator[Row]:
    """A few points of the curve, so that its shape tells it from the others; all that is drawn of a rejected one."""
    for wanted in _MARKED:
        x, share = next((point for point in curve.points if point[1] >= wanted), curve.points[-1])
        yield {"x": x * factor, "share": 100 * share, **look(place, curve.trust)}


def _limits(limits: Sequence[LimitLine], where: Mapping[str, Any], scale: Scale, words: Words, factor: float) -> list[dict[str, Any]]:
    """A rule down from each limit and one across at its share, and above the plot what was asked, one line for each."""
    if not limits:
        return []
    rows = [{"x": limit.value * factor, "share": 100 * limit.quantile, "from": scale.low} for limit in limits]
    mark = {"type": "rule", "color": palette.BAD, "strokeDash": [5, 3], "strokeWidth": 1.3}
    across = {"x": {**where["x"], "field": "from"}, "x2": {"field": "x"}, "y": where["y"]}
    middle = math.sqrt(scale.low * scale.high) if scale.log else (scale.low + scale.high) / 2
    asked = [{"data": {"values": [{"x": row["x"], "label": words(same(shortened(limit.level, _LEVEL)))}]},
              "mark": {"type": "text", "align": "left" if row["x"] < middle else "right", "color": palette.BAD, "y": 0, "dy": -7 - _ASKED * place},
              "encoding": {"x": where["x"], "text": {"field": "label", "type": "nominal"}}}
             for place, (limit, row) in enumerate(zip(limits, rows, strict=True))]
    return [{"data": {"values": rows}, "mark": mark, "encoding": {"x": where["x"]}}, {"data": {"values": rows}, "mark": mark, "encoding": across},
            *asked]


def _caption(curves: Sequence[CdfCurve], limits: Sequence[LimitLine], shown: Sequence[CdfCurve]) -> Message:
    caption = say("For each case the share of its values that are at most this large; to the left is faster. n = {n} values.",
                  n=f"{sum(curve.n for curve in curves):,}")
    if any(curve.points[0][0] < min(map(_first, shown)) for curve in shown):
        caption = say("{caption} The fastest 1 % may lie to the left of the picture.", caption=caption)
    if limits:
        caption = say("{caption} Dashed: the service level, a limit and the share that must keep it.", caption=caption)
    return left_out(caption, len(curves) - MOST_SERIES)


def _row(curve: CdfCurve, titles: Mapping[str, Both], factor: float) -> tuple[Both | str, ...]:
    return (belief.case_title(curve.case, titles), f"{curve.n:,}", *(_at(curve.points, share, factor) for share in _SHARES),
            belief.verdict(curve.trust))


def _at(steps: Sequence[Point], share: float, factor: float) -> str:
    found = next((x for x, reached in steps if share <= reached < share + _NEAR), None)
    return NOTHING if found is None else number(found, factor)


def _legend(curves: Sequence[CdfCurve], titles: Mapping[str, Both]) -> tuple[Key, ...]:
    return (*(Key(belief.case_title(curve.case, titles), place, mark="line" if belief.believable(curve.trust) else "point",
                  crossed=not belief.believable(curve.trust)) for place, curve in enumerate(curves)),
            *belief.keys(curve.trust for curve in curves))
