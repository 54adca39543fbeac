"""Where the memory of each case went: stacked bars from 0, and the whole memory of the device as a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import MemoryStack
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, letters, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import LEFT, WIDTH, Scale, Words, number_axis, picture, scale_of
from touchstone.report.charts.wording import headings
from touchstone.report.table import METRIC_WORDS, number, shortened
from touchstone.units import BYTES_PER_GB, BYTES_PER_GIB, significant

_ROW = 38
_BAR = 15
_MOST_CASES = 24
_TITLE_EMS = 34.0
_PARTS: Mapping[str, Message] = {"weights": say("weights"), "kv": say("KV cache"), "other": say("other")}
"""In the order of their series."""
_SOURCES: Mapping[str, Message] = {"weights": say("checkpoint"), "other": say("the rest of the peak")}
_READINGS: Mapping[str, Message] = {
    "allocated_bytes": say("Peak allocated"), "reserved_bytes": say("Peak reserved"), "resident_bytes": say("Peak resident"),
    "device_used_bytes": say("Device in use"), "device_memory": METRIC_WORDS["device_memory"], "peak_memory": METRIC_WORDS["peak_memory"],
}
_FAR = 4
"""A device so many times larger than all that was used would press the bars to nothing: it is told, not drawn."""
_Row = dict[str, Any]


def memory(noun: Sequence[MemoryStack], titles: Mapping[str, Both]) -> Chart | None:
    """A bar for each case of which any part is known; None without one."""
    stacks = [stack for stack in noun if stack.parts]
    if not stacks:
        return None
    words, shown = Words(), stacks[:_MOST_CASES]
    bars = [row for place, stack in enumerate(shown) for row in _bars(place, stack)]
    totals = [row for place, stack in enumerate(shown) for row in _total(place, stack)]
    widest = max(row["end"] for row in bars)
    drawn = [row for row in totals if row["total"] <= _FAR * widest]
    x = scale_of([row["end"] for row in bars] + [row["total"] for row in drawn], zero=True)
    notes = [_note(place, stack, titles, words) for place, stack in enumerate(shown)]
    spec = {"width": WIDTH + LEFT, "height": _ROW * len(shown), "layer": _layers(bars, drawn, notes, (x, len(shown)), words)}
    named = dict.fromkeys(name for stack in stacks for name, _ in stack.parts)
    return Chart(
        id="memory", title=both(say("Where the memory went")), caption=both(_caption(stacks, totals, drawn)), spec=picture(spec), texts=words.all,
        columns=headings(say("Scenario"), say("What"), say("GB"), say("GiB"), say("From")),
        rows=tuple(cells for stack in noun for cells in _cells(stack, titles)),
        legend=tuple(Key(_part(name, stacks), _series(name), "bar") for name in sorted(named, key=_series)))


def _series(part: str) -> int:
    return list(_PARTS).index(part) if part in _PARTS else len(_PARTS)


def _part(name: str, stacks: Sequence[MemoryStack]) -> Both:
    word = _PARTS.get(name) or say("{part}", part=shortened(name, 40))
    return both(say("{part} (computed)", part=word) if any(name in stack.computed for stack in stacks) else word)


def _bars(place: int, stack: MemoryStack) -> Iterator[_Row]:
    start = 0
    for name, size in stack.parts:
        yield {"row": place * _ROW + _ROW - _BAR, "until": place * _ROW + _ROW, "start": start / BYTES_PER_GB, "end": (start + size) / BYTES_PER_GB,
               "colour": palette.series(_series(name))}
        start += size


def _total(place: int, stack: MemoryStack) -> Iterator[_Row]:
    if stack.total_bytes is not None:
        yield {"row": place * _ROW + _ROW - _BAR - 4, "until": place * _ROW + _ROW + 4, "total": stack.total_bytes / BYTES_PER_GB}


def _note(place: int, stack: MemoryStack, titles: Mapping[str, Both], words: Words) -> _Row:
    """The title of a case and its sizes, above its bar: no colour has to be read."""
    title = letters.shortened(belief.case_title(stack.case, titles), _TITLE_EMS)
    sizes = " + ".join(significant(size / BYTES_PER_GB, 3) for _, size in stack.parts)
    return {"row": place * _ROW + _ROW - _BAR - 5, "label": words(Both(f"{title.en}: {sizes} GB", f"{title.zh}：{sizes} GB"))}


def _layers(bars: Sequence[_Row], totals: Sequence[_Row], notes: Sequence[_Row], ground: tuple[Scale, int], words: Words) -> list[dict[str, Any]]:
    scale, count = ground
    y = {"field": "row", "type": "quantitative", "scale": {"domain": [0, _ROW * count], "reverse": True, "nice": False}, "axis": None}
    upright = {"y": y, "y2": {"field": "until"}}

    def x(name: str) -> dict[str, Any]:
        return number_axis(name, words(say("Memory (GB, from 0)")), scale, grid=True)

    layers = [
        {"data": {"values": list(bars)}, "mark": {"type": "rect", "stroke": palette.SURFACE, "strokeWidth": 1}, "encoding": {
            **upright, "x": x("start"), "x2": {"field": "end"}, "fill": {"field": "colour", "type": "nominal", "scale": None}}},
        {"data": {"values": list(notes)}, "mark": {"type": "text", "align": "left", "baseline": "bottom", "x": 1}, "encoding": {
            "y": y, "text": {"field": "label", "type": "nominal"}}}]
    rule = {"data": {"values": list(totals)}, "mark": {"type": "rule", "color": palette.INK, "strokeWidth": 2, "strokeDash": [4, 2]},
            "encoding": {**upright, "x": x("total")}}
    return [*layers, rule] if totals else layers


def _caption(stacks: Sequence[MemoryStack], totals: Sequence[_Row], drawn: Sequence[_Row]) -> Message:
    sentence = say("Each bar adds up to the peak that was measured, where there is one; n = {n}.", n=len(stacks))
    if drawn:
        return say("{sentence} The dashed line is all memory of the device.", sentence=sentence)
    if totals:
        sizes = " … ".join(dict.fromkeys(number(size) for size in (min(row["total"] for row in totals), max(row["total"] for row in totals))))
        return say("{sentence} The device has {size} GB, far to the right of the picture.", sentence=sentence, size=sizes)
    return sentence


def _cells(stack: MemoryStack, titles: Mapping[str, Both]) -> Iterator[tuple[Both | str, ...]]:
    title, measured = belief.case_title(stack.case, titles), both(say("measured"))
    for name, size in stack.parts:
        word = _PARTS.get(name) or say("{part}", part=shortened(name, 40))
        yield title, both(word), *_sizes(size), both(say("computed")) if name in stack.computed else both(_SOURCES.get(name, say("measured")))
    for name, size in stack.measured.items():
        yield title, both(_READINGS.get(name) or say("{reading}", reading=shortened(name, 40))), *_sizes(size), measured
    if stack.total_bytes is not None:
        yield title, both(say("all memory of the device")), *_sizes(stack.total_bytes), both(say("device"))


def _sizes(size: int) -> tuple[str, str]:
    return number(size, 1 / BYTES_PER_GB), number(size, 1 / BYTES_PER_GIB)
