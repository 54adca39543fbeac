"""The line that is written over: never so long that a terminal goes on to the next, which could not be written over."""

from __future__ import annotations

import io
import os

import pytest
from rich.cells import cell_len

from touchstone.cli.live_line import LiveLine


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


@pytest.mark.parametrize(("columns", "most"), [(60, 59), (79, 78), (200, 78), (2, 1)])
def test_a_live_line_is_shorter_than_its_terminal(monkeypatch, columns, most):
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((columns, 24)))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    LiveLine("auto", stream).show("已下载 ab" * 40)
    assert most - 1 <= cell_len(stream.getvalue().removeprefix("\r\x1b[2K")) <= most


def test_what_is_no_terminal_has_the_usual_room():
    stream = io.StringIO()
    LiveLine("rich", stream).show("x" * 200)
    assert stream.getvalue() == "\r\x1b[2K" + "x" * 78
