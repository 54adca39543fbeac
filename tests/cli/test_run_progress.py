"""What a run shows while it goes on."""

import io

import pytest

from touchstone.cli import progress
from touchstone.cli.progress import Progress
from touchstone.message import say
from touchstone.plan import load_plan


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(*events, stream=None, ui="auto"):
    stream = stream or io.StringIO()
    face = Progress(load_plan("quick"), str, ui, stream)
    for kind, event in events:
        face(kind, event)
    return stream.getvalue()


def waiting(waited_s, says):
    return "server", {"waited_s": waited_s, "says": says}


@pytest.fixture(autouse=True)
def terminal_type(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def test_on_a_terminal_the_seconds_and_the_servers_last_line_are_written_over():
    text = shown(waiting(1.2, ""), waiting(61.7, "Loading \x1b[2Jshard 3 of 8 " + "x" * 300), stream=Terminal())
    first, second = text.split("\r\x1b[2K")[1:]
    assert first == "waiting for the server, 1 s"
    assert second.startswith("waiting for the server, 62 s · Loading")
    assert "shard 3 of 8" in second
    assert "\x1b" not in second
    assert len(second) <= 78


def test_elsewhere_a_short_wait_is_silent_and_a_long_one_is_said_now_and_then(monkeypatch):
    clock = iter(range(0, 60_000_000_000, 2_000_000_000))
    monkeypatch.setattr(progress, "now_ns", lambda: next(clock))
    text = shown(("environment", {"launch": 0}), *(waiting(2 * one, f"line {one}") for one in range(1, 8)))
    assert text.splitlines() == ["launch 1 of 1: loading", "waiting for the server, 12 s · line 6"]


def test_nothing_is_shown_where_nothing_is_wanted():
    assert shown(("environment", {"launch": 0}), waiting(99, "x"), ui="none", stream=Terminal()) == ""


def test_a_lost_process_is_said_with_how_it_was_lost():
    assert "case pair (signal SIGSEGV)" in shown(("crash", {"case": "pair", "how": say("signal {name}", name="SIGSEGV")}))
