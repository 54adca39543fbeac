"""What the hardware allows, and where prefill and decode of each case lie under it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import Roofline, RooflinePoint
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, letters, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Words, look, number_axis, picture, points, scale_of, titled
from touchstone.report.charts.labelling import UPRIGHT, Frame, labels
from touchstone.report.charts.wording import headings
from touchstone.report.table import number, shortened
from touchstone.units import BYTES_PER_GB, significant

_HEIGHT = 280
_MOST_NAMED = 24
_LINE = 16
_NAME_EMS = 23.0
_HEADROOM = 1.7  # above the highest roof, for its label
_OPEN = 6.0  # times the highest point, where no ceiling is known
_PHASES: Mapping[str, tuple[int, Message]] = {"decode": (0, say("decode")), "prefill": (1, say("prefill"))}
"""The series of each phase: the colours that they have in the picture of requests too."""
_Row = dict[str, Any]


@dataclass(frozen=True)
class _Unit:
    """In what operations per second are shown."""

    name: str
    factor: float


def roofline(noun: Roofline, titles: Mapping[str, Both]) -> Chart | None:
    """Both axes are logarithmic; None without a point."""
    if not noun.points:
        return None
    words, unit = Words(), _unit(noun)
    numbers = {case: place for place, case in enumerate(dict.fromkeys(point.case for point in noun.points), 1)}
    rows = [_row(point, numbers[point.case], unit) for point in noun.points]
    frame, roof = _ground(noun, rows, unit)
    channels: dict[str, Any] = {"x": number_axis("x", words(titled(say("Operations per byte read (FLOP/byte)"), frame.x)), frame.x),
                "y": number_axis("y", words(titled(say("Operations done ({unit})", unit=unit.name), frame.y)), frame.y, **UPRIGHT)}
    named = labels(rows, rows, [roof], frame, channels)
    plot = {"width": WIDTH, "height": _HEIGHT, "layer": [*_roof_layers(noun, roof, frame, channels, words), points(rows, **channels), named]}
    return Chart(
        id="roofline", title=both(say("Roofline: {device}", device=_device(noun))), caption=both(_caption(noun)),
        spec=picture({"vconcat": [plot, _names(numbers, titles, words)], "spacing": 8}), texts=words.all,
        columns=headings(say("No."), say("Scenario"), say("Phase"), say("FLOP/byte"), say("Done ({unit})", unit=unit.name),
                         say("Share of the roof (%)"), say("Verdict")),
        rows=tuple(_cells(point, numbers[point.case], titles, unit) for point in noun.points),
        legend=(*(Key(both(word), series) for name, (series, word) in _PHASES.items() if any(point.phase == name for point in noun.points)),
                *belief.keys(point.trust for point in noun.points)))


def _device(noun: Roofline) -> str:
    return shortened(noun.device, 60)


def _unit(noun: Roofline) -> _Unit:
    most = max([point.flops for point in noun.points] + [noun.flops or 0.0])
    return _Unit("TFLOP/s", 1e-12) if most >= 1e12 else _Unit("GFLOP/s", 1e-9)


def _row(point: RooflinePoint, place: int, unit: _Unit) -> _Row:
    series, _ = _PHASES.get(point.phase, (2, say("phase")))
    return {"x": point.intensity, "y": point.flops * unit.factor, "label": str(place), **look(series, point.trust)}


def _ground(noun: Roofline, rows: Sequence[_Row], unit: _Unit) -> tuple[Frame, list[_Row]]:
    """The scales that show all points with the roof above them, and the corners of that roof."""
    slope, ceiling = noun.bandwidth * unit.factor, math.inf if noun.flops is None else noun.flops * unit.factor
    found = [row["x"] for row in rows] + ([] if noun.flops is None else [noun.flops / noun.bandwidth])
    x = scale_of((min(found) / 1.5, max(found) * 1.5), log=True)
    lowest = [row["y"] / 1.3 for row in rows] + [slope * x.low]
    if noun.flops is None:  # the slope leaves the picture where it is far above every point
        y = scale_of([*lowest, _OPEN * max(row["y"] for row in rows), slope * x.low * _OPEN], log=True)
        ceiling, ends = y.high, [x.low, min(y.high / slope, x.high)]
    else:
        ends = [x.low, *([ceiling / slope] if x.low < ceiling / slope < x.high else []), x.high]
        y = scale_of([*lowest, *(row["y"] for row in rows), *(min(slope * end, ceiling) * room for end in ends for room in (1, _HEADROOM))], log=True)
    return Frame(x, y, WIDTH, _HEIGHT), [{"x": end, "y": min(slope * end, ceiling)} for end in ends]


def _roof_layers(noun: Roofline, roof: Sequence[_Row], frame: Frame, channels: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    (left, high), (right, low) = frame.at(**roof[0]), frame.at(**roof[1])
    angle = -math.degrees(math.atan2(high - low, right - left))
    slope = words(say("memory bandwidth {bandwidth} GB/s", bandwidth=significant(noun.bandwidth / BYTES_PER_GB)))
    layers = [{"data": {"values": list(roof)}, "mark": {"type": "line", "color": palette.INK, "strokeWidth": 1.6}, "encoding": dict(channels)},
              _note(slope, roof[0], {"align": "left", "angle": round(angle, 1), "dx": 14, "dy": -7}, channels)]
    if noun.flops is not None:
        ceiling = words(say("compute {flops} TFLOP/s", flops=significant(noun.flops / 1e12)))
        layers.append(_note(ceiling, roof[-1], {"align": "right", "dx": -4, "dy": -8}, channels))
    return layers


def _note(text: str, corner: _Row, mark: Mapping[str, Any], channels: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": {"values": [{**corner, "label": text}]}, "mark": {"type": "text", "color": palette.MUTED, **mark},
            "encoding": {**channels, "text": {"field": "label", "type": "nominal"}}}


def _names(numbers: Mapping[str, int], titles: Mapping[str, Both], words: Words) -> dict[str, Any]:
    """What the numbers beside the points mean, in two columns under the plot."""
    rows = []
    for place, (case, mark) in enumerate(list(numbers.items())[:_MOST_NAMED]):
        title = letters.shortened(belief.case_title(case, titles), _NAME_EMS)
        name = words(Both(f"{mark}  {title.en}", f"{mark}  {title.zh}"))
        rows.append({"across": WIDTH / 2 * (place % 2), "down": _LINE * (place // 2 + 1), "label": name})
    return {"width": WIDTH, "height": _LINE * ((len(rows) + 1) // 2 + 0.5), "data": {"values": rows},
            "mark": {"type": "text", "align": "left", "baseline": "bottom"}, "encoding": {
                "x": {"field": "across", "type": "quantitative", "scale": None, "axis": None},
                "y": {"field": "down", "type": "quantitative", "scale": None, "axis": None}, "text": {"field": "label", "type": "nominal"}}}


def _caption(noun: Roofline) -> Message:
    parts = say("Points are phases of a case, numbered, n = {n}; the line is the most that {device} can do: {source}.", n=len(noun.points),
                device=_device(noun), source=noun.source)
    if noun.flops is None:
        return say("{sentence} Its peak compute is not known, so that only the bandwidth bounds.", sentence=parts)
    return parts


def _cells(point: RooflinePoint, place: int, titles: Mapping[str, Both], unit: _Unit) -> tuple[Both | str, ...]:
    phase = _PHASES[point.phase][1] if point.phase in _PHASES else say("{phase}", phase=shortened(point.phase, 30))
    return (str(place), belief.case_title(point.case, titles), both(phase), number(point.intensity), number(point.flops, unit.factor),
            number(point.share, 100.0), belief.verdict(point.trust))
