"""Pictures of the hardware: the roof is where physics has it, bars start at 0, and no trial is missing from the table."""

import itertools

import pytest
from chart_checks import HOSTILE, TRUSTS, axis, check_drawing, check_specification, marked, names_in_two_languages, values
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.finding import Trust
from touchstone.message import say
from touchstone.plots import MemoryStack, Roofline, RooflinePoint, Stability, StabilityPoint
from touchstone.report.both import Both
from touchstone.report.charts import palette
from touchstone.report.charts.memory import memory
from touchstone.report.charts.roofline import roofline
from touchstone.report.charts.stability import stability
from touchstone.report.table import number

GB = 10 ** 9
SOURCE = say("the data sheet")


@st.composite
def rooflines(draw):
    points = tuple(RooflinePoint(f"c{draw(st.integers(0, 8))}", draw(st.sampled_from(["prefill", "decode"])), draw(st.sampled_from(TRUSTS)),
                                 draw(st.floats(1e-2, 1e5)), draw(st.floats(1e6, 1e16)), draw(st.floats(0, 3))) for _ in range(draw(st.integers(1, 12))))
    return Roofline("Chip", draw(st.floats(1e9, 1e13)), draw(st.none() | st.floats(1e9, 1e16)), SOURCE, points)


@st.composite
def stacks(draw):
    sizes = st.integers(1, 10 ** 13)
    made = []
    for place in range(draw(st.integers(1, 6))):
        names = draw(st.lists(st.sampled_from(["weights", "kv", "other"]), unique=True, max_size=3))
        made.append(MemoryStack(f"c{place}", tuple((name, draw(sizes)) for name in sorted(names, reverse=True)), ("kv",),
                                {"resident_bytes": draw(sizes)}, draw(st.none() | sizes)))
    return tuple(made)


@st.composite
def stabilities(draw):
    ratio = st.floats(0.01, 30)
    count, warm = draw(st.integers(1, 30)), draw(st.integers(0, 5))
    points = tuple(StabilityPoint(place + 1, draw(st.integers(0, 11)), f"c{draw(st.integers(0, 3))}", draw(ratio)) for place in range(warm, warm + count))
    readings = st.lists(st.floats(0, 1e4), max_size=100).map(sorted)
    return Stability(points, draw(st.dictionaries(st.sampled_from(["c0", "c1"]), st.floats(0, 2))),
                     tuple(StabilityPoint(place + 1, 0, "c0", draw(ratio)) for place in range(warm)),
                     tuple((at, draw(st.floats(20, 110))) for at in draw(readings)), tuple((at, draw(st.floats(1e8, 6e9))) for at in draw(readings)))


def cases_of(noun):
    return names_in_two_languages({one.case for one in (noun if isinstance(noun, tuple) else noun.points)})


def unit_of(chart):
    return 1e-12 if "TFLOP/s" in chart.columns[4].en else 1e-9


@given(noun=rooflines())
def test_the_roof_is_the_lower_of_bandwidth_and_compute(noun):
    chart = roofline(noun, cases_of(noun))
    check_specification(chart)
    (line,) = marked(chart.spec, "line")
    factor = unit_of(chart)
    for corner in values(line):
        bound = min(noun.bandwidth * corner["x"], noun.flops or float("inf")) * factor
        assert corner["y"] == pytest.approx(bound)
    (low, high), _ = axis({"layer": chart.spec["vconcat"][0]["layer"]}, "y")
    assert all(low <= row["y"] <= high for layer in (line, *marked(chart.spec, "point")) for row in values(layer))
    left, right = axis({"layer": chart.spec["vconcat"][0]["layer"]}, "x")[0]
    assert values(line)[0]["x"] == left
    last = values(line)[-1]
    assert last["x"] == right or (noun.flops is None and last["y"] == pytest.approx(high) and last["x"] < right)


@given(noun=rooflines())
def test_every_phase_is_drawn_and_in_the_table(noun):
    chart = roofline(noun, cases_of(noun))
    (points,) = marked(chart.spec, "point")
    assert len(values(points)) == len(chart.rows) == len(noun.points)
    factor = unit_of(chart)
    for one, row, cells in zip(noun.points, values(points), chart.rows, strict=True):
        assert (row["x"], row["y"]) == (one.intensity, pytest.approx(one.flops * factor))
        assert (row["shape"] == palette.CROSS) == (one.trust is Trust.REJECTED)
        assert (row["colour"] == palette.SERIES[1]) == (one.phase == "prefill")
        assert cells[0] == row["label"]
        assert cells[1].en == f"The case {one.case}"
        assert cells[2].en == one.phase
        assert cells[3:6] == (number(one.intensity), number(one.flops, factor), number(one.share, 100))


def test_one_number_means_one_case():
    points = [RooflinePoint(case, phase, Trust.TRUSTED, 1.0 + place, 1e12, 0.5) for place, (case, phase) in
              enumerate(itertools.product(("a", "b", "c"), ("prefill", "decode")))]
    chart = roofline(Roofline("Chip", 1e12, 1e14, SOURCE, tuple(points)), names_in_two_languages("abc"))
    assert {(row[0], row[1].en) for row in chart.rows} == {("1", "The case a"), ("2", "The case b"), ("3", "The case c")}
    root = check_drawing(chart)
    assert {f"{number}  The case {name}" for number, name in ((1, "a"), (2, "b"), (3, "c"))} <= {element.text for element in root.iter()}


def test_an_unknown_ceiling_is_said_to_be_unknown():
    point = RooflinePoint("a", "decode", Trust.TRUSTED, 1.0, 5e11, 0.5)
    known, unknown = (roofline(Roofline("Chip", 1e12, flops, SOURCE, (point,)), {}) for flops in (1e14, None))
    assert "not known" in unknown.caption.en
    assert "not known" not in known.caption.en
    assert any(text.en.startswith("compute 100 TFLOP/s") for text in known.texts)
    assert not any(text.en.startswith("compute") for text in unknown.texts)
    assert len(values(marked(known.spec, "line")[0])) == 3
    assert len(values(marked(unknown.spec, "line")[0])) == 2
    assert "log scale" in axis({"layer": known.spec["vconcat"][0]["layer"]}, "x")[1]
    assert roofline(Roofline("Chip", 1e12, None, SOURCE, ()), {}) is None


@settings(max_examples=8)
@given(noun=rooflines())
def test_any_roofline_is_drawn(noun):
    check_drawing(roofline(noun, cases_of(noun)))


@given(noun=stacks())
def test_bars_start_at_zero_and_follow_each_other(noun):
    chart = memory(noun, cases_of(noun))
    drawn = [stack for stack in noun if stack.parts]
    if not drawn:
        assert chart is None
        return
    check_specification(chart)
    (low, high), _ = axis(chart.spec, "x") if not marked(chart.spec, "rule") else axis({"layer": marked(chart.spec, "rect")}, "x")
    assert low == 0
    (bars,) = marked(chart.spec, "rect")
    by_row = [list(group) for _, group in itertools.groupby(values(bars), key=lambda row: row["row"])]
    assert len(by_row) == len(drawn)
    for stack, parts in zip(drawn, by_row, strict=True):
        ends = [sum(size for _, size in stack.parts[:place]) / GB for place in range(len(stack.parts) + 1)]
        assert [part["start"] for part in parts] == pytest.approx(ends[:-1])
        assert [part["end"] for part in parts] == pytest.approx(ends[1:])
        assert parts[-1]["end"] <= high * (1 + 1e-9)


@given(noun=stacks())
def test_every_size_is_in_the_table_in_both_units(noun):
    chart = memory(noun, cases_of(noun))
    if chart is None:
        return
    expected = [(f"The case {stack.case}", number(size, 1 / GB), number(size, 1 / 2 ** 30)) for stack in noun
                for size in (*(size for _, size in stack.parts), *stack.measured.values(), *([stack.total_bytes] if stack.total_bytes else []))]
    assert [(row[0].en, row[2], row[3]) for row in chart.rows] == expected
    for stack in noun:
        assert [row[4].en for row in chart.rows if row[0].en == f"The case {stack.case}" and row[1].en == "KV cache"] in ([], ["computed"])


def test_the_whole_device_is_a_line_or_told():
    stack = MemoryStack("a", (("weights", 10 * GB), ("kv", 2 * GB)), ("kv",), {"allocated_bytes": 12 * GB}, 24 * GB)
    chart = memory((stack,), {})
    assert [row["total"] for row in values(marked(chart.spec, "rule")[0])] == [24.0]
    assert "dashed line" in chart.caption.en
    assert [key.label.en for key in chart.legend] == ["weights", "KV cache (computed)"]
    wide = memory((MemoryStack("a", stack.parts, (), {}, 500 * GB),), {})
    assert not marked(wide.spec, "rule")
    assert "500 GB" in wide.caption.en
    unknown = memory((MemoryStack("a", stack.parts, (), {}, None),), {})
    assert not marked(unknown.spec, "rule")
    assert "device" not in unknown.caption.en


@settings(max_examples=8)
@given(noun=stacks())
def test_any_stack_is_drawn(noun):
    chart = memory(noun, cases_of(noun))
    if chart is not None:
        check_drawing(chart)


@given(noun=stabilities())
def test_every_trial_is_drawn_and_in_the_table(noun):
    chart = stability(noun, cases_of(noun))
    check_specification(chart)
    (points,) = marked(chart.spec, "point")
    trials = sorted([*noun.points, *noun.warmup], key=lambda one: one.order)
    assert sorted(row["x"] for row in values(points)) == [one.order for one in trials]
    told = {(row[0].en.removeprefix("The case "), row[1], row[2].en.split()[0], one) for row in chart.rows if row[1] != "-" for one in row[3].split(" · ")}
    assert told == {(one.case, str(one.launch + 1), what, f"{one.order}: {number(one.relative, 100)}")
                    for found, what in ((noun.points, "measured"), (noun.warmup, "warm-up")) for one in found}
    assert sum(row[2].en == "between launches (CV)" for row in chart.rows) == len(noun.launch_cv)
    hollow = {row["x"] for row in values(points) if row["fill"] == palette.SURFACE}
    assert hollow == {one.order for one in noun.warmup}
    measured = {one.order: one.relative * 100 for one in noun.points}
    assert {row["x"]: row["y"] for row in values(points) if row["x"] in measured} == pytest.approx(measured)


@given(noun=stabilities())
def test_temperature_and_clock_have_a_panel_where_they_are_known(noun):
    chart = stability(noun, {})
    panels = [values(layer) for layer in marked(chart.spec, "line")]
    known = [[{"x": at, "y": pytest.approx(value * factor)} for at, value in found]
             for found, factor in ((noun.temperature_c, 1), (noun.frequency_hz, 1e-9)) if found]
    assert panels == known


def test_the_band_is_two_percent_and_a_slow_warmup_stands_at_the_edge():
    noun = Stability((StabilityPoint(2, 0, "a", 0.99), StabilityPoint(3, 1, "a", 1.01)), {"a": 0.014}, (StabilityPoint(1, 0, "a", 0.3),))
    chart = stability(noun, {})
    panel = chart.spec["vconcat"][0]
    ((band,),) = [values(layer) for layer in marked(panel, "rect")]
    assert (band["y"], band["top"]) == (98, 102)
    (low, high), title = axis(panel, "y")
    assert low <= 97
    assert high >= 103
    assert "% of the median of its case" in title
    assert {row["x"]: row["y"] for row in values(marked(panel, "point")[0])} == {1: low, 2: pytest.approx(99), 3: pytest.approx(101)}
    assert "edge" in chart.caption.en
    assert "1.4 %" in chart.caption.en
    assert "n = 2" in chart.caption.en
    assert stability(Stability((), {}, noun.warmup), {}) is None


@settings(max_examples=8)
@given(noun=stabilities())
def test_any_sequence_is_drawn(noun):
    check_drawing(stability(noun, cases_of(noun)))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_here_too(name):
    titles = {"a": Both(name, f"场景{name}")}
    charts = [
        roofline(Roofline(name, 1e12, 1e14, say("{source}", source=name[:80]), (RooflinePoint("a", "decode", Trust.TRUSTED, 1.0, 5e11, 0.5),
                                                                               RooflinePoint("a", name, Trust.SUSPECT, 2.0, 5e11, 0.5))), titles),
        memory((MemoryStack("a", (("weights", GB), (name, GB)), (name,), {name: 5}, GB),), titles),
        stability(Stability((StabilityPoint(1, 0, "a", 1.0),), {"a": 0.1}), titles)]
    for chart in charts:
        check_drawing(chart)
        assert all(len(cell if isinstance(cell, str) else cell.en) < 1000 for row in chart.rows for cell in row)
        assert all(len(text) < 1000 for key in chart.legend for text in (key.label.en, key.label.zh))
        assert len(chart.title.en) + len(chart.caption.en) < 1000
