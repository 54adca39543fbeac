"""Whatever is pasted: tables or none, and a DataError for nothing at all; never another error, and never minutes."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.judge.claims.grid import LONGEST_CELL, MOST_CELLS, MOST_COLUMNS, MOST_ROWS
from touchstone.judge.claims.text_sheets import LONGEST_TEXT, decode, read_document

NAMES = st.sampled_from(["x", "x.md", "x.txt", "x.csv", "x.tsv", "x.html"])
PIECES = st.sampled_from([
    "|", "| a ", "| 1 |\n", "\n", "|---|---|\n", "---|\n", "a |\n", "+--+--+\n", "-- --\n", "│", "┏━┳━┓\n", "｜", "\\|", "`", "**", "[x](y)", "&lt;", "&#99999999999;",
    "<table>", "</table>", "<tr>", "<td>", "<td colspan=99 rowspan=99>", "<th>", "</td>", "<!--", "-->", "<script>", "</script>", "<caption>", "<html>",
    ",", ";", "\t", '"', "#", "1", "12.5", "-", "OOM", "TTFT (ms)", "吞吐量(tokens/s)", "指标", "值", "P99", "模型", "ttft: 5\n", "---\n", "a: b\n", "\x00", "\x1b[0m",
    "\r", "\r\n", "\u2028", "> ", "```\n", " ", "  ", "\ud800", "= ", "==== ====\n", "x" * 1500, "| 1 | 2 | 3 |\n" * 5, "1,2\n" * 5, "&#" + "9" * 5000])


def check(text, name):
    try:
        document = read_document(text, name)
    except DataError:
        assert not re.sub("\x1b\\[[0-9;?]*[A-Za-z]|[\x00\u200b-\u200d\u2060\ufeff]", "", text).strip()
        return
    for sheet in document.sheets:
        width = len(sheet.heading)
        assert 1 <= width <= MOST_COLUMNS + 1
        assert 1 <= len(sheet.rows) <= MOST_ROWS
        assert all(len(row) == width for row in sheet.rows)
        assert all(len(cell) <= LONGEST_CELL for row in sheet.rows for cell in row)
        assert 1 <= sheet.line <= document.prose.count("\n") + 1
        assert all(map(str, (*sheet.notes, *sheet.left_out)))
    assert all(map(str, document.left_out))
    if len(text) <= LONGEST_TEXT:
        assert document.prose.count("\n") == text.replace("\r\n", "\n").replace("\r", "\n").count("\n")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), NAMES)
def test_any_text(text, name):
    check(text, name)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=40).map("".join), NAMES)
def test_any_ruin_of_a_table(text, name):
    check(text, name)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), NAMES)
def test_any_bytes(content, name):
    check(decode(content), name)


@pytest.mark.parametrize("piece", [
    "<a ", "<table>", "<table><tr><td>", "<!--", "|", "|\n", "a|b\n-|-\n", "---|\n", "a |\n---|\n", "<", "&#", "*a ", "[", "`", '"', '","\n', "a,\n\n", "\t",
    "+-+\n", "-- --\n", "-- ", "ttft: 1\n", "\n", "\x1b[", "━", "｜a｜\n", "<tr><td rowspan=99999 colspan=200>x", "> ", "  ",
    "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n\nx\n",
])
@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.html"])
def test_a_megabyte_of_one_thing_ends(piece, name):
    check(piece * (400_000 // len(piece)), name)  # a quadratic reader takes minutes here, not a fraction of a second


def test_nesting_ten_thousand_deep_ends():
    check("<table><tr><td>" * 10_000 + "1" + "</td></tr></table>" * 10_000, "x.html")
    check("---\na: " + "{b: " * 4000 + "\n---\n", "x.md")
    check("> " * 10_000 + "| a |", "x.md")


def test_a_large_rectangle_stays_within_its_cells():
    document = read_document("|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n" + "|1\n" * 200_000, "x.md")
    assert sum(len(sheet.heading) * len(sheet.rows) for sheet in document.sheets) <= MOST_CELLS
