"""What a printed number may have been before it was printed."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.claim import FIGURE_UNITS
from touchstone.judge.claims.figures import CellReading, is_number, read_figure
from touchstone.judge.claims.units_of_text import as_typed, read_unit

MS, RATE, GB = read_unit("ms"), read_unit("tokens/s"), read_unit("GB")


def interval(cell, figure="throughput", unit=RATE):
    found = read_figure(cell, figure, unit).figure
    assert found is not None, cell
    return found.low, found.value, found.high


@pytest.mark.parametrize(("cell", "expected"), [
    ("62.13", (62.125, 62.13, 62.135)), ("125", (124.5, 125, 125.5)), ("27500", (27499.5, 27500, 27500.5)), ("0", (0, 0, 0.5)),
    ("14.80", (14.795, 14.8, 14.805)), (".5", (0.45, 0.5, 0.55)), ("7.", (6.5, 7, 7.5)),
    ("~3800", (3610, 3800, 3990)), ("约3800", (3610, 3800, 3990)), ("≈ 3800", (3610, 3800, 3990)), ("about 3800", (3610, 3800, 3990)),
    ("3800 左右", (3610, 3800, 3990)), ("3.8k", (3750, 3800, 3850)), ("3.8K", (3750, 3800, 3850)), ("1.2M", (1.15e6, 1.2e6, 1.25e6)),
    ("1.2万", (11500, 12000, 12500)), ("0.3 亿", (2.5e7, 3e7, 3.5e7)), ("98–101", (97.5, 99.5, 101.5)), ("98~101", (97.5, 99.5, 101.5)),
    ("98 至 101", (97.5, 99.5, 101.5)), ("98-101", (97.5, 99.5, 101.5)), ("12.3 ± 0.4", (11.85, 12.3, 12.75)), ("12.3(±0.4)", (11.85, 12.3, 12.75)),
    ("12.3 +/- 10%", (11.02, 12.3, 13.58)), ("1,024", (1023.5, 1024, 1024.5)), ("1 024", (1023.5, 1024, 1024.5)), ("1'024", (1023.5, 1024, 1024.5)),
    ("1,234,567.8", (1234567.75, 1234567.8, 1234567.85)), ("1.234,56", (1234.555, 1234.56, 1234.565)), ("1,5", (1.45, 1.5, 1.55)),
    ("0,125", (0.1245, 0.125, 0.1255)), ("1e3", (500, 1000, 1500)), ("1.2E+3", (1150, 1200, 1250)), ("1.2×10^3", (1150, 1200, 1250)),
    ("1.2×10³", (1150, 1200, 1250)), ("１２．５", (12.45, 12.5, 12.55)), ("**12.5**", (12.45, 12.5, 12.55)), ("12.5*", (12.45, 12.5, 12.55)),
    ("12.5 ↑", (12.45, 12.5, 12.55)), ("12.5 [1]", (12.45, 12.5, 12.55)), ("1704.22(其中最快的)", (1704.215, 1704.22, 1704.225)),
    ("1688.87（序列长 + 批量大）", (1688.865, 1688.87, 1688.875)), ("125 tok/s", (124.5, 125, 125.5)), ("125 tokens / 秒", (124.5, 125, 125.5)),
    ("3.8k tok/s", (3750, 3800, 3850)), ("3.8 ktok/s", (3750, 3800, 3850)),
])
def test_a_printed_number_is_every_value_that_prints_like_it(cell, expected):
    assert interval(cell) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("cell", "figure", "unit", "value"), [
    ("68.27", "ttft", MS, 0.06827), ("0.45 s", "ttft", MS, 0.45), ("0.45s", "ttft", None, 0.45), ("450 毫秒", "ttft", None, 0.45), ("5 min", "duration", None, 300),
    ("14.8GB", "peak_memory", None, 14.8e9), ("14.8 GiB", "peak_memory", GB, 14.8 * 2**30), ("15232 MB", "peak_memory", None, 15.232e9),
    ("98%", "memory_fraction", None, 0.98), ("15.6 ms/token", "tpot", None, 0.0156), ("63 tok/s/req", "decode_speed", None, 63),
    ("8卡", "devices", None, 8), ("128 tokens", "output_tokens", None, 128), ("4k", "input_tokens", None, 4096), ("3.5K", "input_tokens", None, 3500),
    ("57 ms^2", "e2e.var", None, 57e-6), ("0.057", "e2e.var", read_unit("s"), 0.057), ("57", "e2e.var", MS, 57e-6), ("12 (ms)", "ttft", None, 0.012),
])
def test_a_unit_in_the_cell_goes_before_that_of_the_heading(cell, figure, unit, value):
    assert interval(cell, figure, unit)[1] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("cell", "why"), [
    ("", "no number"), ("-", "no number"), ("—", "no number"), ("N/A", "no number"), ("无", "no number"), ("inf", "no number"), ("①", "no number"),
    ("OOM", "out of memory"), ("显存不足", "out of memory"), ("<100", "bound"), (">= 60", "bound"), ("≥60", "bound"), ("超过 60", "bound"), ("60+", "bound"),
    ("up to 60", "bound"), ("+15%", "sign"), ("-12", "sign"), ("−12", "sign"), ("2.15x", "ratio"), ("2.15 倍", "ratio"), ("2.15×", "ratio"),
    ("12.3 / 14.5", "not understood"), ("12:30", "can be read"), ("1.2.3", "can be read"), ("2024-05", "can be read"), ("12,345,6", "can be read"),
    ("10-8", "range"), ("5 ±", "spread"), ("12 ms", "not a unit of throughput"), ("12 GB", "not a unit"), ("63 tok/s/req", "not a unit"),
    ("63 tok/s/gpu", "not a unit"), ("98%", "not a unit"), ("12 apples", "not understood"), ("P99 12", "does not begin"), ("9" * 41, "can be read"),
    ("1e9999", "too large"), ("1e99999", "can be read"), ("1e300", "too large"), ("٣", "does not begin"), ("007", "can be read"),
])
def test_what_is_not_a_figure_says_why(cell, why):
    reading = read_figure(cell, "throughput", RATE)
    assert reading.figure is None
    assert why in str(reading.note)


def test_a_megabyte_of_digits_is_refused_at_once():
    assert "too long" in str(read_figure("9" * 1_000_000, "throughput", RATE).note)


def test_without_any_unit_only_a_count_is_read():
    assert read_figure("68.27", "ttft").figure is None
    assert "no unit" in str(read_figure("68.27", "ttft").note)
    assert interval("8", "batch_size", None) == (7.5, 8, 8.5)
    assert read_figure("1,5", "batch_size").figure is None  # two batches, or a comma: a batch has no half


def test_a_remark_with_the_same_number_is_checked():
    assert read_figure("68.27 ms (0.068 s)", "ttft") == CellReading(read_figure("68.27 ms (0.068 s)", "ttft").figure, None)
    odd = read_figure("68.27 ms (0.68 s)", "ttft")
    assert odd.figure.value == 0.06827
    assert "differ" in str(odd.note)


def test_what_a_doubtful_unit_was_read_as_is_said():
    reading = read_figure("14.8G", "peak_memory")
    assert (reading.figure.value, "1e+9 bytes" in str(reading.note)) == (14.8e9, True)
    length = read_figure("4k", "output_tokens")
    assert (length.figure.low, length.figure.value, length.figure.high) == (4000, 4096, 4096)
    assert "1024" in str(length.note)


decimals = st.integers(0, 6)
values = st.floats(1e-3, 1e9, allow_nan=False)


@given(values, decimals, st.sampled_from(["{}", "{} tok/s", "{}(最优)", "**{}**", "~{}", "{} ± 0.1", " {} "]))
def test_any_value_printed_to_any_decimals_is_inside_what_is_read(value, places, pattern):
    low, _, high = interval(pattern.format(f"{value:.{places}f}"))
    assert low <= value * (1 + 1e-12)
    assert value <= high * (1 + 1e-12)


@given(values, st.integers(0, 8))
def test_any_value_in_scientific_or_grouped_print_is_inside_what_is_read(value, places):
    for printed in (f"{value:.{places}e}", f"{value:,.{places}f}", f"{value:.{places}e}".replace("e+", "×10^").replace("e-", "×10^-")):
        low, _, high = interval(printed)
        assert low <= value * (1 + 1e-12)
        assert value <= high * (1 + 1e-12)


@given(st.integers(0, 10**12), st.integers(0, 9))
def test_a_strict_reading_is_one_unit_of_the_last_place_wide(digits, places):
    number = Decimal(digits).scaleb(-places)
    low, value, high = interval(f"{number:f}")
    assert value == float(number)
    width = 10.0 ** -places
    assert high - value == pytest.approx(width / 2, rel=1e-3, abs=1e-15 * max(value, 1))
    assert low == pytest.approx(max(value - width / 2, 0), rel=1e-9, abs=1e-12)


@given(st.floats(1e-3, 1e3), st.sampled_from(["ns", "us", "µs", "ms", "s", "秒", "毫秒", "min", "minutes", "小时", "h"]))
def test_units_of_time_make_a_round_trip(seconds, name):
    factor = float(read_unit(name).factor)
    low, _, high = interval(f"{seconds / factor:.9g} {name}".replace("e+", "e"), "e2e", None)
    assert low <= seconds * (1 + 1e-8)
    assert seconds <= high * (1 + 1e-8)


@pytest.mark.parametrize(("text", "dimension", "factor", "each"), [
    ("tokens/s", "tokens/s", 1, ""), ("tokens / 秒", "tokens/s", 1, ""), ("tok/s/req", "tokens/s", 1, "request"), ("token/s/req", "tokens/s", 1, "request"),
    ("tokens/sec/user", "tokens/s", 1, "request"), ("tokens per second", "tokens/s", 1, ""), ("t/s", "tokens/s", 1, ""), ("TPS", "tokens/s", 1, ""),
    ("Tokens/s/卡", "tokens/s", 1, "device"), ("tokens/min", "tokens/s", 1 / 60, ""), ("req/s", "requests/s", 1, ""), ("次/秒", "requests/s", 1, ""),
    ("QPS", "requests/s", 1, ""), ("rpm", "requests/s", 1 / 60, ""), ("万tokens/s", "tokens/s", 1e4, ""), ("ms", "s", 1e-3, ""), ("μs", "s", 1e-6, ""),
    ("ms/token", "s", 1e-3, "token"), ("s²", "s²", 1, ""), ("ms^2", "s²", 1e-3, ""), ("GB", "B", 1e9, ""), ("GiB", "B", 2**30, ""), ("MiB", "B", 2**20, ""),
    ("%", "1", 0.01, ""), ("tokens/req", "tokens", 1, "request"), ("个", "", 1, ""), ("小时", "s", 3600, ""),
])
def test_units_as_people_write_them(text, dimension, factor, each):
    unit = read_unit(text)
    assert (unit.dimension, float(unit.factor), unit.each) == (dimension, pytest.approx(factor), each)


@pytest.mark.parametrize("text", ["", "/", "/s", "字/秒", "chars/s", "GB/s", "W", "t", "k", "tokens/s/req/gpu", "s/s", "m/s", "x", "ms ms", "a" * 1000, "每"])
def test_what_is_no_unit_of_ours_is_none(text):
    assert read_unit(text) is None


@given(st.text(max_size=300), st.sampled_from(sorted(FIGURE_UNITS)))
def test_any_text_is_a_figure_or_a_reason(text, figure):
    reading = read_figure(text, figure)
    assert (reading.figure is None) <= (reading.note is not None)
    if reading.figure:
        assert 0 <= reading.figure.low <= reading.figure.value <= reading.figure.high < 1e18
    assert is_number(text) in {True, False}


@given(st.from_regex(re.compile(r"[~≈<>]?[0-9 ,.'’ekKM万亿±×^~\-–()%/ a-z]{0,60}")))
def test_any_mixture_of_what_numbers_are_made_of_is_a_figure_or_a_reason(text):
    for figure, unit in (("throughput", RATE), ("ttft", None), ("input_tokens", None)):
        reading = read_figure(text, figure, unit)
        assert (reading.figure is None) <= (reading.note is not None)


def test_text_is_made_plain_and_harmless():
    assert as_typed("１２８　tokens／秒\x1b[31m\x00") == "128 tokens/秒 [31m"
    assert "\x1b" not in str(read_figure("\x1b[31m1.5", "ttft").note)
