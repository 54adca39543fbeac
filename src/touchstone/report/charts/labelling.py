"""Where words stand in a plot: the title of an upward axis above it, the label of a point beside it and on nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from touchstone.report.charts.encoding import LEFT, Scale
from touchstone.report.charts.letters import ems

SIZE = 11
"""Of the letters, in pixels."""
UPRIGHT = {"titleAngle": 0, "titleAlign": "left", "titleBaseline": "bottom", "titleX": -LEFT, "titleY": -9, "minExtent": LEFT, "maxExtent": LEFT}
"""An axis of numbers whose title stands above it, to be read without turning the head; Chinese cannot be read on its side."""
_POINT = 4.5
_STRIDE = 7.0
_AIR = 4  # pixels to the next label
_AXIS = 4  # pixels from the vertical axis
_BEYOND = 20  # pixels to the right of a plot, which a picture may take
_SIDES = ((0, -1, "center"), (1, 0, "left"), (-1, 0, "right"), (0, 1, "center"), (1, -1, "left"), (-1, -1, "right"), (1, 1, "left"), (-1, 1, "right"))
_DISTANCES = (8.0, 14.0, 22.0)
_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Frame:
    """A plot of ``width`` times ``height`` pixels with its two scales."""

    x: Scale
    y: Scale
    width: float
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point of the data, from the top left."""
        return self.width * share(self.x, x), self.height * (1 - share(self.y, y))


def share(scale: Scale, value: float) -> float:
    """How far along ``scale`` a value lies, from 0 to 1."""
    if scale.log:
        return math.log(value / scale.low) / math.log(scale.high / scale.low)
    return (value - scale.low) / (scale.high - scale.low)


def labels(rows: Sequence[Mapping[str, Any]], marks: Iterable[Mapping[str, Any]], lines: Iterable[Sequence[Mapping[str, Any]]],
           frame: Frame, channels: Mapping[str, Any]) -> dict[str, Any]:
    """A layer with the ``label`` of each of ``rows`` beside its ``x`` and ``y``, clear of all ``marks`` and ``lines``.

    ``channels`` are the plot's, for Vega-Lite makes one axis of those of all layers. A label without room is left out: the table has it.
    """
    pixels = [[frame.at(point["x"], point["y"]) for point in line] for line in lines]
    taken = [_around(*frame.at(mark["x"], mark["y"]), _POINT) for mark in marks]
    taken += [_around(*at, 0.5) for line in pixels for one, other in pairwise(line) for at in _along(one, other)]
    placed = []
    for row in rows:
        found = _place(frame.at(row["x"], row["y"]), row["label"], taken, frame)
        if found is not None:
            offsets, box = found
            taken.append(box)
            placed.append({name: row[name] for name in ("x", "y", "label")} | offsets)
    offset = {name: {"expr": f"datum.{name}"} for name in ("dx", "dy", "align")}
    return {"data": {"values": placed}, "mark": {"type": "text", "baseline": "middle", "fontSize": SIZE, **offset}, "encoding": {
        **channels, "text": {"field": "label", "type": "nominal"}}}


def _around(x: float, y: float, reach: float) -> _Box:
    return x - reach, y - reach, x + reach, y + reach


def _along(one: tuple[float, float], other: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Points of a line, close enough that no label slips between them."""
    steps = max(int(math.dist(one, other) / _STRIDE), 1)
    for step in range(steps + 1):
        yield one[0] + (other[0] - one[0]) * step / steps, one[1] + (other[1] - one[1]) * step / steps


def _place(at: tuple[float, float], label: str, taken: Sequence[_Box], frame: Frame) -> tuple[dict[str, Any], _Box] | None:
    """How far from its point a label stands, and the room it takes there; None where every side is taken."""
    wide = SIZE * ems(label) + _AIR
    for distance, (right, down, align) in product(_DISTANCES, _SIDES):
        dx, dy = right * distance * (0.8 if down else 1), down * (distance + (3 if not right else 0))
        left = at[0] + dx - wide * {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        box = (left, at[1] + dy - SIZE / 2, left + wide, at[1] + dy + SIZE / 2)
        inside = box[0] >= _AXIS and box[2] <= frame.width + _BEYOND and box[1] >= -SIZE / 2 and box[3] <= frame.height
        if inside and not any(_meet(box, other) for other in taken):
            return {"dx": round(dx, 1), "dy": round(dy, 1), "align": align}, box
    return None


def _meet(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
