"""Lines that are written over: never so long that a terminal goes on to the next, and gone without a trace."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from touchstone.cli.live_line import LiveLine
from touchstone.cli.live_table import Row, table_lines


class Terminal(io.StringIO):
    """A terminal that can be resized, and knows where what is written to it ends up: enough of one for what a live line writes."""

    def __init__(self, columns=80, lines=24):
        super().__init__()
        self.columns, self.lines = columns, lines

    def isatty(self):
        return True

    def fileno(self):
        return 2

    def rows(self):
        """What stands on it, line by line, after a narrower terminal has broken what was too long."""
        rows, at = [""], 0
        text = self.getvalue()
        while text:
            if text.startswith("\x1b["):
                code = next(place for place, one in enumerate(text[2:], 2) if one.isalpha())
                if text[code] == "A":
                    at = max(0, at - int(text[2:code]))
                elif text[code] == "K":
                    rows[at] = ""
                elif text[code] == "J":
                    del rows[at + 1:]
                    rows[at] = ""
                text = text[code + 1:]
                continue
            one, text = text[0], text[1:]
            if one == "\n":
                at += 1
                rows += [""] * (at + 1 - len(rows))
            elif one != "\r":
                rows[at] += one
        return rows


@pytest.fixture
def sized(monkeypatch):
    """A terminal whose size is asked of itself."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((terminal.columns, terminal.lines)))
    return terminal


@pytest.mark.parametrize(("columns", "most"), [(60, 59), (79, 78), (200, 78), (2, 1)])
def test_a_live_line_is_shorter_than_its_terminal(sized, columns, most):
    sized.columns = columns
    LiveLine("auto", sized).show("已下载 ab" * 40)
    assert most - 1 <= cell_len(sized.getvalue().removeprefix("\r\x1b[2K")) <= most


def test_what_is_no_terminal_has_the_usual_room():
    stream = io.StringIO()
    LiveLine("rich", stream).show("x" * 200)
    assert stream.getvalue() == "\r\x1b[2K" + "x" * 78


def test_several_lines_are_written_over_and_removed(sized):
    line = LiveLine("auto", sized)
    line.show_all(["one", "two", "three"], 70)
    assert sized.rows() == ["one", "two", "three"]
    line.show_all(["four", "five"], 70)
    assert sized.rows() == ["four", "five"]
    line.say("this stays")
    assert sized.rows() == ["this stays", "four", "five"]
    line.close()
    assert sized.rows() == ["this stays", ""]


def test_a_terminal_that_became_narrower_has_broken_the_lines_and_is_left_clean(sized):
    line = LiveLine("auto", sized)
    line.show_all(["x" * 70, "y" * 70], 77)
    sized.truncate(0)
    sized.seek(0)
    sized.write("\n".join(["x" * 40, "x" * 30, "y" * 40, "y" * 30]))  # what a terminal of 40 columns makes of them
    sized.columns = 40
    line.show_all(["z"], line.room()[0])
    assert sized.rows() == ["z"]


def test_an_encoding_of_few_letters_is_no_error():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    LiveLine("plain", stream).say("TTFT ± 0.1 ms · 首 ✓ → ≤")
    stream.seek(0)
    assert stream.read() == "TTFT +- 0.1 ms | ? + -> <=\n"


ROWS = st.lists(st.builds(Row, st.text(alphabet="ab-首长 ", min_size=1, max_size=40), st.tuples(*[st.text(alphabet="19/测", max_size=12)] * 3), st.booleans()),
                max_size=30)


@given(rows=ROWS, room=st.tuples(st.integers(1, 130), st.integers(1, 40)))
def test_a_table_keeps_to_its_room_and_shows_what_is_played(rows, room):
    lines = table_lines(["phase", "trials", "失败"], rows, room)
    assert len(lines) <= room[1]
    if room[0] >= 12:
        assert all(cell_len(line) <= room[0] for line in lines)
    played = [row for row in rows if row.now]
    if played and room[1] >= 2:
        assert any(line.startswith(">") for line in lines)


def test_the_first_columns_are_kept_longest():
    rows = [Row("batch-8", ("measuring", "3/10", "1,234"), now=True), Row("long", ("waiting", "0/10", "-"))]
    assert table_lines(["phase", "trials", "tokens/s"], rows, (60, 9)) == [
        "               phase  trials  tokens/s", "> batch-8  measuring    3/10     1,234", "  long       waiting    0/10         -"]
    assert table_lines(["phase", "trials", "tokens/s"], rows, (24, 9)) == [
        "               phase", "> batch-8  measuring", "  long       waiting"]
