"""Pictures of operating points: what was rejected is crossed out and on no line, every point stands in the table, labels can be read."""

import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from chart_checks import HOSTILE, TRUSTS, axis, check_drawing, check_specification, drawn, layers, marked, names_in_two_languages, values
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.finding import Trust
from touchstone.plots import HeatCell, HeatMap, OperatingCurve, OperatingPoint
from touchstone.report.both import Both
from touchstone.report.charts import palette
from touchstone.report.charts.curve import curve
from touchstone.report.charts.encoding import scale_of
from touchstone.report.charts.heat import heat
from touchstone.report.charts.labelling import SIZE, Frame, labels
from touchstone.report.charts.letters import ems
from touchstone.report.charts.operating import load_label
from touchstone.report.charts.pareto import pareto
from touchstone.report.table import number

POSITIVE = st.floats(1e-6, 1e9)
MAYBE = st.none() | POSITIVE


def point(place=0, trust=Trust.TRUSTED, **given):
    facts = {"load_kind": "concurrency", "load": 2.0 ** place, "output_throughput": 100.0 * (place + 1), "low": 95.0 * (place + 1),
             "high": 104.0 * (place + 1), "ttft_p50": 0.05 * (place + 1), "ttft_p99": 0.2 * (place + 1), "tpot_p50": 0.01 * (place + 1),
             "tpot_p99": 0.03 * (place + 1), "user_speed": 100.0 / (place + 1), "device_throughput": 25.0 * (place + 1), "goodput": 3.0 * (place + 1),
             "goodput_low": 2.5 * (place + 1), "goodput_high": 3.2 * (place + 1), "on_front": True, **given}
    return OperatingPoint(case=f"c{place}", trust=trust, **facts)


def curve_of(*points, devices=None):
    return OperatingCurve("closed", 512.0, 128.0, devices, tuple(points))


@st.composite
def curves(draw):
    count = draw(st.integers(1, 7))
    made = [point(place, draw(st.sampled_from(TRUSTS)), load_kind=draw(st.sampled_from(["concurrency", "rate", "batch"])),
                  output_throughput=draw(POSITIVE), on_front=draw(st.booleans()),
                  **{name: draw(MAYBE) for name in ("low", "high", "ttft_p50", "ttft_p99", "tpot_p50", "tpot_p99", "user_speed", "device_throughput",
                                                    "goodput", "goodput_low", "goodput_high")}) for place in range(count)]
    return curve_of(*made, devices=draw(st.none() | st.integers(1, 16)))


@st.composite
def heat_maps(draw):
    batches, lengths = (draw(st.lists(st.integers(1, 10 ** 6), min_size=1, max_size=5, unique=True)) for _ in range(2))
    cells = [HeatCell(batch, length, draw(MAYBE), draw(st.sampled_from(TRUSTS)), f"c{batch}-{length}") for batch in batches for length in lengths
             if draw(st.integers(0, 5))]
    return HeatMap(draw(st.sampled_from(["output_throughput", "ttft", "tpot"])), "s", draw(st.sampled_from(["input", "output"])), tuple(cells))


def titles_of(noun):
    cases = getattr(noun, "points", None) or getattr(noun, "cells", ())
    return names_in_two_languages(dict.fromkeys(one.case for one in cases))


@given(noun=curves())
def test_every_point_of_a_curve_is_in_the_table_and_every_text_in_both_languages(noun):
    for picture in (curve, pareto):
        chart = picture(noun, titles_of(noun))
        if chart is None:
            continue
        check_specification(chart)
        assert [row[0].en for row in chart.rows] == [f"The case {one.case}" for one in noun.points]
        assert [row[1] for row in chart.rows] == [load_label(one) for one in noun.points]
    chart = curve(noun, {})
    if chart is not None:
        assert [row[2] for row in chart.rows] == [number(one.output_throughput) for one in noun.points]


@settings(max_examples=8)
@given(noun=curves())
def test_any_curve_is_drawn(noun):
    for picture in (curve, pareto):
        chart = picture(noun, titles_of(noun))
        if chart is not None:
            check_drawing(chart)


@given(noun=curves())
def test_what_was_rejected_is_on_no_line_and_has_no_interval(noun):
    chart = curve(noun, {})
    believable = {one.output_throughput for one in noun.points if one.trust is not Trust.REJECTED}
    loads = {one.load for one in noun.points if one.trust is not Trust.REJECTED}
    for layer in layers(chart.spec) if chart else ():
        if layer["mark"]["type"] in {"line", "rule"}:
            assert {row["x"] for row in values(layer)} <= believable | loads
            assert all(row["shape"] != palette.CROSS for row in values(layer))
    crossed = [row for layer in (marked(chart.spec, "point") if chart else []) for row in values(layer) if row["shape"] == palette.CROSS]
    rejected = [one for one in noun.points if one.trust is Trust.REJECTED]
    expected = sum(value is not None for one in rejected for value in (one.ttft_p50, one.ttft_p99, one.tpot_p50, one.tpot_p99, one.goodput))
    assert len(crossed) == expected


def test_a_line_follows_the_rising_load_where_the_throughput_turns_back():
    throughputs = (100.0, 300.0, 250.0, 200.0)
    noun = curve_of(*(point(place, output_throughput=value, low=None, high=None, tpot_p50=None, tpot_p99=None, ttft_p99=None, goodput=None)
                      for place, value in enumerate(throughputs)))
    ((line,), _) = drawn(curve(noun, {}))
    across = [x for x, _ in line]
    assert len(across) == 4
    assert across[0] < across[3] < across[2] < across[1]


def test_a_curve_names_what_is_on_its_axes():
    chart = curve(curve_of(point(0), point(1)), {})
    said = {text.en for text in chart.texts}
    assert {"TTFT, P50, P99 (ms)", "TPOT, P50, P99 (ms per output token)", "Output throughput, mean (output tokens/s, all requests together)",
            "Goodput (requests/s)", "Requests in flight"} <= said
    assert "n = 2" in chart.caption.en
    assert "512 tokens in, 128 out" in chart.title.en
    assert [key.label.en for key in chart.legend] == ["P50", "P99", "Goodput"]
    without = curve(curve_of(point(0, ttft_p99=None, tpot_p99=None, goodput=None)), {})
    assert "TTFT, P50 (ms)" in {text.en for text in without.texts}
    assert [key.label.en for key in without.legend] == ["P50"]
    assert "TTFT P99 (ms)" not in {column.en for column in without.columns}


def test_axes_that_span_much_are_logarithmic_and_say_so():
    chart = curve(curve_of(point(0, ttft_p50=0.01, ttft_p99=None), point(1, ttft_p50=1.0, ttft_p99=None)), {})
    assert "TTFT, P50 (ms), log scale" in {text.en for text in chart.texts}
    chart = curve(curve_of(point(0, ttft_p50=0.1, ttft_p99=None), point(1, ttft_p50=1.0, ttft_p99=None)), {})
    upward = {tuple(layer["encoding"]["y"]["scale"]["domain"]) for layer in layers(chart.spec)}
    assert all(low == 0 for low, _ in upward)


def test_an_interval_beyond_all_values_is_cut_and_does_not_press_them_together():
    chart = curve(curve_of(point(0), point(1, goodput_high=1e9, low=0.0, high=1e9)), {})
    for layer in marked(chart.spec, "rule"):
        for row in values(layer):
            assert row["low"] <= row["high"] < 1000


@pytest.mark.parametrize(("kind", "load", "label"), [("concurrency", 16.0, "c=16"), ("rate", 8.0, "8/s"), ("rate", 1.5, "1.5/s"), ("batch", 4.0, "batch 4"),
                                                     ("concurrency", 1024.0, "c=1,024"), ("rate", 10.0, "10/s")])
def test_a_load_is_written_short(kind, load, label):
    assert load_label(point(load_kind=kind, load=load)) == label


def test_nothing_to_draw_is_no_picture():
    unknown = dict.fromkeys(("ttft_p50", "ttft_p99", "tpot_p50", "tpot_p99", "user_speed", "goodput"))
    for picture in (curve, pareto):
        assert picture(curve_of(), {}) is None
        assert picture(curve_of(point(**unknown)), {}) is None
    assert heat(HeatMap("ttft", "s", "input", ()), {}) is None
    assert heat(HeatMap("ttft", "s", "input", (HeatCell(1, 128, None, Trust.SUSPECT, ""),)), {}) is None


@given(noun=curves())
def test_the_front_is_of_believable_points_only(noun):
    chart = pareto(noun, {})
    if chart is None:
        return
    throughput = {one.case: one.output_throughput if noun.devices is None else one.device_throughput for one in noun.points}
    shown = [one for one in noun.points if one.user_speed is not None and throughput[one.case] is not None]
    (front,) = marked(chart.spec, "line")
    expected = sorted((one.user_speed, throughput[one.case]) for one in shown if one.on_front and one.trust is not Trust.REJECTED)
    assert sorted((row["x"], row["y"]) for row in values(front)) == expected
    (points,) = marked(chart.spec, "point")
    assert sorted((row["x"], row["y"]) for row in values(points)) == sorted((one.user_speed, throughput[one.case]) for one in shown)
    marks = [row[4].en for row in chart.rows]
    assert marks == ["yes" if one.on_front and one.trust is not Trust.REJECTED else "no" for one in noun.points]


def test_no_point_lies_beyond_a_front_and_no_step_of_it_beyond_all_points():
    noun = curve_of(point(0), point(1), point(2, on_front=False, user_speed=20.0), point(3))
    ((line,), dots) = drawn(pareto(noun, {}))
    assert len(dots) == 4
    assert len(line) == 5
    for across, down in dots:  # Vega rounds the corners of a line to thousandths
        assert any(x >= across - 1e-3 and y <= down + 1e-3 for x, y in line)
    for x, y in line:
        assert any(across >= x and down <= y for across, down in dots)
    assert all(later_x == x or later_y == y for (x, y), (later_x, later_y) in pairwise(line))


def test_the_denominator_is_named():
    points = (point(0), point(1))
    whole, each = pareto(curve_of(*points), {}), pareto(curve_of(*points, devices=4), {})
    assert axis(whole.spec, "y")[1] == "Throughput (output tokens/s, whole server)"
    assert axis(each.spec, "y")[1] == "Throughput (output tokens/s per device, of 4)"
    assert [row["y"] for row in values(marked(whole.spec, "point")[0])] == [100.0, 200.0]
    assert [row["y"] for row in values(marked(each.spec, "point")[0])] == [25.0, 50.0]


@st.composite
def crowds(draw):
    size = draw(st.integers(1, 25))
    rows = [{"x": draw(st.floats(0, 10)), "y": draw(st.floats(0, 10)), "label": f"c={draw(st.integers(1, 4096))}"} for _ in range(size)]
    return rows, Frame(scale_of([0, 10], zero=True), scale_of([0, 10], zero=True), 600, 200)


@given(crowd=crowds())
def test_labels_stand_on_no_point_and_no_other_label(crowd):
    rows, frame = crowd
    placed = values(labels(rows, rows, [rows], frame, {}))
    boxes = []
    for row in placed:
        x, y = frame.at(row["x"], row["y"])
        wide = SIZE * ems(row["label"])
        left = x + row["dx"] - wide * {"left": 0, "center": 0.5, "right": 1}[row["align"]]
        boxes.append((left, y + row["dy"] - SIZE / 2, left + wide, y + row["dy"] + SIZE / 2))
    dots = [frame.at(row["x"], row["y"]) for row in rows]
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert not any(left < x < right and top < y < bottom for x, y in dots)
        assert not any(left < other[2] - 0.1 and other[0] < right - 0.1 and top < other[3] - 0.1 and other[1] < bottom - 0.1 for other in boxes[:place])


def test_points_with_room_have_their_labels():
    chart = curve(curve_of(*(point(place, ttft_p50=0.05, output_throughput=500.0 * (place + 1)) for place in range(6))), {})
    for panel in chart.spec["vconcat"][:2]:
        (text,) = marked(panel, "text")
        assert {row["label"] for row in values(text)} == {f"c={2 ** place}" for place in range(6)}


@given(noun=heat_maps())
def test_a_heat_map_has_every_cell_of_the_grid_and_its_table_every_value(noun):
    chart = heat(noun, titles_of(noun))
    if chart is None:
        assert all(cell.value is None for cell in noun.cells)
        return
    check_specification(chart)
    (text,) = marked(chart.spec, "text")
    batches, lengths = {cell.batch_size for cell in noun.cells}, {cell.length for cell in noun.cells}
    assert len(values(text)) == len(batches) * len(lengths)
    assert sum(row["label"] == "no value" for row in values(text)) == len(values(text)) - sum(cell.value is not None for cell in noun.cells)
    factor = 1 if noun.metric == "output_throughput" else 1000
    told = sorted((row[1], row[2], row[3]) for row in chart.rows)
    assert told == sorted((f"{cell.batch_size:,}", f"{cell.length:,}", number(cell.value, factor)) for cell in noun.cells)


@given(noun=heat_maps())
def test_the_colour_grows_with_the_value_and_what_was_rejected_has_none(noun):
    chart = heat(noun, {})
    if chart is None:
        return
    looks = {(row["batch"], row["length"]): row for row in values(marked(chart.spec, "text")[0])}
    filled = []
    for cell in noun.cells:
        look = looks[f"{cell.batch_size:,}", f"{cell.length:,}"]
        if cell.value is None or cell.trust is Trust.REJECTED:
            assert look["fill"] not in palette.STEPS
        else:
            filled.append((cell.value, palette.STEPS.index(look["fill"])))
        if cell.value is not None:
            assert (look["label"][0] == "✕") == (cell.trust is Trust.REJECTED)
            assert (look["label"][0] == "○") == (cell.trust is Trust.SUSPECT)
    steps = [step for _, step in sorted(filled)]
    assert steps == sorted(steps)


def test_the_text_of_a_cell_is_readable_in_light_and_dark():
    cells = tuple(HeatCell(2 ** place, 128, 100.0 * (place + 1), Trust.TRUSTED, f"c{place}") for place in range(14))
    rows = values(marked(heat(HeatMap("output_throughput", "tokens/s", "input", cells), {}).spec, "text")[0])
    assert len({row["fill"] for row in rows}) == len(palette.STEPS)
    rules = palette.css().split("\n")
    for rule in (rules[0], rules[1]):
        colours = dict(re.findall(r"(--[a-z0-9-]+):(#[0-9a-f]{6})", rule))
        for row in rows:
            assert contrast(colours[palette.PROPERTIES[row["ink"]]], colours[palette.PROPERTIES[row["fill"]]]) >= 4.5


def contrast(one, other):
    """WCAG 2.2: (L1 + 0.05) / (L2 + 0.05)."""
    def luminance(colour):
        parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return math.fsum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@settings(max_examples=8)
@given(noun=heat_maps())
def test_any_heat_map_is_drawn(noun):
    chart = heat(noun, {})
    if chart is not None:
        check_drawing(chart)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    titles = {f"c{place}": Both(name, f"场景{name}") for place in range(3)}
    noun = curve_of(point(0), point(1), point(2, Trust.REJECTED))
    cells = tuple(HeatCell(place + 1, 128, 1.0 + place, Trust.TRUSTED, f"c{place}") for place in range(3))
    charts = [curve(noun, titles), pareto(noun, titles), curve(replace(noun, title=name, input_tokens=None), {}),
              heat(HeatMap(name, name[:20], name, cells), titles)]
    for chart in charts:
        check_drawing(chart)
        assert all(len(cell if isinstance(cell, str) else cell.en) < 1000 for row in chart.rows for cell in row)
