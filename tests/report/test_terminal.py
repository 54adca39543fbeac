"""Lines on a terminal: as wide as it is, nothing lost, Chinese broken where Chinese is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from touchstone.report.terminal import Screen

MIXED = st.text(alphabet="ab0 -/中文设备（）《》，。：；%\n\t…é\u0301", max_size=200)


def wrapped(monkeypatch, text, width, hang=0):
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen()
    screen.line(text, hang)
    return screen.text().splitlines()


@given(text=MIXED, width=st.integers(10, 60), hang=st.integers(0, 6))
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(text, width, hang):
    with pytest.MonkeyPatch.context() as patch:
        lines = wrapped(patch, text, width, hang)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_chinese_fills_its_lines_and_parts_no_mark_from_its_word(monkeypatch):
    text = "解决办法：设置 ASCEND_LAUNCH_BLOCKING=1 运行一次，查出是哪个算子（切勿在此设置下测量），再试用更新的 CANN 和引擎，以及 --enforce-eager。"
    lines = wrapped(monkeypatch, text, 40, 4)
    assert lines == [
        "解决办法：设置 ASCEND_LAUNCH_BLOCKING=1", "    运行一次，查出是哪个算子（切勿在此设", "    置下测量），再试用更新的 CANN 和引", "    擎，以及 --enforce-eager。"]


@pytest.mark.parametrize("width", range(12, 60))
def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one(monkeypatch, width):
    lines = wrapped(monkeypatch, "设备上还有空闲显存时（共 90 %），调大该值；否则减小 batch（或长度），量化，或使用“更多”设备。" * 3, width, 2)
    assert not [line for line in lines if line.lstrip()[:1] in set("，。；）：”%") or line[-1:] in set("（“")]


def test_english_breaks_at_blanks_and_a_long_word_fills_its_lines(monkeypatch):
    assert wrapped(monkeypatch, "  one two three", 10, 4) == ["  one two", "    three"]
    assert wrapped(monkeypatch, "see " + "x" * 25, 12, 2) == ["see", "  xxxxxxxxxx", "  xxxxxxxxxx", "  xxxxx"]
    assert wrapped(monkeypatch, "one two three", 8) == ["one two", "three"]
