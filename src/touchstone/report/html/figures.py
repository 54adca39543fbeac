"""Which picture stands in which section, and what is said of one that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.sax.saxutils import quoteattr

from touchstone.finding import Findings, Trust
from touchstone.message import Message, say
from touchstone.plots import Plots
from touchstone.report.both import Both, both
from touchstone.report.charts import palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.wording import identifier
from touchstone.report.html.blocks import Block, Figure, Fold, Grid, Unseen
from touchstone.report.table import COLON, COMMA

_PLACES: Mapping[str, tuple[str, str]] = {
    "dots": ("repetitions", "dots"), "scaling": ("operating", "scaling"), "cdf": ("latency", "cdfs"), "gantt": ("time", "gantts"),
    "timeline": ("time", "timelines"), "curve": ("operating", "curves"), "pareto": ("operating", "curves"), "heat": ("operating", "heat_maps"),
    "roofline": ("roofline", "roofline"), "memory": ("memory", "memory"), "stability": ("stability", "stability"),
}
"""What the id of a chart begins with → its section, and the field of :class:`touchstone.plots.Plots` that it is drawn from."""

PICTURES: Mapping[str, frozenset[str]] = {
    section: frozenset(field for one, field in _PLACES.values() if one == section) for section, _ in _PLACES.values()
}
"""Section → the fields that it shows."""

_IN_SIGHT: Mapping[str, tuple[str, ...]] = {"repetitions": ("dots-output-throughput",), "latency": ("cdf-ttft", "cdf-tpot")}
"""Section → the charts that are seen at once; the others are a fold away."""

_WHOLE = frozenset({"heat"})
"""Kinds of which all are seen: each shows every case, by another metric."""

_NAMES: Mapping[str, Message] = {
    "dots": say("Every repetition"), "scaling": say("Scaling with the batch"), "cdfs": say("Distributions"), "gantts": say("Requests over time"),
    "timelines": say("Latency and throughput over time"), "curves": say("Throughput and latency by load"), "heat_maps": say("Batch and length"),
    "roofline": say("Roofline"), "memory": say("Memory"), "stability": say("Stability"),
}
_SHAPES: Mapping[str, str] = {
    "circle": "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0Z", "square": "M-.9,-.9H.9V.9H-.9Z", "diamond": "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
    "triangle-up": "M0,-1L1.1,.9H-1.1Z", "triangle-down": "M0,1L1.1,-.9H-1.1Z", "triangle-right": "M1,0L-.9,1.1V-1.1Z",
    "triangle-left": "M-1,0L.9,1.1V-1.1Z",
}


@dataclass(frozen=True)
class Gallery:
    """The figures of each section; by the field of the plots why one is missing, or what limits one that is there, of ``fields``."""

    figures: Mapping[str, tuple[Block, ...]]
    fields: frozenset[str]
    missing: Mapping[str, Message]
    drawn: bool


def gallery_of(charts: Sequence[Chart], pictures: Sequence[str | None] | None, findings: Findings, plots: Plots) -> Gallery:
    """``charts`` with their ``pictures`` (None: nothing can be drawn here), hung where they belong."""
    figures = [Figure(chart, pictures[place] if pictures else None, Grid(f"{chart.id}-table", chart.title, chart.columns, chart.rows))
               for place, chart in enumerate(charts)]
    in_sight = {**_IN_SIGHT, "time": tuple(identifier(kind, _told(findings, plots)) for kind in ("gantt", "timeline"))}
    hung = {section: _hung(tuple(found), in_sight.get(section)) for section, found in groupby(sorted(figures, key=_section), key=_section)}
    fields = frozenset(_PLACES[_kind(chart)][1] for chart in charts)
    return Gallery(hung, fields, plots.missing or {}, pictures is not None or not charts)


def _section(figure: Figure) -> str:
    return _PLACES[_kind(figure.chart)][0]


def _told(findings: Findings, plots: Plots) -> str:
    """The load whose course is seen at once: that of the headline, else the last that was drawn and may be believed."""
    drawn = {gantt.case for gantt in plots.gantts} | {timeline.case for timeline in plots.timelines}
    believed = [case.name for case in findings.cases if case.trust is not Trust.REJECTED]
    return next((name for name in (*(card.case for card in findings.headline.cards), *reversed(believed)) if name in drawn), "")


def _hung(figures: tuple[Figure, ...], in_sight: tuple[str, ...] | None) -> tuple[Block, ...]:
    """``figures`` with those ``in_sight`` first, else the first of each kind, and the others in a fold; all, where none would be seen."""
    firsts = {_kind(one.chart): one.chart.id for one in reversed(figures)}.values()
    seen = tuple(one for one in figures if one.chart.id in (firsts if in_sight is None else in_sight) or _kind(one.chart) in _WHOLE)
    more = tuple(one for one in figures if one not in seen)
    if not seen or not more:
        return figures
    return (*seen, Fold(_joined("", [both(say("More pictures")), both(COLON), _joined(" · ", [one.chart.title for one in more])]), more))


def _joined(between: str | Both, parts: Iterable[Both]) -> Both:
    english, chinese = (between, between) if isinstance(between, str) else (between.en, between.zh)
    found = list(parts)
    return Both(english.join(one.en for one in found), chinese.join(one.zh for one in found))


def _kind(chart: Chart) -> str:
    return chart.id.partition("-")[0]


def unseen(reasons: Mapping[str, Message], gallery: Gallery, *, titled: bool = False) -> tuple[Unseen, ...]:
    """What says why pictures are missing, or what those that are there cannot show; nothing where there is nothing to say.

    Fields that share a reason share an entry. Under a heading that is ``titled`` so none says again that it is not shown.
    """
    said = []
    for (reason, missing), fields in groupby(sorted(reasons, key=lambda field: field in gallery.fields), lambda field: (reasons[field], field not in gallery.fields)):
        names = _joined(both(COMMA), (both(_NAMES.get(field) or say("{name}", name=field)) for field in fields))
        said.append((names, both(reason), missing and not titled))
    return (Unseen(tuple(said)),) if said else ()


def swatch(key: Key) -> str:
    """The mark of a legend's entry: its shape and dash as in the picture, in the colours of the page."""
    colour = f"var(--s{key.series % len(palette.SERIES)})"
    if key.mark == "line":
        dash = " ".join(map(str, palette.DASHES[key.series % len(palette.DASHES)]))
        body = f'<path d="M0,6H26" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray={quoteattr(dash or "none")}/>'
        return _drawn(26, body)
    if key.mark == "bar":
        return _drawn(14, f'<rect x="1" y="1" width="12" height="10" fill="{"none" if key.hollow else colour}" stroke="{colour}"/>')
    shape = palette.CROSS if key.crossed else palette.SHAPES[key.series % len(palette.SHAPES)]
    fill = "none" if key.hollow or key.crossed else colour
    return _drawn(14, f'<path transform="translate(7,6) scale(4.5)" d={quoteattr(_SHAPES.get(shape, shape))} fill="{fill}" stroke="{colour}" '
                      'stroke-width=".35"/>')


def _drawn(width: int, body: str) -> str:
    return f'<svg class="swatch" viewBox="0 0 {width} 12" width="{width}" height="12" aria-hidden="true">{body}</svg>'
