
"""What a drawn picture is: inert, small, in both languages and in roles of colour, whatever the cases are called."""

import math
import re
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import made_plots as made
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone.plots import Plots
from touchstone.report.both import Both
from touchstone.report.charts import drawing, palette, smaller
from touchstone.report.charts.cdf import cdf
from touchstone.report.charts.chart import Chart
from touchstone.report.charts.dots import dots
from touchstone.report.charts.encoding import Words, picture
from touchstone.report.charts.gantt import gantt
from touchstone.report.charts.letters import ems, shortened
from touchstone.report.charts.scaling import scaling
from touchstone.report.charts.stand_ins import StandIns
from touchstone.report.charts.timeline import timeline
from touchstone.report.vega.board import DrawingBoard

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "g", "path", "text", "rect", "defs", "clipPath"}
HOSTILE = "</text><script>alert(1)</script>]]>&amp;\x00\x1b[31m\u202eevil\u2028\" onload='x' ﷽ 😀"


def every_chart():
    return [dots(made.dot_plot(), made.TITLES), dots(made.dot_plot("decode_speed", 1.1, 3), made.TITLES), scaling(made.scaling_of_batches(), {}),
            cdf(made.distributions(), made.TITLES), gantt(made.requests_of_a_load(), made.TITLES), timeline(made.slices_of_a_load(), made.TITLES)]


@pytest.fixture(scope="module")
def drawn():
    """Each chart with the SVG that was made of it."""
    pytest.importorskip("vl_convert")
    charts = every_chart()
    return list(zip(charts, drawing.draw(charts), strict=True))


def elements(svg):
    return [(element.tag.removeprefix(SVG), element) for element in ET.fromstring(svg).iter()]


def test_nothing_in_a_picture_can_act_or_ask_for_anything(drawn):
    for _, svg in drawn:
        for tag, element in elements(svg):
            assert tag in ELEMENTS
            assert not [name for name in element.attrib if name.startswith("on") or "href" in name or name in {"style", "width", "height"} & {"style"}]
            assert not re.search(r"url\((?!#)|http|javascript:|data:", " ".join(element.attrib.values()))


def test_colours_are_roles_of_the_palette(drawn):
    found = {element.get(name) for _, svg in drawn for _, element in elements(svg) for name in ("fill", "stroke")} - {None, "none", "transparent"}
    assert found <= {f"var({name})" for name in palette.PROPERTIES.values()}
    assert len(found) > 5


def test_a_picture_is_named_by_its_heading_and_described_by_its_caption(drawn):
    for chart, svg in drawn:
        root = ET.fromstring(svg)
        assert (root.get("role"), root.get("aria-labelledby"), root.get("aria-describedby")) == ("img", f"{chart.id}-heading", f"{chart.id}-caption")


def test_ids_begin_with_the_pictures_own():
    pytest.importorskip("vl_convert")
    clipped = picture({"width": 50, "height": 50, "layer": [{"data": {"values": [{"a": 1}, {"a": 2}]}, "mark": {"type": "line", "clip": True},
                                                             "encoding": {name: {"field": "a", "type": "quantitative"} for name in "xy"}}]})
    text = Both("x", "x")
    for svg, name in zip(drawing.draw([Chart(name, text, text, clipped, (), (), ()) for name in ("one", "two")]), ("one", "two"), strict=True):
        found = [element for _, element in elements(svg)]
        ids = [element.get("id") for element in found if element.get("id")]
        assert all(one.startswith(f"{name}-") for one in ids)
        assert {element.get("clip-path") for element in found} - {None} == {f"url(#{ids[0]})"}
        assert [tag for tag, element in elements(svg) if tag == "clipPath" and len(element) == 1] == ["clipPath"]


def test_each_text_stands_there_in_both_languages(drawn):
    for chart, svg in drawn:
        found = {lang: [(element.text, element.get("x"), element.get("y"), element.get("transform"))
                        for tag, element in elements(svg) if tag == "text" and element.get("class") == lang] for lang in ("en", "zh")}
        assert [one[1:] for one in found["en"]] == [one[1:] for one in found["zh"]]
        told = {(text.en, text.zh) for text in chart.texts}
        assert {(en[0], zh[0]) for en, zh in zip(found["en"], found["zh"], strict=True)} == {pair for pair in told if pair[0] != pair[1]}
        alike = {element.text for tag, element in elements(svg) if tag == "text" and element.get("class") is None}
        assert not any(re.fullmatch("q[0-9]+n*", text) for text in alike)


def test_there_is_room_for_the_longer_of_both_languages():
    pytest.importorskip("vl_convert")
    long = Both("x", "长" * 17)
    plot = made.dot_plot(cases=("short",))
    svgs = drawing.draw([dots(plot, {"short": title}) for title in (long, Both(long.zh, "x"))])
    for svg in svgs:
        outer = next(element for tag, element in elements(svg) if tag == "g")
        assert float(re.search(r"translate\(([\d.]+)", outer.get("transform"))[1]) > 11 * 17


def test_pictures_are_equally_wide_so_that_letters_are_equally_large(drawn):
    assert len({ET.fromstring(svg).get("viewBox").split()[2] for _, svg in drawn}) == 1
    assert all("width" not in ET.fromstring(svg).attrib for _, svg in drawn)


def test_a_picture_is_small(drawn):
    sizes = {chart.id: len(svg.encode()) for chart, svg in drawn}
    most = {"cdf-ttft": 20_000, "gantt-stress": 35_000}
    assert {name: size for name, size in sizes.items() if size > most.get(name, 15_000)} == {}


def test_places_are_said_to_a_tenth_of_a_pixel(drawn):
    for _, svg in drawn:
        for _, element in elements(svg):
            assert not re.search(r"\.\d\d", " ".join(element.get(name, "") for name in ("d", "x", "y", "transform", "viewBox")))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.text(max_size=60), st.just(HOSTILE), st.just("x" * 10_000)), min_size=6, max_size=6))
def test_whatever_a_case_is_called_the_picture_stays_a_picture(names):
    pytest.importorskip("vl_convert")
    titles = {case: Both(name, name[::-1]) for case, name in zip(made.TITLES, names, strict=True)}
    for svg in drawing.draw([dots(made.dot_plot(trials=1), titles), cdf(made.distributions(n=5), titles), gantt(made.requests_of_a_load(3, 3), titles)]):
        assert {tag for tag, _ in elements(svg)} <= ELEMENTS
        assert all(character.isprintable() for character in svg.replace("\n", ""))
        assert "<script" not in svg
        assert len(svg) < 40_000


def test_hostile_titles_are_text():
    pytest.importorskip("vl_convert")
    svg, = drawing.draw([dots(made.dot_plot(cases=("short",)), {"short": Both(HOSTILE, HOSTILE)})])
    assert "&lt;/text&gt;&lt;script" in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg


def test_without_the_library_there_are_no_pictures(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert drawing.draw(every_chart()) is None


def test_a_picture_that_cannot_be_drawn_takes_no_other_with_it():
    good = every_chart()[0]
    assert [svg is None for svg in drawing.draw([replace(good, spec={"mark": "nonsense"}), good])] == [True, False]


def test_the_drawing_library_is_given_no_text_of_a_case():
    chart = dots(made.dot_plot(), made.TITLES)
    given_away = str(StandIns(chart.texts).put_into(chart.spec))
    assert any(title.en in str(chart.spec) for title in made.TITLES.values())
    assert not any(title.en in given_away or title.zh in given_away for title in made.TITLES.values())


@given(st.lists(st.builds(Both, st.text(max_size=40), st.text(max_size=40)), max_size=8))
def test_a_stand_in_is_as_wide_as_both_languages_and_leads_back(texts):
    standing = StandIns(texts)
    first = {text.en: text for text in reversed(texts)}
    for en, text in first.items():
        placed = standing.put_into({"title": en})["title"]
        assert placed.isascii()
        assert ems(placed) >= max(ems(shortened(text, 64).en), ems(shortened(text, 64).zh)) - 1e-9
        assert standing.meant(placed) == shortened(text, 64)


def test_words_of_the_specification_itself_are_left_alone():
    standing = StandIns([Both("point", "点"), Both("x", "横")])
    spec = {"mark": "point", "encoding": {"x": {"field": "x", "title": "x", "type": "quantitative"}}, "data": {"values": [{"x": "point"}]}}
    placed = standing.put_into(spec)
    assert placed["mark"] == "point"
    assert placed["encoding"]["x"]["field"] == "x"
    assert standing.meant(placed["encoding"]["x"]["title"]) == Both("x", "横")
    assert standing.meant(placed["data"]["values"][0]["x"]) == Both("point", "点")


def test_what_is_said_first_of_a_text_holds():
    words = Words()
    assert words(Both("a", "甲")) == words(Both("a", "乙"))
    assert words.all == (Both("a", "甲"),)


# smaller: the same drawing in fewer letters

TENTHS = st.integers(-5000, 20_000).map(lambda count: count / 10)


def corners(d):
    """The corners of a path of moves and lines, wherever they are said from."""
    x = y = 0.0
    found = []
    for name, values in re.findall(r"([MLlhvZ])([^MLlhvZ]*)", d):
        numbers = [float(value) for value in re.findall(r"-?\d*\.?\d+", values)]
        if name in "ML":
            x, y = numbers
        elif name != "Z":
            x += numbers[0] if name in "lh" else 0
            y += numbers[-1] if name in "lv" else 0
        found.append((round(x, 6), round(y, 6)))
    return found


def group(*children):
    root = ET.Element("svg")
    parent = ET.SubElement(root, "g", {"transform": "translate(3,4)"})
    parent.extend(children)
    return root, parent


@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=2, max_size=60))
def test_a_line_keeps_its_corners(points):
    root, parent = group(ET.Element("path", {"stroke": "red", "d": "M" + "L".join(f"{x:g},{y:g}" for x, y in points)}))
    smaller.make(root)
    distinct = [point for place, point in enumerate(points) if place == 0 or point != points[place - 1]]
    assert corners(parent[0].get("d")) == [(round(x, 6), round(y, 6)) for x, y in distinct]


@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=1, max_size=20), st.booleans())
def test_points_that_look_alike_are_one_path_at_the_same_places(places, lines):
    def mark(x, y):
        at = {"transform": f"translate({x:g},{y:g})", "stroke": "red"}
        return ET.Element("line", {**at, "x2": "0", "y2": "-4"}) if lines else ET.Element("path", {**at, "fill": "blue", "d": "M-2,-2h4v4h-4Z"})

    root, parent = group(*(mark(x, y) for x, y in places))
    smaller.make(root)
    d = parent[0].get("d")
    starts = [(float(x), float(y)) for x, y in re.findall(r"M(-?[\d.]+),(-?[\d.]+)", d)]
    offset = 0 if lines else -2
    if len(places) > 1:
        assert len(parent) == 1
        assert starts == [(pytest.approx(x + offset), pytest.approx(y + offset)) for x, y in places]
    assert d.count("v-4" if lines else "h4v4h-4Z") == len(places)


def test_what_differs_in_look_keeps_its_order_and_its_own_path():
    colours = ["red", "red", "blue", "red"]
    root, parent = group(*(ET.Element("path", {"d": f"M{place},0h4", "stroke": colour}) for place, colour in enumerate(colours)))
    smaller.make(root)
    assert [(path.get("stroke"), path.get("d")) for path in parent] == [("red", "M0,0h4M1,0h4"), ("blue", "M2,0h4"), ("red", "M3,0h4")]


@pytest.mark.parametrize("more", [{"opacity": "0.5"}, {"transform": "translate(1,2) rotate(-90)"}, {"d": "M0,0C1,1,2,2,3,3", "transform": "translate(1,2)"}])
def test_what_cannot_be_joined_safely_is_not(more):
    root, parent = group(*(ET.Element("path", {"d": "M1,0h4", "stroke": "red", **more}) for _ in range(2)))
    smaller.make(root)
    assert len(parent) == 2


def test_full_circles_of_one_colour_are_dots_of_the_same_size():
    circle = "M3.4,0A3.4,3.4,0,1,1,-3.4,0A3.4,3.4,0,1,1,3.4,0"
    root, parent = group(*(ET.Element("path", {"d": circle, "stroke": "red", "fill": fill, "stroke-width": "1.5", "transform": "translate(5,6)"})
                           for fill in ("red", "white")))
    smaller.make(root)
    dot, hollow = parent
    assert (dot.get("d"), dot.get("stroke-width"), dot.get("stroke-linecap")) == ("M0,0h0", "8.3", "round")
    assert hollow.get("d") == circle


def test_what_is_shared_is_said_once():
    root, parent = group(*(ET.Element("text", {"fill": "red", "font-size": "11", "x": str(place)}) for place in range(3)))
    smaller.make(root)
    assert (parent.get("fill"), [sorted(child.attrib) for child in parent]) == ("red", [["x"]] * 3)


# palette

def colours(theme):
    """Role → colour in one theme, as the style sheet says."""
    rules = {"light": palette.css().split("@media")[0], "dark": palette.css().split("@media screen{")[1]}
    return dict(re.findall(r"(--[a-z0-9-]+):(#[0-9a-f]{6})", rules[theme]))


def contrast(one, other):
    """WCAG 2.2: relative luminance of sRGB colours."""
    def luminance(colour):
        parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return math.sumprod((0.2126, 0.7152, 0.0722), linear) if hasattr(math, "sumprod") else sum(
            weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_seen_on_its_ground(theme):
    found = colours(theme)
    assert set(found) == set(palette.PROPERTIES.values())
    for name in ("--ink", "--muted", "--good", "--bad", "--warn"):
        assert contrast(found[name], found["--surface"]) >= 4.5
        assert contrast(found[name], found["--shade"]) >= 4.5
    for place in range(len(palette.SERIES)):
        assert contrast(found[f"--s{place}"], found["--surface"]) >= 3
    for step, ink in zip(palette.STEPS, palette.STEP_INKS, strict=True):
        assert contrast(found[palette.PROPERTIES[step]], found[palette.PROPERTIES[ink]]) >= 4.5


def test_each_role_has_a_colour_of_its_own_and_each_series_a_shape_and_a_dash():
    assert len(set(palette.PROPERTIES)) == len(set(palette.PROPERTIES.values())) == 10 + len(palette.SERIES) + len(palette.STEPS)
    for looks in (palette.SERIES, palette.SHAPES, palette.DASHES):
        assert len(set(looks)) == 8


def test_paper_is_light():
    assert all(rule.startswith(" screen") for rule in palette.css().split("@media")[1:])
    assert "url(" not in palette.css()


def test_ids_are_unique_even_where_cases_have_the_same_letters():
    from builders import clean_run

    from touchstone.judge.findings import findings_of
    from touchstone.report.charts import charts_of

    plots = Plots(dots=(made.dot_plot(), made.dot_plot()), cdfs=(made.distributions(),), gantts=tuple(
        made.Gantt(name, 1, (made.GanttBar(0, 0.0, 0.1, 1.0, "ok"),), (), None) for name in ("a b", "a-b", "中", "文", "x" * 500)))
    charts = charts_of(findings_of(clean_run()), plots)
    ids = [chart.id for chart in charts]
    assert ids[:3] == ["dots-ttft", "dots-ttft-2", "cdf-ttft"]
    assert len(set(ids)) == len(ids) == 8
    assert all(re.fullmatch("[a-z0-9-]{1,80}", one) for one in ids)


def test_a_board_draws_what_is_drawn_here_and_what_it_cannot_is_missing():
    pytest.importorskip("vl_convert")
    charts = every_chart()
    with DrawingBoard() as board:
        assert drawing.draw([charts[0], replace(charts[0], spec={"mark": "nonsense"}), *charts[1:]], board) == [
            *drawing.draw(charts[:1]), None, *drawing.draw(charts[1:])]
    with DrawingBoard() as board:
        board._process.kill()
        assert drawing.draw(charts, board) == [None] * len(charts)


def test_a_board_that_is_not_used_leaves_nothing_behind():
    with DrawingBoard() as board:
        process = board._process
    assert process is None or process.poll() is not None
