"""Progress of a load test: lines that stay, a live line that fits, and silence where it is asked for."""

import io

import pytest
from rich.cells import cell_len

from touchstone.cli.load_progress import LoadProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def played(ui, stream, translate=str, **point):
    progress = LoadProgress(translate, ui, stream)
    progress("calibration", {"load": "c8"})
    progress("calibrated", {"floor_s": 0.0000123})
    progress("point", {"case": "c8", "repeat": 0, "requests": 100, "duration_s": None, **point})
    progress._said_ns = -(1 << 60)  # long ago
    progress("counts", {"sent": 50, "ended": 42, "failed": 1})
    progress.close()
    return stream.getvalue()


@pytest.mark.parametrize("ui", ["auto", "plain", "simple"])
def test_lines_are_plain_where_there_is_no_terminal(ui):
    said = played(ui, io.StringIO()).splitlines()
    assert said[0] == "measuring the client's own error at c8"
    assert said[1] == "measurement floor: TTFT ± 0.012 ms"
    assert said[2].startswith("c8: 42 of 100 answered, 8 under way, 1 failed, 0 s")


@pytest.mark.parametrize(("ui", "stream"), [("auto", Terminal), ("rich", io.StringIO), ("dashboard", io.StringIO)])
def test_a_terminal_has_one_line_that_is_written_over_and_removed(ui, stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    said = played(ui, stream())
    assert "\r\x1b[2Kc8: 42 of 100" in said
    assert said.endswith("\r\x1b[2K")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in played("auto", Terminal())


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_none_is_silent(stream):
    assert played("none", stream()) == ""


def test_a_line_of_wide_characters_fits_too():
    said = played("rich", io.StringIO(), translate=lambda text: text.replace("answered", "已回答" * 20))
    live = [line for line in said.split("\r\x1b[2K") if line.startswith("c8: 42")]
    assert live
    assert all(cell_len(line) <= 78 for line in live)


def test_a_load_for_a_time_does_not_count_down_requests_that_are_only_prepared():
    said = played("plain", io.StringIO(), duration_s=60.0, repeat=1)
    assert "c8 #2: 42 answered" in said
    assert "100" not in said


def test_a_floor_that_is_unknown_has_its_reason():
    stream = io.StringIO()
    LoadProgress(str, "plain", stream)("calibrated", {"reason": "no server"})
    assert stream.getvalue() == "the client's own error could not be measured: no server\n"
