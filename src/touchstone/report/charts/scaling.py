"""How throughput grows with the batch, beside what it would be if nothing were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import Scaling, ScalingPoint
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Scale, Words, line, look, number_axis, picture, points, scale_of
from touchstone.report.charts.labelling import UPRIGHT
from touchstone.report.charts.wording import headings, identifier
from touchstone.report.table import NOTHING, number

_HEIGHT = 230
_FEWEST = 2
_MEASURED, _IDEAL = 0, 7


def scaling(noun: Scaling, titles: Mapping[str, Both]) -> Chart | None:
    """Output throughput over the batch size, both logarithmic: an ideal growth is a straight line. None of fewer than two batches."""
    found = sorted(noun.points, key=lambda point: point.batch_size)
    if len({point.batch_size for point in found}) < _FEWEST:
        return None
    words = Words()
    shape = say("{input} tokens in, {output} out", input=number(noun.input_tokens), output=number(noun.output_tokens))
    return Chart(
        id=identifier("scaling", f"{noun.input_tokens:.0f}-{noun.output_tokens:.0f}"),
        title=both(say("Scaling with the batch: {shape}", shape=shape)), caption=both(_caption(found)), spec=_spec(found, words), texts=words.all,
        columns=headings(say("Scenario"), say("Batch Size"), say("Output throughput (tokens/s)"), say("95 % interval"), say("Ideal (tokens/s)"),
                         say("Above the ideal"), say("Verdict")),
        rows=tuple(_row(point, titles) for point in found), legend=_legend(found))


def _spec(found: Sequence[ScalingPoint], words: Words) -> Mapping[str, Any]:
    rows: list[dict[str, Any]] = [{"batch": point.batch_size, "value": point.value, "low": point.low, "high": point.high, "ideal": point.ideal,
             **look(_MEASURED, point.trust)} for point in found]
    batches = sorted({float(point.batch_size) for point in found})
    x_scale = Scale(batches[0] / 1.15, batches[-1] * 1.15, tuple(batches), log=True)
    y_scale = scale_of((value for row in rows for value in (row["value"], row["ideal"], row["low"], row["high"]) if value), log=True)
    x = number_axis("batch", words(say("Batch size, log scale")), x_scale)
    title = words(say("Output throughput (tokens/s, all requests together), log scale"))

    def upward(name: str) -> dict[str, Any]:
        return number_axis(name, title, y_scale, **UPRIGHT)

    whole = [row for row, point in zip(rows, found, strict=True) if point.low is not None and point.high is not None]
    joined = [row for row, point in zip(rows, found, strict=True) if belief.believable(point.trust)]
    strange = [{**row, "label": words(say("needs explaining"))} for row, point in zip(rows, found, strict=True) if point.superlinear]
    above = [{"data": {"values": strange}, "mark": {"type": "point", "shape": "circle", "size": 170, "color": palette.WARN, "strokeWidth": 2},
              "encoding": {"x": x, "y": upward("value")}},
             {"data": {"values": strange}, "mark": {"type": "text", "align": "right", "dx": -12, "dy": -8},
              "encoding": {"x": x, "y": upward("value"), "text": {"field": "label", "type": "nominal"}}}]
    return picture({"width": WIDTH, "height": _HEIGHT, "layer": [
        {"data": {"values": rows}, "mark": {"type": "line", "color": palette.series(_IDEAL), "strokeDash": list(palette.DASHES[_IDEAL]), "strokeWidth": 1.2},
         "encoding": {"x": x, "y": upward("ideal")}},
        {"data": {"values": whole}, "mark": {"type": "rule", "strokeWidth": 1.5, "color": palette.series(_MEASURED)},
         "encoding": {"x": x, "y": upward("low"), "y2": {"field": "high"}}},
        line(joined, _MEASURED, x=x, y=upward("value")),
        points(rows, x=x, y=upward("value")), *(above if strange else ())]})


def _caption(found: Sequence[ScalingPoint]) -> Message:
    strange = ", ".join(str(point.batch_size) for point in found if point.superlinear)
    plain = say("Measured, with the 95 % interval of the mean, and dashed the smallest batch times the ratio of the batches. n = {n} batch sizes.",
                n=len({point.batch_size for point in found}))
    return say("{caption} Above the ideal even at the low end of its interval, which needs explaining: batch {batches}.",
               caption=plain, batches=strange) if strange else plain


def _row(point: ScalingPoint, titles: Mapping[str, Both]) -> tuple[Both | str, ...]:
    interval = NOTHING if point.low is None or point.high is None else f"{number(point.low)} … {number(point.high)}"
    return (belief.case_title(point.case, titles), str(point.batch_size), number(point.value), interval, number(point.ideal),
            both(say("yes") if point.superlinear else say("no")), belief.verdict(point.trust))


def _legend(found: Sequence[ScalingPoint]) -> tuple[Key, ...]:
    return (Key(both(say("measured")), _MEASURED), Key(both(say("ideal")), _IDEAL, mark="line"), *belief.keys(point.trust for point in found))
