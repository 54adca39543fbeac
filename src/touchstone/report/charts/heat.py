"""A metric over batch sizes and lengths: the value stands in its cell, on a colour that grows stronger with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.finding import Trust
from touchstone.message import Message, say
from touchstone.plots import HeatCell, HeatMap
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart
from touchstone.report.charts.encoding import WIDTH, Scale, Words, name_axis, picture
from touchstone.report.charts.labelling import UPRIGHT, share
from touchstone.report.charts.operating import honest_scale
from touchstone.report.charts.wording import factor_of, headings, identifier, metric_word, unit_of, unit_words
from touchstone.report.table import NOTHING, number
from touchstone.units import significant

_ROW = 34
_MOST_WIDE = 110
_SIGNS = {Trust.TRUSTED: "", Trust.SUSPECT: "○ ", Trust.REJECTED: "✕ "}
_LENGTHS: Mapping[str, Message] = {"input": say("Input length (tokens)"), "output": say("Output length (tokens)")}
_Row = dict[str, Any]


def heat(noun: HeatMap, titles: Mapping[str, Both]) -> Chart | None:
    """One metric of every batch size and length; None where no cell has a value."""
    if all(cell.value is None for cell in noun.cells):
        return None
    words = Words()
    lengths, batches = sorted({cell.length for cell in noun.cells}), sorted({cell.batch_size for cell in noun.cells}, reverse=True)
    across = name_axis("length", [_name(length) for length in lengths], words(_LENGTHS.get(noun.axis, say("Length (tokens)"))), labelAngle=0)
    upward = name_axis("batch", [_name(batch) for batch in batches], words(say("Batch size")), **UPRIGHT)
    rows = _rows(noun, words)
    wide = min(_MOST_WIDE, WIDTH / len(lengths))
    spec = {"width": wide * len(lengths), "height": _ROW * len(batches), "layer": _layers(rows, {"x": across, "y": upward})}
    return Chart(
        id=identifier("heat", f"{noun.metric}-{noun.axis}"), title=both(say("{metric} by batch size and length", metric=metric_word(noun.metric))),
        caption=both(_caption(noun)), spec=picture(spec), texts=words.all,
        columns=headings(say("Scenario"), say("Batch size"), _LENGTHS.get(noun.axis, say("Length (tokens)")),
                         say("{metric} ({unit})", metric=metric_word(noun.metric), unit=unit_of(noun.metric, noun.unit)), say("Verdict")),
        rows=tuple(_cells(noun, titles)))


def _name(size: int) -> str:
    return f"{size:,}"


def _rows(noun: HeatMap, words: Words) -> list[_Row]:
    """A row for each batch size with each length, whether it was measured or not."""
    cells = {(cell.batch_size, cell.length): cell for cell in noun.cells}
    scale = _scale(noun)
    missing = words(say("no value"))
    return [{"batch": _name(batch), "length": _name(length), **_look(cells.get((batch, length)), scale, missing, factor_of(noun.metric))}
            for batch in sorted({cell.batch_size for cell in noun.cells}) for length in sorted({cell.length for cell in noun.cells})]


def _scale(noun: HeatMap) -> Scale:
    return honest_scale([cell.value for cell in noun.cells if cell.value is not None and belief.believable(cell.trust)])


def _look(cell: HeatCell | None, scale: Scale, missing: str, factor: float) -> _Row:
    """A value without belief takes no part in the scale of colours, nor does a cell without a value."""
    if cell is None or cell.value is None:
        return {"label": missing, "fill": palette.SURFACE, "ink": palette.MUTED, "dash": [2, 3]}
    label = _SIGNS[cell.trust] + significant(cell.value * factor, 3)
    if not belief.believable(cell.trust):
        return {"label": label, "fill": palette.SURFACE, "ink": palette.MUTED, "dash": [2, 3]}
    place = min(int(share(scale, cell.value) * len(palette.STEPS)), len(palette.STEPS) - 1)
    return {"label": label, "fill": palette.STEPS[place], "ink": palette.STEP_INKS[place], "dash": []}


def _layers(rows: Sequence[_Row], channels: Mapping[str, Any]) -> list[dict[str, Any]]:
    empty, filled = [row for row in rows if row["dash"]], [row for row in rows if not row["dash"]]
    layers: list[dict[str, Any]] = [{"data": {"values": filled}, "mark": {"type": "rect", "stroke": palette.SURFACE, "strokeWidth": 2}, "encoding": {
        **channels, "fill": {"field": "fill", "type": "nominal", "scale": None}}}]
    if empty:
        layers.append({"data": {"values": empty}, "mark": {"type": "rect", "fill": None, "stroke": palette.MUTED, "strokeDash": [2, 3], "strokeWidth": 1},
                       "encoding": dict(channels)})
    return [*layers, {"data": {"values": list(rows)}, "mark": {"type": "text", "baseline": "middle"}, "encoding": {
        **channels, "text": {"field": "label", "type": "nominal"}, "fill": {"field": "ink", "type": "nominal", "scale": None}}}]


def _caption(noun: HeatMap) -> Message:
    measured = sum(cell.value is not None for cell in noun.cells)
    sentence = say("Each cell is a mean in {unit}, n = {n}; the stronger the colour, the larger the number. ○ suspect, ✕ rejected.",
                   unit=unit_words(noun.metric, noun.unit), n=measured)
    return say("{sentence} The colours follow a log scale.", sentence=sentence) if _scale(noun).log else sentence


def _cells(noun: HeatMap, titles: Mapping[str, Both]) -> Iterator[tuple[Both | str, ...]]:
    for cell in sorted(noun.cells, key=lambda cell: (cell.batch_size, cell.length)):
        yield (belief.case_title(cell.case, titles) if cell.case else NOTHING, _name(cell.batch_size), _name(cell.length), number(cell.value, factor_of(noun.metric)),
               NOTHING if cell.value is None else belief.verdict(cell.trust))
