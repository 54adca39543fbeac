"""What the two pictures of operating points share: the label of a load, the scale of an axis, the shape of the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import OperatingCurve, OperatingPoint
from touchstone.report.charts.encoding import Scale, line, scale_of
from touchstone.report.load_table import ARRIVAL_WORDS
from touchstone.report.table import NOTHING, number, shortened
from touchstone.units import significant

_WIDE = 1.5  # times the largest value, or under the smallest by as much
_ROOM = 1.03  # beyond the largest value, so that no point lies on the frame
_LOADS = {"concurrency": "c={}", "rate": "{}/s", "batch": "batch {}"}


def load_label(point: OperatingPoint) -> str:
    """The load of a point as it is written beside one: short, and alike in every language."""
    load = significant(point.load)
    return _LOADS.get(point.load_kind, "{}").format(load.rstrip("0").rstrip(".") if "." in load else load)


def honest_scale(values: Sequence[float]) -> Scale:
    """From 0 on, or logarithmic where the values span too much for that."""
    scale = scale_of(values)
    return scale if scale.log else scale_of([_ROOM * value for value in values], zero=True)


def shape_of(curve: OperatingCurve) -> Message:
    """The work in words: how it arrives, where that differs, and its lengths, where they are known."""
    title = ARRIVAL_WORDS.get(curve.title) or say("{shape}", shape=shortened(curve.title, 60))
    if curve.input_tokens is None or curve.output_tokens is None:
        return title
    lengths = say("{input} tokens in, {output} out", input=number(curve.input_tokens), output=number(curve.output_tokens))
    if all(point.load_kind == "batch" for point in curve.points):
        return lengths
    return say("{arrival}, {lengths}", arrival=title, lengths=lengths)


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval; a dash without one."""
    return NOTHING if low is None or high is None else f"{number(low)} … {number(high)}"


def reach(rows: Sequence[Mapping[str, Any]], along: str) -> list[float]:
    """What an axis has to show: every value, and their intervals unless one is so wide that it would press all else together."""
    values = [row[along] for row in rows]
    ends = [row[end] for row in rows if row["joined"] for end in ("low", "high") if row[end] is not None]
    return values + [end for end in ends if min(values) / _WIDE <= end <= max(values) * _WIDE]


def bars(rows: Iterable[Mapping[str, Any]], scale: Scale) -> list[dict[str, Any]]:
    """The rows that may be believed and have an interval, which is cut where ``scale`` ends."""
    known = [row for row in rows if row["joined"] and row["low"] is not None and row["high"] is not None]
    return [{**row, "low": max(row["low"], scale.low), "high": min(row["high"], scale.high)} for row in known
            if row["low"] <= scale.high and row["high"] >= scale.low]


def intervals(found: Sequence[Mapping[str, Any]], channels: Mapping[str, Any], along: str) -> list[dict[str, Any]]:
    """A layer of ``bars`` along an axis; no layer without one."""
    ends = {along: {**channels[along], "field": "low"}, f"{along}2": {"field": "high"}}
    return [{"data": {"values": list(found)}, "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.3}, "encoding": {
        **channels, **ends, "color": {"field": "colour", "type": "nominal", "scale": None}}}] if found else []


def joined(rows: Sequence[Mapping[str, Any]], place: int, *, step: bool = False, **channels: Any) -> dict[str, Any]:
    """A layer of one line through ``rows`` as they come: at rising load, which may turn back on the axis."""
    layer = line(rows, place, step=step, **channels)
    return {**layer, "encoding": {**layer["encoding"], "order": {"value": None}}}
