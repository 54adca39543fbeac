"""Progress of a load test: lines that stay, a live display that fits, and silence where it is asked for."""

import io

import pytest
from rich.cells import cell_len
from test_run_progress import last_screen

from touchstone.cli.course import LoadCourse
from touchstone.cli.load_progress import LoadProgress
from touchstone.load_plan import Length, Load, LoadPlan, Workload

S = 10**9


class Terminal(io.StringIO):
    def isatty(self):
        return True


def plan(*loads, **settings):
    return LoadPlan(workload=Workload(input_len=Length(mean=8), output_len=Length(mean=8)), loads=tuple(Load(concurrency=one) for one in loads),
                    **{"num_prompts": 100, **settings})


def played(ui, stream, translate=str, of=None, **point):
    progress = LoadProgress(LoadCourse(of), [] if of is None else [load.label for load in of.loads], translate, ui, stream)
    progress.hear("start", {}, S)
    progress.hear("calibration", {"load": "c8"}, S)
    progress.hear("calibrated", {"floor_s": 0.0000123}, 3 * S)
    progress.hear("point", {"case": "c8", "repeat": 0, "requests": 100, "duration_s": None, **point}, 3 * S)
    progress.hear("counts", {"sent": 34, "ended": 26, "failed": 0}, 10 * S)
    progress.hear("counts", {"sent": 50, "ended": 42, "failed": 1}, 14 * S)
    return progress


def said(*arguments, **settings):
    ui, stream = arguments[:2]
    played(ui, stream, *arguments[2:], **settings).close()
    return stream.getvalue()


@pytest.mark.parametrize("ui", ["auto", "plain", "simple"])
def test_lines_are_plain_where_there_is_no_terminal(ui):
    lines = said(ui, io.StringIO()).splitlines()
    assert lines == ["measuring the client's own error at c8", "measurement floor: TTFT ± 0.012 ms",
                     "c8: 42 of 100 answered, 8 under way, 1 failed, 11 s, about 15 s left"]


@pytest.mark.parametrize(("ui", "stream"), [("auto", Terminal), ("rich", io.StringIO), ("dashboard", io.StringIO)])
def test_a_terminal_has_rows_that_are_written_over_and_removed(ui, stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = stream()
    progress = played(ui, terminal, of=plan(8, 16))
    screen = last_screen(terminal.getvalue())
    assert screen[0] == "13 s so far, about 49 s left"  # 21 % of two loads
    assert [line.replace(">", " ").split() for line in screen[2:]] == [
        ["c8", "measuring", "42/100", "1", "8", "4"], ["c16", "waiting", "0", "0", "0", "-"]]
    progress.close()
    assert last_screen(terminal.getvalue()) == []


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in said("auto", Terminal())


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_none_is_silent(stream):
    assert said("none", stream()) == ""


def test_rows_of_wide_characters_fit_too():
    terminal = io.StringIO()
    played("rich", terminal, translate=lambda text: "已回答" * 20 if text == "answered" else text)
    assert all(cell_len(line) <= 78 for line in last_screen(terminal.getvalue()))


def test_a_load_for_a_time_does_not_count_down_requests_that_are_only_prepared():
    text = said("plain", io.StringIO(), duration_s=60.0, repeat=1)
    assert "c8 #2: 42 answered" in text
    assert "about 49 s left" in text
    assert "100" not in text


def test_a_search_whose_end_nobody_knows_says_what_is_left_of_its_load():
    terminal = io.StringIO()
    played("rich", terminal)
    assert last_screen(terminal.getvalue())[0] == "13 s so far, about 15 s left"


def test_repeats_of_a_load_are_one_row():
    terminal = io.StringIO()
    progress = played("rich", terminal, of=plan(8, repeats=2))
    progress.hear("played", {"case": "c8", "repeat": 0}, 20 * S)
    progress.hear("point", {"case": "c8", "repeat": 1, "requests": 100, "duration_s": None}, 21 * S)
    progress.hear("counts", {"sent": 20, "ended": 8, "failed": 2}, 22 * S)
    assert last_screen(terminal.getvalue())[-1].replace(">", "").split() == ["c8", "measuring", "50/200", "3", "12", "4"]


def test_a_floor_that_is_unknown_has_its_reason():
    stream = io.StringIO()
    LoadProgress(LoadCourse(None), [], str, "plain", stream).hear("calibrated", {"reason": "no server"}, S)
    assert stream.getvalue() == "the client's own error could not be measured: no server\n"
