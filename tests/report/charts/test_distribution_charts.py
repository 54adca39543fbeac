"""Pictures of repetitions, distributions and time: every number is the plot's, what was rejected is on no line, what is missing stays a gap."""

import json
from dataclasses import replace

import made_plots as made
import pytest
from chart_checks import HOSTILE, axis, check_drawing, check_specification, marked, values
from hypothesis import given
from hypothesis import strategies as st

from touchstone.finding import Trust
from touchstone.plots import (
    CaseDots,
    Cdf,
    CdfCurve,
    Dot,
    DotPlot,
    Gantt,
    GanttBar,
    LimitLine,
    Scaling,
    ScalingPoint,
    Timeline,
    TimelineSlice,
)
from touchstone.report.both import Both
from touchstone.report.charts import palette
from touchstone.report.charts.cdf import cdf
from touchstone.report.charts.dots import dots
from touchstone.report.charts.drawing import draw
from touchstone.report.charts.encoding import Words, labels_of, scale_of
from touchstone.report.charts.gantt import gantt
from touchstone.report.charts.letters import ems, shortened
from touchstone.report.charts.scaling import scaling
from touchstone.report.charts.timeline import timeline
from touchstone.report.charts.wording import identifier
from touchstone.report.table import number

LOOKS = {Trust.TRUSTED: lambda row: row["fill"] == row["colour"], Trust.SUSPECT: lambda row: row["fill"] == palette.SURFACE,
         Trust.REJECTED: lambda row: row["shape"] == palette.CROSS}
FINITE = st.floats(min_value=1e-9, max_value=1e12)


def every_chart():
    return {"apart": dots(made.dot_plot(), made.TITLES), "together": dots(made.dot_plot("decode_speed", 1.1, 3), made.TITLES),
            "scaling": scaling(made.scaling_of_batches(), {}), "cdf": cdf(made.distributions(), made.TITLES),
            "gantt": gantt(made.requests_of_a_load(), made.TITLES), "timeline": timeline(made.slices_of_a_load(), made.TITLES)}


@pytest.mark.parametrize("name", list(every_chart()))
def test_a_picture_is_whole(name):
    chart = every_chart()[name]
    check_specification(chart)
    json.dumps(chart.spec, allow_nan=False)
    assert "n = " in chart.caption.en
    assert 0 < len(chart.rows) <= 200
    pytest.importorskip("vl_convert")
    check_drawing(chart)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_harm_nothing(name):
    titles = dict.fromkeys([name, *made.TITLES], Both(name, name))
    shown = made.requests_of_a_load(3, 3)
    bar = replace(shown.bars[0], ending=name)
    limits = (LimitLine(name, 0.3, 0.99),)
    charts = [dots(made.dot_plot(), titles), cdf(replace(made.distributions(2, 9), limits=limits), titles),
              gantt(replace(shown, case=name, bars=(bar,)), titles), timeline(replace(made.slices_of_a_load(12), case=name), titles)]
    pytest.importorskip("vl_convert")
    for chart in charts:
        check_specification(chart)
        assert len(json.dumps(chart.spec)) < 100_000
        svg, = draw([chart])
        assert "<script" not in svg
        assert svg.isprintable()


# scales and labels

@given(st.lists(FINITE, min_size=1, max_size=30), st.booleans(), st.sampled_from([None, True, False]), st.integers(3, 8))
def test_a_scale_shows_every_value_and_has_few_round_ticks(found, zero, log, most):
    scale = scale_of(found, zero=zero, log=log, ticks=most)
    assert scale.low <= min(found)
    assert max(found) <= scale.high
    assert scale.low < scale.high
    assert scale.low > 0 or not scale.log
    assert scale.low <= 0 or not zero or scale.log
    assert 0 < len(scale.ticks) <= 2 * most + 2
    assert list(scale.ticks) == sorted(set(scale.ticks))
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)


def test_an_axis_is_logarithmic_where_values_span_more_than_a_factor_of_twenty():
    assert not scale_of([1, 19]).log
    assert scale_of([1, 21]).log
    assert not scale_of([0, 21]).log
    assert scale_of([1, 1000]).ticks == (1, 3, 10, 30, 100, 300, 1000)
    assert scale_of([0, 100], zero=True).ticks == (0, 20, 40, 60, 80, 100)


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=12))
def test_labels_tell_cases_apart_and_are_short(titles):
    named = {f"case-{place}": Both(en, zh) for place, (en, zh) in enumerate(titles)}
    words = Words()
    labels = labels_of(named, named, words)
    assert len(set(labels.values())) == len(named)
    assert all(ems(text.en) <= 22 and ems(text.zh) <= 22 for text in words.all)


@given(st.text(max_size=80), st.floats(2, 60))
def test_a_shortened_text_is_as_wide_as_asked_and_begins_alike(text, most):
    cut = shortened(Both(text, text), most).en
    assert ems(cut) <= most
    assert cut.isprintable()
    assert cut[:-1].rstrip() == "".join(letter if letter.isprintable() else " " for letter in text)[:len(cut) - 1].rstrip()


@given(st.text(max_size=100))
def test_an_identifier_is_of_plain_letters(name):
    assert identifier("cdf", name).startswith("cdf-")
    assert not set(identifier("cdf", name)) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


# repetitions

@pytest.mark.parametrize("plot", [made.dot_plot(), made.dot_plot("decode_speed", 1.1, 3)])
def test_every_repetition_is_a_point_that_looks_as_far_as_it_may_be_believed(plot):
    chart = dots(plot, made.TITLES)
    factor = 1e3 if plot.metric == "ttft" else 1.0
    drawn = [row for layer in marked(chart.spec, "point") for row in values(layer)]
    assert [row["value"] for row in drawn] == [dot.value * factor for case in plot.cases for dot in case.dots]
    for row, trust in zip(drawn, [case.trust for case in plot.cases for _ in case.dots], strict=True):
        assert LOOKS[trust](row)
    listed = [value for row in chart.rows for value in row[5].split(" · ")]
    assert listed == [number(dot.value, factor) for case in plot.cases for dot in case.dots]
    bars = [row for layer in marked(chart.spec, "rule") for row in values(layer)]
    assert [(row["mean"], row["low"], row["high"]) for row in bars] == [
        (case.mean * factor, case.low * factor, case.high * factor) for case in plot.cases]


def test_an_interval_that_would_press_the_points_together_is_cut_at_the_edge():
    dots_of = tuple(Dot(0, place, 0.1 + 0.001 * place) for place in range(5))
    chart = dots(DotPlot("ttft", "s", (CaseDots("short", Trust.SUSPECT, dots_of, 0.102, 0.0001, 90.0),)), made.TITLES)
    (low, high), _ = axis(chart.spec, "x")
    assert 90 < low < 100
    assert 104 < high < 115
    ((bar,),) = (values(layer) for layer in marked(chart.spec, "rule"))
    assert (bar["low"], bar["high"]) == (low, high)
    assert chart.rows[0][4] == "0.1000 … 90,000"
    assert "cut at the edge" in chart.caption.en


def test_cases_far_apart_have_an_axis_each_and_the_caption_says_so():
    apart, together = (dots(made.dot_plot(spread=spread), made.TITLES) for spread in (2.5, 1.1))
    assert (len(apart.spec["vconcat"]), len(together.spec["vconcat"])) == (6, 1)
    assert ("axis of its own" in apart.caption.en, "share one axis" in together.caption.en) == (True, True)


def test_a_launch_has_a_shape_and_a_colour_of_its_own():
    drawn = [row for layer in marked(dots(made.dot_plot(launches=3), {}).spec, "point") for row in values(layer)]
    shapes = {(row["launch"], row["shape"]) for row in drawn if row["shape"] != palette.CROSS}
    assert len(shapes) == len({shape for _, shape in shapes}) == len({row["colour"] for row in drawn}) == 3


def test_launches_that_share_a_mark_share_an_entry_of_the_legend():
    keys = [key for key in dots(made.dot_plot(launches=10), {}).legend if key.label.en.startswith("launch")]
    assert [key.label.en for key in keys] == ["launch 1, 9", "launch 2, 10", *(f"launch {number}" for number in range(3, 9))]
    assert [key.series for key in keys] == list(range(8))
    many = [key.label.en for key in dots(made.dot_plot(launches=40, trials=1), {}).legend if key.label.en.startswith("launch")]
    assert (many[0], len(many)) == ("launch 1, 9, 17, 25 …", 8)


@pytest.mark.parametrize("plot", [DotPlot("ttft", "s", ()), DotPlot("ttft", "s", (CaseDots("short", Trust.TRUSTED, (), None, None, None),))])
def test_without_a_repetition_there_is_no_picture(plot):
    assert dots(plot, {}) is None


def test_one_repetition_of_a_metric_nobody_knows_is_shown():
    chart = dots(DotPlot("odd", "furlong", (CaseDots("short", Trust.TRUSTED, (Dot(0, 1, 0.0),), None, None, None),)), {})
    check_specification(chart)
    assert chart.rows == ((Both("short", "short"), "1", "1", "-", "-", "0", chart.rows[0][6]),)
    assert "odd" in chart.title.en
    assert "furlong" in chart.columns[5].en


def test_many_cases_are_drawn_in_part_and_listed_in_the_table():
    row = made.dot_plot(cases=("short",)).cases[0]
    chart = dots(DotPlot("ttft", "s", tuple(replace(row, case=f"case-{place}") for place in range(40))), {})
    assert len({row["case"] for layer in marked(chart.spec, "point") for row in values(layer)}) == 24
    assert len(chart.rows) == 80
    assert "16 more" in chart.caption.en


# scaling

def test_the_measured_line_joins_what_may_be_believed():
    chart = scaling(made.scaling_of_batches(), {})
    ideal, measured = marked(chart.spec, "line")
    assert [row["batch"] for row in values(measured)] == [1, 2, 4, 8, 16]
    assert [row["ideal"] for row in values(ideal)] == [100.0 * batch for batch in (1, 2, 4, 8, 16, 32)]
    crossed = [row["batch"] for layer in marked(chart.spec, "point") for row in values(layer) if row["shape"] == palette.CROSS]
    assert crossed == [32]


def test_more_than_the_ideal_is_named_and_marked():
    chart = scaling(made.scaling_of_batches(), {})
    text, = marked(chart.spec, "text")
    assert [row["batch"] for row in values(text)] == [8]
    assert chart.caption.en.endswith("batch 8.")
    assert [row[5].en for row in chart.rows] == ["no", "no", "no", "yes", "no", "no"]
    usual = replace(made.scaling_of_batches(), points=made.scaling_of_batches().points[:3])
    assert marked(scaling(usual, {}).spec, "text") == []
    assert "explaining" not in scaling(usual, {}).caption.en


def test_one_batch_size_scales_nothing():
    assert scaling(replace(made.scaling_of_batches(), points=made.scaling_of_batches().points[:1]), {}) is None


def test_an_unknown_interval_is_not_drawn():
    points = tuple(ScalingPoint(f"b{batch}", Trust.TRUSTED, batch, 10.0 * batch, None, None, 10.0 * batch, superlinear=False) for batch in (1, 2))
    chart = scaling(Scaling(8, 8, points), {})
    check_specification(chart)
    assert values(marked(chart.spec, "rule")[0]) == []
    assert [row[3] for row in chart.rows] == ["-", "-"]


# distributions

def test_a_rejected_distribution_is_crosses_and_no_line():
    chart = cdf(made.distributions(), made.TITLES)
    assert len(marked(chart.spec, "line")) == 5
    drawn = values(marked(chart.spec, "point")[0])
    assert len([row for row in drawn if row["shape"] == palette.CROSS]) == 5
    assert {row["colour"] for row in drawn if row["shape"] == palette.CROSS} == {palette.series(4)}
    assert palette.series(4) not in {layer["mark"]["color"] for layer in marked(chart.spec, "line")}


def test_lines_are_the_steps_of_the_plot_and_each_has_its_dash():
    plot = made.distributions(4)
    chart = cdf(plot, made.TITLES)
    lines, ((low, _), _) = marked(chart.spec, "line"), axis(chart.spec, "x")
    for curve, layer in zip(plot.curves, lines, strict=True):
        seen = [(x * 1e3, 100 * share) for x, share in curve.points if x * 1e3 >= low]
        assert [(row["x"], row["share"]) for row in values(layer)[1:]] == seen
        assert len(seen) >= len(curve.points) - 3
        assert layer["mark"]["interpolate"] == "step-after"
    assert len({str(layer["mark"].get("strokeDash")) for layer in lines}) == 4


def test_the_few_that_were_much_faster_do_not_press_a_picture_together():
    found = made.curve("short", [0.0001, *(0.05 + place * 1e-5 for place in range(999))])
    chart = cdf(Cdf("itl", "s", (found, made.curve("long", [0.06] * 10))), made.TITLES)
    (low, high), _ = axis(chart.spec, "x")
    assert 45 < low <= 50
    assert 60 <= high < 65
    first = values(marked(chart.spec, "line")[0])[0]
    assert first == {"x": low, "share": pytest.approx(0.1)}
    assert "fastest 1 %" in chart.caption.en
    assert "fastest" not in cdf(Cdf("itl", "s", (made.curve("long", [0.001, *[0.06] * 98]),)), {}).caption.en


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=400))
def test_a_share_in_the_table_is_true_of_the_values(found):
    chart = cdf(Cdf("e2e", "s", (made.curve("short", found),)), {})
    for share, cell in zip((0.5, 0.75, 0.9, 0.95, 0.99), chart.rows[0][2:7], strict=True):
        if cell != "-":
            exact = next(value for value in sorted(found) if number(value, 1e3) == cell)
            at_most = sum(number(value, 1e3) == cell or value <= exact for value in found) / len(found)
            assert at_most >= share - 1e-9


def test_a_share_that_so_few_values_do_not_have_is_not_in_the_table():
    cells = cdf(Cdf("e2e", "s", (made.curve("short", [0.1 * place for place in range(1, 11)]),)), {}).rows[0]
    assert cells[2:7] == ("500", "-", "900", "-", "-")


def test_service_levels_are_a_line_down_and_a_line_across_with_their_words():
    chart = cdf(made.distributions(), made.TITLES)
    down, across = marked(chart.spec, "rule")
    assert [(row["x"], row["share"]) for row in values(down)] == [(500.0, 99.0), (200.0, 50.0)]
    assert set(across["encoding"]) == {"x", "x2", "y"}
    assert [row["label"] for layer in marked(chart.spec, "text") for row in values(layer)] == ["ttft p99<=500ms", "ttft p50<=200ms"]
    assert "service level" in chart.caption.en
    far = replace(made.distributions(1), limits=(LimitLine("ttft p99<=90s", 90.0, 0.99),))
    assert marked(cdf(far, {}).spec, "line")[0]["encoding"]["x"]["scale"]["domain"][1] >= 90_000
    bare = cdf(made.distributions(limits=False), {})
    assert marked(bare.spec, "rule") == []
    assert "service level" not in bare.caption.en


def test_at_most_eight_curves_are_drawn_and_the_rest_is_in_the_table():
    chart = cdf(made.distributions(11, 20), made.TITLES)
    assert len(chart.rows) == 11
    assert len({row["colour"] for row in values(marked(chart.spec, "point")[0])}) == 8
    assert "3 more cases" in chart.caption.en
    assert [key.label.en for key in chart.legend if key.mark == "line"][-1] == "more-4"  # the last of rising loads is what a reader looks for
    assert len({key.label.en for key in chart.legend if key.mark == "line" or not key.hollow}) >= 8


@pytest.mark.parametrize("found", [[0.0], [0.0, 0.0], [0.05], [0.05, 0.0500001], [1e-9, 1e9]])
def test_odd_distributions_are_drawn(found):
    chart = cdf(Cdf("itl", "s", (CdfCurve("short", Trust.TRUSTED, len(found), tuple((x, (place + 1) / len(found)) for place, x in enumerate(found))),)), {})
    check_specification(chart)
    pytest.importorskip("vl_convert")
    check_drawing(chart)


def test_without_a_value_there_is_no_distribution():
    assert cdf(Cdf("ttft", "s", (CdfCurve("short", Trust.TRUSTED, 0, ()),)), {}) is None


# requests over time

def test_a_request_is_a_thin_bar_until_its_first_token_and_a_thick_one_after():
    plot = made.requests_of_a_load()
    chart = gantt(plot, made.TITLES)
    window, waiting, decoding = marked(chart.spec, "rect")[:3]
    assert [(row["since"], row["until"]) for row in values(window)] == [(2.0, 9.0)]
    bars = sorted(plot.bars, key=lambda bar: bar.sent_s)
    assert [(row["from"], row["to"]) for row in values(waiting)] == [
        (bar.sent_s, bar.first_token_s if bar.first_token_s is not None else bar.ended_s or bar.sent_s) for bar in bars]
    assert [(row["from"], row["to"]) for row in values(decoding)] == [
        (bar.first_token_s, bar.ended_s) for bar in bars if bar.first_token_s is not None]
    assert {round(row["below"] - row["row"], 2) for row in values(waiting)} == {0.3}
    assert {round(row["below"] - row["row"], 2) for row in values(decoding)} == {0.84}
    assert waiting["mark"]["color"] != decoding["mark"]["color"]


def test_what_failed_is_crossed_out_where_it_ended():
    plot = made.requests_of_a_load()
    crossed = values(next(layer for layer in marked(gantt(plot, {}).spec, "point")))
    failed = sorted((bar for bar in plot.bars if bar.ending != "ok"), key=lambda bar: bar.sent_s)
    assert [row["at"] for row in crossed] == [bar.ended_s or bar.sent_s for bar in failed]
    assert len(crossed) == 4


def test_the_panels_share_their_time_and_count_whole_requests():
    plot = made.requests_of_a_load(6, 12)
    spec = gantt(plot, {}).spec
    domains = {tuple(layer["encoding"]["x"]["scale"]["domain"]) for panel in spec["vconcat"] for layer in panel["layer"]}
    assert len(domains) == 1
    line, = marked(spec, "line")
    assert [(row["second"], row["count"]) for row in values(line)] == list(plot.in_flight)
    assert max(row["count"] for row in values(line)) < line["encoding"]["y"]["scale"]["domain"][1]  # no line lies on the frame
    assert line["mark"]["interpolate"] == "step-after"
    assert all(tick == int(tick) for tick in line["encoding"]["y"]["axis"]["values"])


def test_the_table_of_requests_has_each_of_them_and_a_dash_where_nothing_came():
    chart = gantt(made.requests_of_a_load(), {})
    assert len(chart.rows) == 120
    assert [row[2:] for row in chart.rows if row[4] == "stopped"] == [("-", "-", "stopped")]
    assert "n = 120 of 4,000" in chart.caption.en


@pytest.mark.parametrize("plot", [Gantt("a", 1, (GanttBar(0, 0.0, None, None, "unreachable"),), (), None),
                                  Gantt("a", 1, (GanttBar(0, 0.0, 0.0, 0.0, "ok"),), ((0.0, 1.0), (0.0, 0.0)), (0.0, 0.0))])
def test_a_load_that_took_no_time_is_drawn(plot):
    chart = gantt(plot, {})
    check_specification(chart)
    assert ("No window" in chart.caption.en) == (plot.window_s is None)
    pytest.importorskip("vl_convert")
    check_drawing(chart)


def test_without_a_request_or_a_slice_there_is_no_picture():
    assert gantt(Gantt("a", 0, (), (), None), {}) is None
    assert timeline(Timeline("a", (), None), {}) is None


# slices of time

def test_a_slice_without_a_quantile_is_a_gap_in_line_and_band():
    plot = made.slices_of_a_load()
    spec = timeline(plot, made.TITLES).spec
    ttft = spec["vconcat"][1]
    band, = marked(ttft, "area")
    for row, one in zip(values(band), plot.slices, strict=True):
        whole = one.ttft_p50 is not None and one.ttft_p95 is not None
        assert (row["ttft_p50"] is not None, row["ttft_p95"] is not None) == (whole, whole)
    lines = marked(ttft, "line")
    assert [row["ttft_p50"] for row in values(lines[0])] == [one.ttft_p50 and one.ttft_p50 * 1e3 for one in plot.slices]
    assert [layer["mark"].get("strokeDash") for layer in lines] == [None, list(palette.DASHES[1])]


def test_a_stall_is_seen_among_the_gaps_and_in_the_table():
    plot = made.slices_of_a_load()
    chart = timeline(plot, made.TITLES)
    gaps = values(marked(chart.spec["vconcat"][2], "point")[-1])
    assert max(gaps, key=lambda row: row["gap"])["second"] == plot.slices[30].at_s
    assert len(chart.rows) == 60
    assert chart.rows[30] == ("15.25", number(plot.slices[30].output_throughput), "-", "-", "20", "50", "1,080")


def test_latency_axes_begin_at_zero_or_say_that_they_are_logarithmic():
    for panel in timeline(made.slices_of_a_load(), made.TITLES).spec["vconcat"]:
        for layer in panel["layer"]:
            upward = layer["encoding"].get("y")
            if upward is not None:
                assert upward["scale"]["domain"][0] == 0 or upward["title"].endswith("log scale")


def test_without_latencies_only_the_output_is_drawn():
    slices = tuple(TimelineSlice(place + 0.5, 50.0, None, None, None, None, None) for place in range(5))
    chart = timeline(Timeline("short", slices, None), {})
    check_specification(chart)
    assert len(chart.spec["vconcat"]) == 1
    assert chart.legend == ()
    assert "No window" in chart.caption.en
