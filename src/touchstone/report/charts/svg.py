"""What Vega draws → what a page carries: small, in two languages, in the colours of the page, and named for who cannot see it.

Its name and its description are the heading and the caption that the page shows beside it: a title within would be read out, and shown
under a mouse, in both languages at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from touchstone.report.both import Both
from touchstone.report.charts import smaller
from touchstone.report.charts.chart import Chart
from touchstone.report.charts.palette import PROPERTIES
from touchstone.report.charts.stand_ins import StandIns
from touchstone.report.table import plain

_SPACE = "{http://www.w3.org/2000/svg}"
_LANGUAGES = {"en": "en", "zh": "zh-CN"}
_KEPT = frozenset({
    "clip-path", "d", "dx", "dy", "fill", "fill-opacity", "font-size", "font-style", "font-weight", "height", "id", "opacity", "r", "rx", "stroke",
    "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width", "text-anchor", "transform",
    "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2"})
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
_MEASURED = frozenset({"d", "height", "r", "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2"})


def rewritten(drawing: str, chart: Chart, standing: StandIns, width: float) -> str:
    """``drawing``, which Vega made of ``chart``, at least ``width`` wide: without script, style or outside reference.

    Texts are there in both languages, colours are the roles of the palette, ids begin with the chart's.
    """
    root = ET.fromstring(drawing)  # noqa: S314 - our own drawing library wrote it, from numbers and stand-ins
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SPACE)
        element.attrib = dict(_attributes(element, chart.id))
    _in_both_languages(root, standing)
    smaller.make(root)
    root.attrib = {
        "xmlns": _SPACE[1:-1], "class": "chart", "viewBox": _view(root, width), "role": "img",
        "aria-labelledby": f"{chart.id}-heading", "aria-describedby": f"{chart.id}-caption"}
    return ET.tostring(root, encoding="unicode").replace(" />", "/>")


def _attributes(element: ET.Element, chart_id: str) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        if name not in _KEPT:
            continue
        if name in {"fill", "stroke"}:
            yield name, f"var({PROPERTIES[value]})" if value in PROPERTIES else value
        elif name == "id":
            yield name, f"{chart_id}-{value}"
        elif name == "clip-path":
            yield name, value.replace("#", f"#{chart_id}-")
        elif name in _MEASURED:
            yield name, _NUMBER.sub(_rounded, value)
        else:
            yield name, value.removesuffix("px")


def _rounded(number: re.Match[str]) -> str:
    short = f"{float(number[0]):.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def _view(root: ET.Element, width: float) -> str:
    """All pictures are equally wide, so that their letters are equally large in a page."""
    left, top, wide, high = root.attrib["viewBox"].split()
    return f"{left} {top} {max(float(wide), width):g} {high}"


def _in_both_languages(root: ET.Element, standing: StandIns) -> None:
    for parent in list(root.iter()):
        for place, element in reversed(list(enumerate(parent))):
            if element.tag == "text":
                meant = standing.meant(element.text or "")
                text = Both(element.text or "", element.text or "") if meant is None else meant
                parent[place:place + 1] = [_text(element, text, lang) for lang in (_LANGUAGES if text.en != text.zh else ("",))]


def _text(element: ET.Element, text: Both, lang: str) -> ET.Element:
    said = ET.Element("text", {**element.attrib, **({"class": lang, "lang": _LANGUAGES[lang]} if lang else {})})
    said.text = plain(getattr(text, lang or "en"))
    return said
