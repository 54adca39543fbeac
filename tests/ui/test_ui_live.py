"""Following a run: whatever becomes of the file, every event is heard once, and readers do not disturb each other."""

from __future__ import annotations

import json
import os
import threading

import pytest
from compared_runs import engine_run, save_engine_run
from hypothesis import given
from hypothesis import strategies as st

from touchstone.ui.live import Follower, LiveState

START = {"v": 1, "ts": "2026-11-21T18:00:00.000+00:00", "run_id": "x", "event": "run.start", "kind": "run", "plan": "quick", "model": "tiny", "resumed": False,
         "cases": [{"case": "short", "repeats": 5}]}
TRIAL = {"v": 1, "ts": "2026-11-21T18:00:01.000+00:00", "run_id": "x", "event": "trial", "case": "short", "phase": "measured", "index": 0, "status": "ok",
         "progress": 0.25}
END = {"v": 1, "ts": "2026-11-21T18:00:02.000+00:00", "run_id": "x", "event": "run.end", "status": "complete", "exit_code": 0, "error": None}


def lines(*events):
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def heard(follower):
    while follower.advance():
        pass
    return follower.state


@given(st.lists(st.integers(1, 400), max_size=20))
def test_however_the_bytes_come_every_event_is_heard_once(tmp_path_factory, cuts):
    path = tmp_path_factory.mktemp("live") / "events.jsonl"
    content, follower, at = lines(START, TRIAL, TRIAL, END), Follower(path), 0
    assert follower.advance() is False  # there is no file yet
    with path.open("wb", buffering=0) as file:
        for cut in (*cuts, len(content)):
            file.write(content[at:at + cut])
            at += cut
            follower.advance()
    state = heard(follower)
    assert (state.cases["short"].done, state.cases["short"].of, state.progress, state.ended) == (2, 5, 0.25, "complete")


def test_a_file_that_is_cut_or_replaced_is_read_again_from_its_beginning(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(START, TRIAL, TRIAL))
    follower = Follower(path)
    assert heard(follower).cases["short"].done == 2
    path.write_bytes(lines(START, TRIAL))  # cut
    assert heard(follower).cases["short"].done == 1
    path.replace(tmp_path / "events.jsonl.1")
    assert heard(follower).cases["short"].done == 1
    path.write_bytes(lines(START, TRIAL, TRIAL, TRIAL, END))  # another file in its place
    assert (heard(follower).cases["short"].done, follower.state.ended) == (3, "complete")


def test_a_run_that_is_resumed_goes_on_where_it_was():
    state = LiveState()
    for event in (START, TRIAL, {**END, "status": "interrupted"}, {**START, "resumed": True}, TRIAL):
        state.hear(event)
    assert (state.cases["short"].done, state.ended) == (2, "")
    state.hear(START)
    assert state.cases["short"].done == 0


def test_a_load_counts_its_requests_and_a_failure_is_one():
    state = LiveState()
    for event in ({**START, "kind": "load"}, {"event": "stage.start", "stage": "measuring", "case": "c8", "requests": 64},
                  {"event": "sample", "case": "c8", "sent": 20, "ended": 12, "failed": 2, "in_flight": 8}, {**TRIAL, "case": "other", "status": "error"}):
        state.hear(event)
    one = state.cases["c8"]
    assert (one.done, one.of, one.failed, one.in_flight, state.stage) == (12, 64, 2, 8, "measuring")
    assert state.cases["other"].failed == 1


JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.text(max_size=5), inner, max_size=3), max_leaves=8)
NAMES = st.sampled_from(["event", "ts", "case", "cases", "progress", "status", "stage", "requests", "reasons", "trust", "message", "ended", "failed", "kind"])


@given(st.lists(st.dictionaries(NAMES, JUNK | st.sampled_from(["run.start", "stage.start", "trial", "sample", "warning", "verdict", "run.end", "measuring"])), max_size=12))
def test_no_event_can_break_the_state(events):
    state = LiveState()
    for event in events:
        state.hear(event)
    assert state.progress is None or 0 <= state.progress <= 1
    assert len(state.cases) <= 64


def test_junk_between_the_lines_and_a_line_without_end_are_left_out(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(START) + b"\x00\xff\n[1]\n\n" + b"[" * 100_000 + b"\n" + b"x" * (3 << 20) + b"\n" + lines(TRIAL))
    follower = Follower(path)
    assert heard(follower).cases["short"].done == 1
    with path.open("ab") as file:
        file.write(b"y" * (9 << 20))
    heard(follower)
    assert len(follower._rest) <= 5 << 20
    with path.open("ab") as file:
        file.write(b"\n" + lines(END))
    assert heard(follower).ended == "complete"


def test_a_run_that_went_silent_is_said_to_be_and_one_that_ended_is_not(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(START))
    follower = Follower(path)
    heard(follower)
    assert follower.silent is False
    os.utime(path, ns=(1, 1))
    assert follower.silent is True
    path.write_bytes(lines(START, END))
    os.utime(path, ns=(1, 1))
    heard(follower)
    assert follower.silent is False


@pytest.fixture
def run(tmp_path):
    return save_engine_run(engine_run(launches=1, status="running"), tmp_path / "runs" / "now")


def followed(client, key, seen, arrived):
    with client.stream("GET", f"/runs/{key}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            seen.append(line)
            arrived.set()


def test_two_readers_follow_one_run_to_its_end(run):
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    from ui_server import browsing

    events = run / "events.jsonl"
    with browsing(run.parent) as (client, _):
        key = client.get("/").text.partition('name="old" value="')[2][:12]
        assert "has written no events yet" in client.get(f"/runs/{key}/live").text
        events.write_bytes(lines(START, {**TRIAL, "case": "<img src=x onerror=alert(1)>\x1b"}))
        page = client.get(f"/runs/{key}/live").text
        assert '<meta http-equiv="refresh"' in page  # for whoever has no JavaScript
        assert "&lt;img" in page
        assert "<img" not in page
        readers, seen, arrived = [], ([], []), (threading.Event(), threading.Event())
        for place in range(2):
            readers.append(threading.Thread(target=followed, args=(client, key, seen[place], arrived[place])))
            readers[-1].start()
        assert all(one.wait(30) for one in arrived)
        with events.open("ab") as file:
            file.write(lines(TRIAL, {"event": "warning", "case": None, "message": "the disk is full"}, {"event": "verdict", "case": None, "trust": "suspect", "reasons": []}, END))
        for reader in readers:
            reader.join(30)
            assert not reader.is_alive()
        for lines_seen in seen:
            said = "\n".join(lines_seen)
            assert "the disk is full" in said
            assert "SUSPECT" in said
            assert "<img" not in said
            assert [line for line in lines_seen if line.startswith("event:")][-1] == "event: end"


def test_the_end_of_the_pages_ends_what_follows_a_run_that_never_ends(run):
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    from ui_server import browsing

    (run / "events.jsonl").write_bytes(lines(START))
    seen, arrived = [], threading.Event()
    with browsing(run.parent) as (client, process):
        key = client.get("/").text.partition('name="old" value="')[2][:12]
        reader = threading.Thread(target=followed, args=(client, key, seen, arrived))
        reader.start()
        assert arrived.wait(30)
        process.terminate()
        reader.join(20)
        assert not reader.is_alive()
        process.wait(20)
