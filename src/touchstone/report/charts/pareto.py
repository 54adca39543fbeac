"""What a user gets against what a device gives: the operating points, and the front that none of them beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import OperatingCurve, OperatingPoint
from touchstone.report.both import Both, both
from touchstone.report.charts import belief
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Words, look, number_axis, picture, points, titled
from touchstone.report.charts.labelling import UPRIGHT, Frame, labels
from touchstone.report.charts.operating import honest_scale, joined, load_label, shape_of
from touchstone.report.charts.wording import headings
from touchstone.report.table import number

_HEIGHT = 260


def pareto(noun: OperatingCurve, titles: Mapping[str, Both]) -> Chart | None:
    """The trade between one user and all of them; None where no point has a decode speed."""
    words, rows = Words(), [_row(noun, point) for point in noun.points if _throughput(noun, point) is not None and point.user_speed is not None]
    if not rows:
        return None
    x, y = honest_scale([row["x"] for row in rows]), honest_scale([row["y"] for row in rows])
    across = say("Decode speed of one user (output tokens/s per user)")
    upward = say("Throughput ({unit})", unit=_unit(noun))
    channels: dict[str, Any] = {"x": number_axis("x", words(titled(across, x)), x), "y": number_axis("y", words(titled(upward, y)), y, **UPRIGHT)}
    front = sorted((row for row in rows if row["front"]), key=lambda row: row["x"], reverse=True)
    named = labels(rows, rows, [_corners(front)], Frame(x, y, WIDTH, _HEIGHT), channels)
    return Chart(
        id="pareto", title=both(say("One user against all: {shape}", shape=shape_of(noun))),
        caption=both(say("Each point is one load, n = {n}. Up and right is better; no believable point lies beyond the line.", n=len(rows))),
        spec=picture({"width": WIDTH, "height": _HEIGHT, "layer": [joined(front, 0, step=True, **channels), points(rows, **channels), named]}),
        texts=words.all, columns=_columns(noun), rows=tuple(_cells(noun, point, titles) for point in noun.points),
        legend=(*([Key(both(say("front")), 0, "line")] if len(front) > 1 else []), *belief.keys(point.trust for point in noun.points)))


def _throughput(noun: OperatingCurve, point: OperatingPoint) -> float | None:
    """Per device; of the whole system where nobody knows how many devices it has."""
    return point.output_throughput if noun.devices is None else point.device_throughput


def _unit(noun: OperatingCurve) -> Message:
    if noun.devices is None:
        return say("output tokens/s, whole server")
    return say("output tokens/s per device, of {count}", count=noun.devices)


def _row(noun: OperatingCurve, point: OperatingPoint) -> dict[str, Any]:
    return {"x": point.user_speed, "y": _throughput(noun, point), "label": load_label(point),
            "front": point.on_front and belief.believable(point.trust), **look(0, point.trust)}


def _corners(front: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The front with the corners of its steps."""
    return [corner for one, other in zip(front, [*front[1:], *front[-1:]], strict=True) for corner in (one, {"x": other["x"], "y": one["y"]})]


def _columns(noun: OperatingCurve) -> tuple[Both, ...]:
    return headings(say("Scenario"), say("Load"), say("Decode speed (output tokens/s per user)"), say("Throughput ({unit})", unit=_unit(noun)),
                    say("On the front"), say("Verdict"))


def _cells(noun: OperatingCurve, point: OperatingPoint, titles: Mapping[str, Both]) -> tuple[Both | str, ...]:
    on_front = say("yes") if point.on_front and belief.believable(point.trust) else say("no")
    return (belief.case_title(point.case, titles), load_label(point), number(point.user_speed), number(_throughput(noun, point)), both(on_front),
            belief.verdict(point.trust))
