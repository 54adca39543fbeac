"""What every picture must keep, whatever it shows: checked on its specification and on what is drawn of it."""

import math
import re
from xml.etree import ElementTree as Xml  # noqa: ICN001 - ET says nothing

import pytest

from touchstone.finding import Trust
from touchstone.report.both import Both
from touchstone.report.charts.drawing import draw
from touchstone.report.charts.letters import shortened

SPACE = "{http://www.w3.org/2000/svg}"
DRAWN = {"svg", "g", "path", "rect", "line", "text", "defs", "clipPath"}
NEUTRAL = re.compile(r"(c=|batch )?[-−]?[\d,.]+(/s)?|[○✕] [\d,.]+")
"""What reads alike in every language: a number, a load, a number with the sign of its verdict."""
HOSTILE = ("<script>alert(1)</script>", "]]><svg onload=alert(1)>", "\x1b[31mred\x1b[0m\x00\x07", "\u202eright to left", "&amp; \"quotes\" 'too'", "{0} %s \\u003c",
           "long " * 50_000, "")
TRUSTS = tuple(Trust)


def names_in_two_languages(names):
    return {name: Both(f"The case {name}", f"场景 {name}") for name in names}


def layers(spec):
    """Every layer of a specification."""
    for part in (*spec.get("vconcat", ()), *spec.get("layer", ())):
        yield from layers(part)
    if "mark" in spec:
        yield spec


def marked(spec, kind):
    return [layer for layer in layers(spec) if layer["mark"]["type"] == kind]


def values(layer):
    return layer["data"]["values"]


def inside(node):
    """Every value of a specification with its key."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield key, value
        if isinstance(value, (dict, list, tuple)):
            yield from inside(value)


def axis(spec, channel):
    """The scales and titles of a channel over all layers: a picture has one of each, or its axes would not be what they say."""
    found = {(tuple(one["scale"]["domain"]), one.get("title")) for layer in layers(spec) for name, one in layer["encoding"].items() if name == channel}
    (only,) = found
    return only


def check_specification(chart):
    assert re.fullmatch(r"[a-z0-9-]+", chart.id)
    assert all(len(row) == len(chart.columns) for row in chart.rows)
    assert chart.caption.en
    assert chart.title.en
    said = {text.en for text in chart.texts}
    for key, value in inside(chart.spec):
        assert not isinstance(value, float) or math.isfinite(value), key
        if isinstance(value, str) and key in {"title", "label"} and value:
            assert value in said or NEUTRAL.fullmatch(value), value


def check_drawing(chart):
    """The picture is drawn, of shapes and texts only, and each text is neutral, alike in both languages, or there in each."""
    pytest.importorskip("vl_convert")
    (svg,) = draw([chart])
    root = Xml.fromstring(svg)
    tags = {element.tag.removeprefix(SPACE) for element in root.iter()}
    assert tags <= DRAWN, tags - DRAWN
    assert not {name for element in root.iter() for name in element.attrib if name.startswith(("on", "href", "style"))}
    alike = {shown.en for text in chart.texts for shown in [shortened(text, 64)] if shown.en == shown.zh}
    counts = {"en": 0, "zh": 0}
    for element in root.iter(f"{SPACE}text"):
        if element.get("class") in counts:
            counts[element.get("class")] += 1
        else:
            assert NEUTRAL.fullmatch(element.text) or element.text in alike, element.text
        assert element.text.isprintable()
    assert counts["en"] == counts["zh"]
    return root


def drawn(chart):
    """The corners of every line and the place of every point, in pixels, as Vega draws them before anything is made smaller."""
    svg = pytest.importorskip("vl_convert").vegalite_to_svg(chart.spec)
    lines = [[pixels(pair) for pair in re.split("[ML]", path)[1:]] for path in re.findall(r'<path d="(M[^"]+)" stroke="[^"]+" stroke-width="1.8"', svg)]
    return lines, [pixels(place) for place in re.findall(r'<path transform="translate\(([^)]+)\)" d="[^"]+" fill', svg)]


def pixels(pair):
    return tuple(map(float, pair.split(",")))
