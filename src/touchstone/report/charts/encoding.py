"""What the pictures have in common: their ground, their axes, and how a mark shows its series and how far it may be believed.

Scales and ticks are layout; no number of a report is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from touchstone.finding import Trust
from touchstone.message import Message, say
from touchstone.report.both import Both, both
from touchstone.report.charts import palette
from touchstone.report.charts.letters import ems, shortened

WIDTH = 600
"""Of a plot without its axes, in pixels of the drawing; a page scales it."""
MOST_SERIES = 8
"""No picture has more; what is more is left out of it, said in the caption, and stands in the table."""
LEFT = 52
"""The room of a vertical axis of numbers, so that stacked panels line up."""
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_LETTER = 11
_LOG_RATIO = 20
_DECADE = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
"""The ticks of a factor of ten, from many to few."""
_TICKS = 6
_NUMBERS = ",~f"
_LOOK = {"stroke": "colour", "fill": "fill", "shape": "shape"}

_CONFIG: Mapping[str, Any] = {
    "font": "Liberation Sans",  # ships inside vl-convert: the layout is the same on every machine
    "background": None,
    "aria": False,  # one title and one description say it better than a role on every mark
    "view": {"stroke": None},
    "concat": {"spacing": 14},
    "axis": {
        "labelColor": palette.MUTED, "titleColor": palette.INK, "gridColor": palette.GRID, "domainColor": palette.MUTED,
        "tickColor": palette.MUTED, "labelFontSize": _LETTER, "titleFontSize": 11.5, "titleFontWeight": "normal", "titlePadding": 6,
        "tickSize": 4, "labelPadding": 4, "labelLimit": 0, "titleLimit": 0,
    },
    "text": {"fontSize": _LETTER, "color": palette.INK},
    "rule": {"color": palette.MUTED},
}


@dataclass
class Words:
    """Collects what a picture says: call it with a text to get what stands in the specification."""

    texts: dict[str, Both] = field(default_factory=dict)

    def __call__(self, text: Both | Message) -> str:
        said = both(text) if isinstance(text, Message) else text
        return self.texts.setdefault(said.en, said).en

    def room(self, labels: Iterable[str]) -> float:
        """The pixels that the widest of ``labels``, as they stand in the specification, takes beside an axis in either language."""
        return 14 + _LETTER * max((max(ems(text.en), ems(text.zh)) for text in map(self.texts.__getitem__, labels)), default=0.0)

    @property
    def all(self) -> tuple[Both, ...]:
        """Everything said so far, for ``Chart.texts``."""
        return tuple(self.texts.values())


@dataclass(frozen=True)
class Scale:
    """An axis of numbers, from ``low`` to ``high``, with a line at each of ``ticks``."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False


def scale_of(values: Iterable[float], *, zero: bool = False, log: bool | None = None, ticks: int = _TICKS) -> Scale:
    """The scale that shows ``values``: logarithmic where they span more than a factor of 20, unless ``log`` says; ``zero``: from 0 on.

    About so many ``ticks``, at round numbers.
    """
    found = [value for value in values if math.isfinite(value)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if log is None:
        log = not zero and low > 0 and high / low > _LOG_RATIO
    return _logarithmic(low, high, ticks) if log and low > 0 else _linear(min(low, 0.0) if zero else low, high, ticks)


def _linear(low: float, high: float, most: int) -> Scale:
    if high <= low:
        spare = abs(high) / 2 or 1.0
        low, high = low - (spare if low else 0.0), high + spare
    step = _round_step((high - low) / most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{place * step:.12g}") for place in range(first, last + 1))
    return Scale(min(ticks[0], low), max(ticks[-1], high), ticks)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= step * 0.999)


def _logarithmic(low: float, high: float, most: int) -> Scale:
    if high <= low * 1.01:
        low, high = low / 2, high * 2
    low, high = low / 1.08, high * 1.08
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in _DECADE:
        ticks = tuple(tick for decade in decades for digit in digits if low <= (tick := float(f"{digit}e{decade}")) <= high)
        if len(ticks) <= most * 1.5:
            break
    else:
        ticks = ticks[::math.ceil(len(ticks) / most)]
    return Scale(low, high, ticks if len(ticks) > 1 else _linear(low, high, most).ticks[1:-1], log=True)


def titled(label: Message, scale: Scale) -> Message:
    """The title of an axis, which says so where it is logarithmic."""
    return say("{label}, log scale", label=label) if scale.log else label


def number_axis(name: str, title: str | None, scale: Scale, **axis: Any) -> dict[str, Any]:
    """The channel of a field of numbers. ``title`` is what :class:`Words` gave; ``axis`` is added to Vega-Lite's."""
    bounds: dict[str, Any] = {"domain": [scale.low, scale.high], "nice": False, "zero": False}
    if scale.log:
        bounds["type"] = "log"
    return {"field": name, "type": "quantitative", "title": title, "scale": bounds,
            "axis": {"values": list(scale.ticks), "format": _NUMBERS, "labelFlush": False, **axis}}


def name_axis(name: str, labels: Sequence[str], title: str | None = None, **axis: Any) -> dict[str, Any]:
    """The channel of a field of names, in the order of ``labels``."""
    return {"field": name, "type": "nominal", "title": title, "sort": list(labels),
            "scale": {"domain": list(labels)}, "axis": {"domain": False, "ticks": False, "grid": False, **axis}}


def width_beside(room: float) -> float:
    """The width of a plot whose vertical axis takes ``room``, so that all pictures are equally wide."""
    return WIDTH + LEFT - room


def labels_of(names: Iterable[str], titles: Mapping[str, Both], words: Words, most: float = 18) -> dict[str, str]:
    """What stands in a picture for each case: its title, cut after ``most`` ems, and never twice the same."""
    labels: dict[str, str] = {}
    for name in names:
        title = titles.get(name) or Both(name, name)
        label, again = shortened(title, most), 1
        while label.en in labels.values():
            again += 1
            label = Both(f"{shortened(title, most - 2).en} ({again})", f"{shortened(title, most - 2).zh} ({again})")
        labels[name] = words(label)
    return labels


def look(place: int, trust: Trust = Trust.TRUSTED) -> dict[str, str]:
    """The columns that :data:`POINT` draws by: the series' colour and shape; hollow where suspect, crossed out where rejected."""
    colour = palette.series(place)
    shape = palette.CROSS if trust is Trust.REJECTED else palette.SHAPES[place % len(palette.SHAPES)]
    fill = {Trust.TRUSTED: colour, Trust.SUSPECT: palette.SURFACE, Trust.REJECTED: "transparent"}[trust]
    return {"colour": colour, "fill": fill, "shape": shape}


def points(rows: Sequence[Mapping[str, Any]], size: float = 45, **encoding: Any) -> dict[str, Any]:
    """A layer of points; each row has the columns of :func:`look`. ``encoding`` has the channels that say where."""
    return {"data": {"values": list(rows)}, "mark": {"type": "point", "size": size, "strokeWidth": 1.5, "opacity": 1}, "encoding": {
        **encoding, **{channel: {"field": column, "type": "nominal", "scale": None} for channel, column in _LOOK.items()}}}


def line(rows: Sequence[Mapping[str, Any]], place: int, *, step: bool = False, **encoding: Any) -> dict[str, Any]:
    """A layer of one line, in the order of ``rows``, with the colour and the dash of its series."""
    mark: dict[str, Any] = {"type": "line", "color": palette.series(place), "strokeWidth": 1.8, "strokeJoin": "round"}
    dash = palette.DASHES[place % len(palette.DASHES)]
    if dash:
        mark["strokeDash"] = list(dash)
    if step:
        mark["interpolate"] = "step-after"
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": {**encoding, "order": None}}


def picture(body: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` (layers, or panels one above the other) as a whole specification."""
    return {"$schema": _SCHEMA, "config": dict(_CONFIG), "padding": 4, **body}
