"""Events: every line keeps the schema, whatever becomes of the file, and no reader can hold up a measurement or end it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from importlib import resources

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_run import PLAN, until

from touchstone.cli import events
from touchstone.cli.audience import Audience
from touchstone.cli.course import LoadCourse, RunCourse
from touchstone.cli.events import Journal, Subject
from touchstone.cli.outlets import LineFile
from touchstone.load_plan import Length, Load, LoadPlan, Workload
from touchstone.message import say
from touchstone.plan import load_plan

SCHEMA = json.loads(resources.files("touchstone.report").joinpath("events.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KEY = "sk-0123456789-never-written"
S = 10**9


def read(path):
    """Every line of a file of events; each is whole, and keeps the schema."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    records = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    for record in records:
        VALIDATOR.validate(record)
    return records


def kinds(records):
    return [record["event"] for record in records]


# ── the contract ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_is_one_and_names_the_events_of_the_documentation():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    names = SCHEMA["properties"]["event"]["enum"]
    assert set(names) == set(SCHEMA["$defs"])
    assert names == re.findall(r"^((?:run|stage)\.\w+|trial|sample|warning|verdict) ", events.__doc__, re.MULTILINE)


GOOD = {"v": 1, "ts": "2026-11-20T12:00:00.000+00:00", "run_id": "a", "at_s": 0.5, "event": "warning", "code": "does-not-fit", "case": None, "message": "x"}


@pytest.mark.parametrize("spoil", [{"v": 2}, {"event": "party"}, {"ts": "yesterday"}, {"code": "No Code"}, {"at_s": -1}, {"secret": "x"}, {"case": 7}])
def test_the_schema_refuses(spoil):
    assert VALIDATOR.is_valid(GOOD)
    assert not VALIDATOR.is_valid(GOOD | spoil)


# ── what is heard and what is written ────────────────────────────────────────────────────────────────────────────────────────


class Kept:
    name = "kept"

    def __init__(self):
        self.records = []

    def put(self, record):
        VALIDATOR.validate(record)
        self.records.append(record)


@pytest.fixture
def kept():
    return Kept()


def subject(directory, course=None):
    return Subject("a1b2c3", directory, course or RunCourse(load_plan("quick")), {
        "kind": "run", "plan": "quick", "model": None, "resumed": False, "launches": 1, "cases": [{"case": "short", "repeats": 5}]})


def heard(directory, outlets, events_, course=None):
    journal = Journal(subject(directory, course), outlets)
    journal._began_ns = 0
    for at_ns, kind, event in events_:
        journal.hear(kind, event, at_ns)
    journal.close()
    return journal


def trial(case, phase, index=0):
    return "trial", {"launch": 0, "case": case, "phase": phase, "index": index}


def played(case, phase="measured", tokens=64, status="ok"):
    return "played", {"launch": 0, "case": case, "phase": phase, "index": 0, "status": status, "elapsed_s": 0.1, "output_tokens": tokens}


def test_a_run_is_its_stages_and_trials(tmp_path, kept):
    said = [("start", {}), ("environment", {"launch": 0, "environment": {"secret": "no"}}), trial("verify", "verify"), played("verify", "verify"),
            trial("short", "warmup"), played("short", "warmup"), trial("short", "warmup", 1), trial("short", "measured"), played("short"), trial("long", "measured"),
            played("long", tokens=None, status="killed"), ("crash", {"launch": 0, "case": "long", "how": say("signal {name}", name="SIGKILL")}),
            ("refused", {"launch": 0, "case": "huge", "reason": "too large"}), ("end", {"status": "complete", "exit_code": 0, "error": None})]
    heard(tmp_path, [kept], [(S * place, *one) for place, one in enumerate(said)])
    assert kinds(kept.records) == ["run.start", "stage.start", "stage.start", "trial", "stage.start", "trial", "stage.start", "trial", "trial", "warning",
                                   "warning", "run.end"]
    assert [one["stage"] for one in kept.records if one["event"] == "stage.start"] == ["loading", "verifying", "warming up", "measuring"]
    assert kept.records[9]["message"] == "the process was lost (signal SIGKILL); the case is left out"
    assert [one["at_s"] for one in kept.records] == sorted(one["at_s"] for one in kept.records)
    assert read(tmp_path / "events.jsonl") == kept.records
    assert "secret" not in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


def plan_of_loads():
    return LoadPlan(workload=Workload(input_len=Length(mean=8), output_len=Length(mean=8)), loads=(Load(concurrency=4), Load(concurrency=8)), num_prompts=10)


def test_a_load_is_sampled_once_a_second_and_at_its_end(tmp_path, kept):
    point = {"case": "c4", "repeat": 0, "requests": 10, "duration_s": None}
    counts = [(S + place * S // 5, "counts", {"sent": min(10, place + 2), "ended": min(10, place), "failed": place // 8}) for place in range(16)]
    heard(tmp_path, [kept], [
        (0, "start", {}), (1, "calibration", {"load": "c4"}), (2, "calibrated", {"reason": "none"}), (3, "preparing", point),
        (4, "warmup", {"case": "c4", "requests": 3}), (S, "point", point), *counts,
        (5 * S, "played", {"case": "c4", "repeat": 0, "elapsed_s": 3.0, "late_s": 0.001, "cpu_fraction": 0.2})], LoadCourse(plan_of_loads()))
    samples = [one for one in kept.records if "ended" in one]
    assert [one["ended"] for one in samples] == [0, 5, 10, 10, 10]
    assert samples[-1] | {"client_late_s": 0.001, "failed": 1, "in_flight": 0, "progress": 0.5} == samples[-1]
    assert [one["progress"] for one in samples] == [0.0, 0.25, 0.5, 0.5, 0.5]
    assert [one["stage"] for one in kept.records if one["event"] == "stage.start"] == ["calibrating", "preparing", "warming up", "measuring"]


def test_what_a_server_says_of_itself_is_not_written_down(tmp_path, kept):
    heard(tmp_path, [kept], [(0, "start", {}), (3 * S, "server", {"launch": 0, "waited_s": 3.0, "says": f"api_key={KEY}"})])
    assert kept.records[-1]["waited_s"] == 3.0
    assert KEY not in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


def test_nothing_is_written_of_a_run_that_never_began(tmp_path, kept):
    """Somebody else is playing it: its events are not ours."""
    heard(tmp_path, [kept], [(0, "end", {"status": "failed", "exit_code": 3, "error": "busy"})])
    assert kept.records == []
    assert not (tmp_path / "events.jsonl").exists()


@settings(max_examples=40)
@given(name=st.text(max_size=40), why=st.text(max_size=200))
def test_whatever_a_case_is_called_it_is_one_line(tmp_path_factory, name, why):
    directory = tmp_path_factory.mktemp("hostile")
    heard(directory, [], [(0, "start", {}), (1, *played(name)), (2, "refused", {"launch": 0, "case": name, "reason": why})])
    records = read(directory / "events.jsonl")
    assert [record.get("case") for record in records[1:]] == [name, name]
    assert (directory / "events.jsonl").read_text(encoding="utf-8").replace("\n", "").isprintable()


def test_a_line_that_a_killed_process_left_is_ended_first(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"v":1,"event":"tri')
    heard(tmp_path, [], [(0, "start", {})])
    torn, whole = path.read_text(encoding="utf-8").splitlines()
    assert torn == '{"v":1,"event":"tri'
    assert json.loads(whole)["event"] == "run.start"


def test_two_writers_never_tear_a_line(tmp_path):
    path = tmp_path / "both.jsonl"
    writers = [LineFile.at(path) for _ in range(2)]

    def write(one, number):
        for place in range(2000):
            one.put({"writer": number, "place": place, "text": "首" * (place % 50)})
    threads = [threading.Thread(target=write, args=(one, number)) for number, one in enumerate(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 4000
    for number in range(2):
        assert [line["place"] for line in lines if line["writer"] == number] == list(range(2000))


# ── listeners that fail ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Ear:
    """A listener that keeps what it hears, or does something worse."""

    period_s = None

    def __init__(self, do=None):
        self.heard, self.closed, self._do = [], False, do

    def hear(self, kind, event, at_ns):
        self.heard.append(kind)
        if self._do is not None:
            self._do(kind)

    def tick(self, at_ns):
        raise AssertionError

    def close(self):
        self.closed = True


def fail(kind):
    raise RuntimeError(kind)


def test_a_listener_that_fails_is_left_out_and_the_others_are_told():
    deaf, well = Ear(fail), Ear()
    with Audience([deaf, well]) as told:
        told("one", {})
        until(lambda: "warning" in well.heard)
        told("two", {})
    assert deaf.heard == ["one"]
    assert well.heard == ["one", "warning", "two"]
    assert well.closed


def test_whoever_tells_never_waits_for_a_listener():
    go_on, well = threading.Event(), Ear()
    slow = Ear(lambda kind: go_on.wait(60))
    with Audience([slow, well]) as told:
        for _ in range(10_000):
            told("one", {})
        until(lambda: len(well.heard) == 10_000)
        assert len(slow.heard) == 1
        go_on.set()
    assert len(slow.heard) == 10_000


def test_an_outlet_that_is_lost_is_said_once_and_the_others_go_on(tmp_path, kept):
    warned = []
    full = LineFile("/dev/full", os.open("/dev/full", os.O_WRONLY))
    journal = Journal(subject(tmp_path), [full, kept])
    journal.warn = lambda kind, event: warned.append(event["message"].render(str))
    for place, kind in enumerate(["start", "trial", "played", "played"]):
        event = {} if kind == "start" else trial("short", "measured")[1] if kind == "trial" else played("short")[1]
        journal.hear(kind, event, place)
    assert warned == ["no more events are written to /dev/full: No space left on device; the measurement goes on"]
    assert kinds(kept.records) == ["run.start", "stage.start", "trial", "trial"]


def test_a_run_whose_own_file_cannot_be_made_has_its_other_events(tmp_path, kept):
    (tmp_path / "events.jsonl").mkdir()
    warned = []
    journal = Journal(subject(tmp_path), [kept])
    journal.warn = lambda kind, event: warned.append(event["code"])
    journal.hear("start", {}, 0)
    assert (kinds(kept.records), warned) == (["run.start"], ["events-lost"])


# ── as a user has it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def test_the_events_of_a_run_go_to_its_directory_and_to_stdout_alone(touchstone, plan, tmp_path):
    done = touchstone("run", plan, "-m", "tiny", "-o", tmp_path / "run", "--events", "-")
    assert done.returncode == 0, done.stderr
    records = read(tmp_path / "run" / "events.jsonl")
    assert done.stdout == (tmp_path / "run" / "events.jsonl").read_text(encoding="utf-8")
    assert (tmp_path / "run" / "report.json").exists()
    assert (kinds(records)[0], kinds(records)[-1]) == ("run.start", "run.end")
    measured = [one for one in records if one["event"] == "trial" and one["phase"] == "measured"]
    assert sorted((one["case"], one["index"]) for one in measured) == [(case, index) for case in ("pair", "short") for index in range(3)]
    assert {one["output_tokens"] for one in measured} == {16, 32}
    shares = [one["progress"] for one in records if one["event"] == "trial"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    verdicts = {one["case"]: one["trust"] for one in records if one["event"] == "verdict"}
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert verdicts == {case["name"]: case["trust"] for case in report["cases"]} | {None: report["run"]["trust"]}


def test_the_events_of_a_load_agree_with_its_report_and_hold_no_key(touchstone, scripted, tmp_path):
    done = touchstone("load", "--base-url", scripted.base_url, "--concurrency", "2,4", "--repeat", 2, "--num-prompts", 20, "--input-len", 32, "--output-len", 4,
                      "--warmup", 2, "--no-calibrate", "--api-key", KEY, "--events", tmp_path / "more.jsonl", "-o", tmp_path / "run", "--slo", "ttft p50<=60s")
    assert done.returncode == 0, done.stderr
    records = read(tmp_path / "run" / "events.jsonl")
    assert records == read(tmp_path / "more.jsonl")
    ended = {(one["case"], one["repeat"]): one for one in records if one["event"] == "sample" and "client_late_s" in one}
    assert {key: (one["sent"], one["ended"], one["failed"], one["in_flight"]) for key, one in ended.items()} == {
        (case, repeat): (20, 20, 0, 0) for case in ("c2", "c4") for repeat in range(2)}
    assert KEY not in (tmp_path / "more.jsonl").read_text(encoding="utf-8")
    levels = [one["levels"] for one in records if one["event"] == "verdict" and one["case"] == "c2"]
    assert levels == [[{"level": "ttft p50<=60s", "outcome": "passes"}]]
    assert "report.html" in done.stdout


def test_a_search_has_events_too_and_does_not_know_how_far_it_is(touchstone, scripted, tmp_path):
    done = touchstone("search", "--base-url", scripted.base_url, "--slo", "ttft p50<=60s", "--most", 2, "--input-len", 32, "--output-len", 4, "--warmup", 0,
                      "--no-calibrate", "--ui", "none", "--events", "-", "-o", tmp_path / "run", "--fail-on", "slo,rejected")
    assert done.returncode in {0, 4}, done.stderr
    records = read(tmp_path / "run" / "events.jsonl")
    assert (records[0]["kind"], records[0]["cases"], records[-1]["exit_code"]) == ("search", [], done.returncode)
    assert {one["progress"] for one in records if one["event"] == "sample" and "progress" in one} == {None}
    assert done.stderr == ""


def test_ctrl_c_ends_the_events_with_interrupted(tmp_path):
    (tmp_path / "long.yaml").write_text(PLAN.replace("trials: 3", "trials: 4000"), encoding="utf-8")
    directory = tmp_path / "run"
    command = [sys.executable, "-m", "touchstone", "run", str(tmp_path / "long.yaml"), "-m", "tiny", "-o", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (directory / "events.jsonl").exists() and '"phase":"measured"' in (directory / "events.jsonl").read_text(encoding="utf-8"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Ctrl-C again" in said
    end = read(directory / "events.jsonl")[-1]
    assert (end["event"], end["status"], end["exit_code"]) == ("run.end", "interrupted", 130)
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    counts = [one for one in read(directory / "events.jsonl") if one["event"] == "trial" and one["phase"] == "measured"]
    assert header["status"] == "interrupted"
    assert counts


def test_a_run_that_fails_says_so_at_the_end(touchstone, tmp_path, plan):
    plan.write_text(PLAN.replace("input_tokens: 8", "input_tokens: 9000"), encoding="utf-8")
    done = touchstone("run", plan, "-m", "tiny", "-o", tmp_path / "run", "--ui", "none")
    assert done.returncode == 2
    end = read(tmp_path / "run" / "events.jsonl")[-1]
    assert (end["event"], end["status"], end["exit_code"]) == ("run.end", "failed", 2)
    assert "positions" in end["error"]


def test_a_run_that_goes_on_goes_on_in_the_same_file(touchstone, plan, tmp_path):
    assert touchstone("run", plan, "-m", "tiny", "-o", tmp_path / "run").returncode == 0
    header = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "run.json").write_text(json.dumps(header | {"status": "interrupted"}), encoding="utf-8")
    assert touchstone("run", "--resume", tmp_path / "run", "--events", tmp_path / "again.jsonl").returncode == 0
    records = read(tmp_path / "run" / "events.jsonl")
    assert [one["resumed"] for one in records if one["event"] == "run.start"] == [False, True]
    assert [one["resumed"] for one in read(tmp_path / "again.jsonl") if one["event"] == "run.start"] == [True]


@pytest.mark.parametrize("where", ["/dev/full", "closed"])
def test_a_full_disk_or_a_closed_pipe_is_said_and_costs_nothing_else(touchstone, scripted, tmp_path, where):
    arguments = ["load", "--base-url", scripted.base_url, "--num-prompts", 20, "--input-len", 32, "--output-len", 4, "--warmup", 0, "--no-calibrate",
                 "-o", tmp_path / "run", "--events", "-" if where == "closed" else where]
    settings = {}
    if where == "closed":
        reader, writer = os.pipe()
        os.close(reader)
        settings = {"stdout": writer}
    done = touchstone(*arguments, **settings)
    if where == "closed":
        os.close(writer)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no more events are written to") == 1
    assert kinds(read(tmp_path / "run" / "events.jsonl"))[-1] == "run.end"
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["cases"][0]["counts"]["ok"] == 20


def test_a_reader_that_stopped_reading_does_not_stop_the_measurement(tmp_path):
    """The pipe takes a page and no more; the run has more to say than that."""
    (tmp_path / "many.yaml").write_text(PLAN.replace("trials: 3", "trials: 15"), encoding="utf-8")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-m", "touchstone", "run", str(tmp_path / "many.yaml"), "-m", "tiny", "-o", str(tmp_path / "run"), "--events", "-", "--ui", "none"]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        until((tmp_path / "run" / "report.html").exists, 120)
        with os.fdopen(reader, encoding="utf-8") as pipe:  # only now somebody reads
            lines = pipe.read().splitlines()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert sum(map(len, lines)) > 4096
    assert json.loads(lines[-1])["event"] == "run.end"
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["status"] == "complete"


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(touchstone, tmp_path):
    done = touchstone("run", "quick", "-m", "tiny", "-o", tmp_path / "run", "--events", tmp_path / "no" / "such" / "place")
    assert done.returncode == 2
    assert "--events" in done.stderr
    assert not (tmp_path / "run").exists()


def test_waiting_is_not_forever_for_a_listener_that_hangs(monkeypatch):
    monkeypatch.setattr("touchstone.cli.audience._PATIENCE_S", 0.2)
    stuck = Ear(lambda kind: time.sleep(30))
    with Audience([stuck]) as told:
        told("one", {})
    assert not stuck.closed
