"""What a run shows while it goes on."""

import io

import pytest
from rich.cells import cell_len

from touchstone.cli.progress import Progress
from touchstone.message import say
from touchstone.plan import load_plan

S = 10**9


class Terminal(io.StringIO):
    def isatty(self):
        return True


def hearing(events, stream, ui="auto", translate=str, period_ns=S // 2):
    face = Progress(load_plan("quick"), translate, ui, stream)
    for place, (kind, event) in enumerate(events):
        face.hear(kind, event, S + place * period_ns)
    return face


def shown(*events, stream=None, **settings):
    stream = stream or io.StringIO()
    hearing(events, stream, **settings)
    return stream.getvalue()


def waiting(waited_s, says):
    return "server", {"waited_s": waited_s, "says": says}


def trial(case, index, phase="measured"):
    return "trial", {"case": case, "phase": phase, "index": index}


def played(case, tokens=64, status="ok", phase="measured"):
    return "played", {"case": case, "phase": phase, "index": 0, "status": status, "elapsed_s": 0.5, "output_tokens": tokens}


BEGUN = (("start", {}), ("environment", {"launch": 0}))


def last_screen(text):
    """What stood on the terminal last: the display that was written after the last erasure."""
    return text.replace("\r\x1b[J", "\r\x1b[2K").split("\r\x1b[2K")[-1].split("\x1b[")[0].splitlines()


@pytest.fixture(autouse=True)
def terminal_type(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def test_on_a_terminal_the_seconds_and_the_servers_last_line_are_written_over():
    first = last_screen(shown(*BEGUN, waiting(1.2, ""), stream=Terminal()))
    assert first[0] == "waiting for the server, 1 s"
    second = last_screen(shown(*BEGUN, waiting(1.2, ""), waiting(61.7, "Loading \x1b[2Jshard 3 of 8 " + "x" * 300), stream=Terminal()))
    assert second[0].startswith("waiting for the server, 62 s · Loading")
    assert "shard 3 of 8" in second[0]
    assert all(cell_len(line) <= 78 for line in second)


def test_each_case_has_a_row_with_what_it_gave_so_far():
    screen = last_screen(shown(
        *BEGUN, trial("short", 0), played("short"), trial("short", 1), played("short", 36), trial("batch-4", 0), played("batch-4", status="error"),
        trial("batch-4", 1), stream=Terminal()))
    assert screen[0].startswith("launch 1 of 1 · ")
    assert screen[0].endswith(" s left")
    rows = {line.replace(">", " ").split()[0]: line.replace(">", " ").split()[1:] for line in screen[2:]}
    assert rows == {"short": ["measuring", "2/5", "100", "0"], "long": ["waiting", "0/5", "-", "0"], "batch-4": ["measuring", "0/5", "-", "1"]}
    assert [line[0] for line in screen[2:]] == [" ", " ", ">"]


def test_where_nobody_counts_tokens_there_is_no_rate():
    screen = last_screen(shown(*BEGUN, trial("short", 0), played("short", None), trial("short", 1), stream=Terminal()))
    assert screen[2].split()[-2] == "-"


def test_warm_ups_count_as_work_and_not_as_results():
    screen = last_screen(shown(*BEGUN, trial("short", 0, "warmup"), played("short", phase="warmup"), trial("short", 1, "warmup"), stream=Terminal()))
    assert screen[2].split()[1:] == ["short", "warming", "up", "0/5", "-", "0"]
    assert "%" in screen[0]


def test_a_display_is_drawn_four_times_a_second_at_most():
    many = [trial("short", place) for place in range(1000)]
    assert shown(*BEGUN, *many, stream=Terminal(), period_ns=S // 1000).count("launch 1 of 1") <= 1 + 4


def test_elsewhere_a_short_wait_is_silent_and_a_long_one_is_said_now_and_then():
    text = shown(("environment", {"launch": 0}), *(waiting(2 * one, f"line {one}") for one in range(1, 8)), period_ns=2 * S)
    assert text.splitlines() == ["launch 1 of 1: loading", "waiting for the server, 12 s · line 6"]


def test_elsewhere_there_is_a_line_every_ten_seconds_and_nothing_that_moves_a_cursor():
    events = [one for place in range(10) for one in (trial(("short", "long")[place % 2], place), played("short"))]
    lines = shown(*BEGUN, *events, period_ns=3 * S).splitlines()
    assert lines[0] == "launch 1 of 1: loading"
    assert 3 <= len(lines) <= 7
    assert all(line.startswith("measuring ") for line in lines[1:])
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nothing_is_shown_where_nothing_is_wanted_but_the_answer_to_a_key(stream):
    text = shown(*BEGUN, waiting(99, "x"), ("warning", {"message": say("no disk")}), ("note", {"message": say("stopping now")}), ui="none", stream=stream())
    assert text == "stopping now\n"


def test_a_lost_process_and_a_case_that_does_not_fit_are_said():
    text = shown(*BEGUN, ("crash", {"case": "long", "how": say("signal {name}", name="SIGSEGV")}), ("refused", {"case": "short", "reason": "too large"}),
                 trial("batch-4", 0), stream=Terminal())
    assert "case long (signal SIGSEGV)" in text
    rows = {line.replace(">", " ").split()[0]: line for line in last_screen(text)[2:]}
    assert "failed" in rows["long"]
    assert "does not fit" in rows["short"]


def test_a_warning_stands_above_and_cannot_steer_the_terminal():
    text = shown(*BEGUN, ("warning", {"message": say("lost: {why}", why="\x1b[2Jdisk")}), stream=Terminal())
    assert "lost:  [2Jdisk\n" in text
