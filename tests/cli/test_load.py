"""`touchstone load` as a user has it: real processes against servers that write down what they saw."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psutil
import pytest

from touchstone import store
from touchstone.load_plan import read_load_plan
from touchstone.measure.scripted import Script, ScriptedServer

TOUCHSTONE = [sys.executable, "-m", "touchstone"]
TRACES = Path(__file__).parents[1] / "data" / "traces"
SHORT = ("--no-calibrate", "--ui", "none", "--output-len", "4", "--input-len", "32", "--warmup", "0")
LATENCIES = {"ttft", "ttfo", "ttfe", "tpot", "itl", "e2e", "response_ttft", "send_lag"}
KEY = "sk-0123456789-never-written"


def command(*arguments: object) -> list[str]:
    return [*TOUCHSTONE, *map(str, arguments)]


def touchstone(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **variables})


def load(url: str, directory: Path, *arguments: object, **variables: str) -> dict:
    """The JSON report of a short load that must succeed."""
    done = touchstone("load", "--base-url", url, "-o", directory, *SHORT, "--format", "json", *arguments, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def document(directory: Path) -> dict:
    done = touchstone("report", directory, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names_of(directory: Path) -> list[str]:
    return [name for (name,) in duckdb.sql(f"select request_id from '{directory}/requests.parquet' order by point, request").fetchall()]


def column(directory: Path, name: str) -> list:
    return [value for (value,) in duckdb.sql(f"select {name} from '{directory}/requests.parquet' order by point, request").fetchall()]


def until(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    give_up = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server():
    """A fast server, shared by the tests that need nothing special of it."""
    with ScriptedServer(Script(ttft_s=0.002, itl_s=0.001)) as one:
        yield one


# ── the contract for scripts ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("offered", [("--concurrency", "4"), ("--request-rate", "200", "--arrival", "poisson")])
def test_the_contract_for_scripts(server: ScriptedServer, tiny: Path, tmp_path: Path, offered: tuple[str, ...]):
    before = len(server.log())
    done = touchstone("load", "--base-url", server.base_url, "--model", "scripted", "--input-len", "32", "--output-len", "8", "--num-prompts", "40",
                      *offered, "--seed", "3", "-o", tmp_path / "run", "--no-calibrate")
    assert done.returncode == 0, done.stderr
    report = document(tmp_path / "run")
    [case] = report["cases"]
    assert case["window_s"] > 0
    assert case["counts"] == {"issued": 40, "ok": 40, "failed": {}}
    for name in LATENCIES:
        metric = case["metrics"][name]
        assert metric["unit"] == "s"
        assert metric["low"] <= metric["mean"] <= metric["high"]
        assert metric["n"] == 40 or (name == "itl" and 40 < metric["n"] <= 40 * 7)  # tokens that one read brought have no gap
        assert metric["p50"] <= metric["max"]
        assert metric["p99"] is None
        assert "p99" in metric["reasons"]
    for name in ("output_throughput", "request_throughput"):
        assert 0 <= case["metrics"][name]["low"] <= case["metrics"][name]["value"] <= case["metrics"][name]["high"]
    assert case["metrics"]["goodput"]["value"] is None
    assert set(report["client"]) == {"verdict", "floor_s", "reasons"}
    assert report["client"]["verdict"] in {"valid", "suspect", "invalid"}
    assert case["metrics"]["response_ttft"]["mean"] >= case["metrics"]["ttft"]["mean"]
    # every measured request, and only these; and each with the lengths that were asked for, by the server's count
    seen = server.log()[before:]
    measured = names_of(tmp_path / "run")
    assert len(set(measured)) == 40
    by_name = {entry.request_id: entry for entry in seen}
    assert set(measured) < set(by_name)
    assert all("warmup" in name or "probe" in name for name in set(by_name) - set(measured))
    assert len([name for name in by_name if "warmup" in name]) == 3
    assert {by_name[name].prompt_tokens for name in measured} == {32}
    assert {by_name[name].output_tokens for name in measured} == {8}
    assert column(tmp_path / "run", "status") == ["ok"] * 40


def test_the_address_alone_is_enough_and_the_client_is_measured_first(server: ScriptedServer, tmp_path: Path):
    done = subprocess.run(command("load", "--base-url", server.base_url), capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [directory] = (tmp_path / "runs").iterdir()
    assert "measurement floor: TTFT" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    report = document(directory)
    assert report["run"]["model"] == "scripted"
    assert [(case["name"], case["counts"]["ok"]) for case in report["cases"]] == [("c8", 64)]
    assert report["cases"][0]["conditions"]["input_tokens"] == 256
    assert report["cases"][0]["conditions"]["output_tokens"] == 128
    assert report["client"]["floor_s"] > 0
    for face in ("report.zh.md", "report.en.md", "report.json", "plan.yaml", "requests.parquet", "events.parquet"):
        assert (directory / face).stat().st_size > 0
    assert not (directory / "scratch").exists()
    assert not (directory / "parts").exists()


# ── kinds of load ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def sent_s(directory: Path, point: int = 0) -> list[float]:
    """When each request of a point was sent, in seconds from its start."""
    started_ns = store.read_header(directory)["points"][point]["started_ns"]
    rows = duckdb.sql(f"select sent_ns from '{directory}/requests.parquet' where point = {point} order by request").fetchall()
    return [(sent_ns - started_ns) / 1e9 for (sent_ns,) in rows]


def test_a_list_is_several_loads_and_each_is_repeated_with_other_prompts(server: ScriptedServer, tmp_path: Path):
    report = load(server.base_url, tmp_path / "run", "--concurrency", "1,2,4", "--num-prompts", 6, "--repeat", 2)
    assert [(case["name"], case["counts"]["issued"]) for case in report["cases"]] == [("c1", 12), ("c2", 12), ("c4", 12)]
    assert len(store.read_header(tmp_path / "run")["points"]) == 6
    assert len(set(column(tmp_path / "run", "prompt_digest"))) == 36


def test_an_infinite_rate_is_a_burst_and_is_called_one(server: ScriptedServer, tmp_path: Path):
    report = load(server.base_url, tmp_path / "run", "--request-rate", "inf", "--num-prompts", 20)
    assert [(case["name"], case["conditions"]["arrival"]) for case in report["cases"]] == [("burst", "burst")]
    assert set(column(tmp_path / "run", "scheduled_ns")) == {store.read_header(tmp_path / "run")["points"][0]["started_ns"]}


def test_a_rate_may_be_capped(tmp_path: Path):
    with ScriptedServer(Script(ttft_s=0.05, itl_s=0.01)) as slow:
        report = load(slow.base_url, tmp_path / "run", "--request-rate", 500, "--concurrency", 3, "--num-prompts", 12)
        times = sorted(time for entry in slow.log() if entry.request_id in set(names_of(tmp_path / "run"))
                       for time in ((entry.received_ns, 1), (entry.sending_ns[-1], -1)))
    under_way = most = 0
    for _, change in times:
        under_way += change
        most = max(most, under_way)
    assert most <= 3
    metrics = report["cases"][0]["metrics"]
    assert metrics["response_ttft"]["max"] > 2 * metrics["ttft"]["max"]  # the wait for a slot is not hidden


@pytest.mark.parametrize(("options", "label", "last_s"), [
    (("--stages", "0.3s@20,0.3s@100", "--arrival", "constant"), "r20-100-constant", 0.6),
    (("--request-rate", "100", "--arrival", "constant", "--ramp", "0.4s", "--num-prompts", "50"), "r100-constant", 0.7),
    (("--request-rate", "100", "--burstiness", "0.3", "--num-prompts", "30"), "r100-gamma", None)])
def test_open_loads_keep_their_times(server: ScriptedServer, tmp_path: Path, options: tuple[str, ...], label: str, last_s: float | None):
    report = load(server.base_url, tmp_path / "run", *options)
    [case] = report["cases"]
    assert case["name"] == label
    assert case["counts"]["ok"] == case["counts"]["issued"]
    scheduled = column(tmp_path / "run", "scheduled_ns")
    assert scheduled == sorted(scheduled)
    assert all(sent >= planned for sent, planned in zip(column(tmp_path / "run", "sent_ns"), scheduled, strict=True))
    started_ns = store.read_header(tmp_path / "run")["points"][0]["started_ns"]
    if last_s is not None:
        assert (scheduled[-1] - started_ns) / 1e9 == pytest.approx(last_s, abs=0.02)
    if "stages" in options[0]:
        assert sum((planned - started_ns) / 1e9 < 0.3 for planned in scheduled) == 6
        assert len(scheduled) == 36


@pytest.mark.parametrize(("name", "options", "label", "requests"), [
    ("mooncake-synthetic.jsonl", ("--speedup", "100"), "trace-x100", 300), ("azure-2023-conv.csv", ("--speedup", "500", "--num-prompts", "20"), "trace-x500", 20)])
def test_a_trace_is_played_faster(server: ScriptedServer, tmp_path: Path, name: str, options: tuple[str, ...], label: str, requests: int):
    done = touchstone("load", "--base-url", server.base_url, "-o", tmp_path / "run", "--trace", TRACES / name, *options, "--no-calibrate", "--warmup", "0",
                      "--output-len", "2", "--format", "json")
    assert done.returncode == 0, done.stderr
    [case] = json.loads(done.stdout)["cases"]
    assert (case["name"], case["counts"]["ok"]) == (label, requests)
    assert column(tmp_path / "run", "input_tokens") == column(tmp_path / "run", "input_tokens_asked")


def test_sessions_take_turns_and_wait_between_them(server: ScriptedServer, tmp_path: Path):
    load(server.base_url, tmp_path / "run", "--turns", 3, "--think-time", "50ms", "--concurrency", 2, "--num-prompts", 12)
    rows = duckdb.sql(f"select session, turn, sent_ns, ended_ns, input_tokens from '{tmp_path}/run/requests.parquet' order by request").fetchall()
    assert len(rows) == 12
    for before, after in itertools.pairwise(rows):
        if after[0] == before[0]:
            assert after[1] == before[1] + 1
            assert after[2] - before[3] >= 50e6
            assert after[4] > before[4]


def test_shared_prefixes_are_shared_by_as_many_as_asked(tmp_path: Path):
    with ScriptedServer(Script(ttft_s=0.001, itl_s=0.001, cache=True)) as caching:
        report = load(caching.base_url, tmp_path / "run", "--shared-prefix", 64, "--prefixes", 2, "--input-len", 100, "--num-prompts", 24, "--concurrency", 1)
    cached = column(tmp_path / "run", "cached_tokens")
    assert sum(value > 0 for value in cached) == 22  # every prompt but the first of each prefix
    assert len(set(column(tmp_path / "run", "prompt_digest"))) == 24
    assert report["cases"][0]["counts"]["ok"] == 24


def test_datasets_bring_their_texts(server: ScriptedServer, tmp_path: Path):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": "say " * place, "output_len": place}) + "\n" for place in (3, 5, 7)), encoding="utf-8")
    talks = tmp_path / "talks.json"
    talks.write_text(json.dumps([{"conversations": [{"from": "human", "value": "one two three"}, {"from": "gpt", "value": "four"}]}]), encoding="utf-8")
    common = ("load", "--base-url", server.base_url, "--no-calibrate", "--warmup", "0", "--ui", "none", "--num-prompts", "6")
    done = touchstone(*common, "--dataset-path", prompts, "-o", tmp_path / "jsonl")
    assert done.returncode == 0, done.stderr
    assert sorted(zip(column(tmp_path / "jsonl", "input_tokens"), column(tmp_path / "jsonl", "output_tokens"), strict=True)) == [
        (7, 3), (7, 3), (9, 5), (9, 5), (11, 7), (11, 7)]
    done = touchstone(*common, "--dataset-name", "sharegpt", "--dataset-path", talks, "--osl", "2", "-o", tmp_path / "sharegpt")
    assert done.returncode == 0, done.stderr
    assert column(tmp_path / "sharegpt", "input_tokens") == [7] * 6


def test_a_load_for_a_time_stops_in_time(server: ScriptedServer, tmp_path: Path):
    for name, offered in (("closed", ("--concurrency", "3")), ("open", ("--request-rate", "50"))):
        report = load(server.base_url, tmp_path / name, "--duration", "1s", *offered)
        sent = sent_s(tmp_path / name)
        assert 0.8 < max(sent) <= 1.02
        assert report["cases"][0]["counts"]["ok"] == len(sent)


def test_a_load_for_a_time_does_not_run_out_of_requests_early(tmp_path: Path):
    """The probe of this server sees four tokens at a time, and a first answer that is no measure of the others."""
    with ScriptedServer(Script(ttft_s=0.005, itl_s=0.02, tokens_per_event=4)) as server:
        load(server.base_url, tmp_path / "run", "--duration", "1s", "--concurrency", "2", "--output-len", "16")
    assert max(sent_s(tmp_path / "run")) > 0.85


def test_without_a_stream_every_answer_is_whole(server: ScriptedServer, tmp_path: Path):
    [case] = load(server.base_url, tmp_path / "run", "--no-stream", "--num-prompts", 12)["cases"]
    assert case["counts"]["ok"] == 12
    assert case["metrics"]["stream_end"]["mean"] > 0.005
    assert set(column(tmp_path / "run", "output_tokens")) == {4}


def test_without_a_stream_there_is_no_first_token(server: ScriptedServer, tmp_path: Path):
    [case] = load(server.base_url, tmp_path / "run", "--no-stream", "--num-prompts", 12)["cases"]
    assert {name for name in ("ttft", "ttfo", "ttfe", "tpot", "itl") if case["metrics"].get(name, {}).get("mean") is not None} == set()


@pytest.mark.parametrize("offered", [("--concurrency", "5"), ("--request-rate", "300")])
def test_two_processes_send_what_one_sends(server: ScriptedServer, tmp_path: Path, offered: tuple[str, ...]):
    for processes in (1, 2):
        load(server.base_url, tmp_path / str(processes), *offered, "--num-prompts", 30, "--processes", processes, "--seed", 5)
    points = [store.read_header(tmp_path / str(processes))["points"][0]["client"] for processes in (1, 2)]
    assert points[0]["schedule_digest"] == points[1]["schedule_digest"]
    assert [len(point["processes"]) for point in points] == [1, 2]
    assert set(column(tmp_path / "2", "process")) == {0, 1}
    assert sorted(column(tmp_path / "2", "request")) == list(range(30))


def test_another_seed_is_another_schedule(server: ScriptedServer, tmp_path: Path):
    for seed in (1, 2):
        load(server.base_url, tmp_path / str(seed), "--request-rate", 300, "--num-prompts", 10, "--seed", seed)
    digests = {store.read_header(tmp_path / str(seed))["points"][0]["client"]["schedule_digest"] for seed in (1, 2)}
    assert len(digests) == 2


@pytest.mark.parametrize(("warmup", "expected"), [("0", 0), ("5", 5), ("50%", 6), ("auto", 4)])
def test_warming_up_is_counted_and_kept_out(server: ScriptedServer, tmp_path: Path, warmup: str, expected: int):
    load(server.base_url, tmp_path / "run", "--num-prompts", 12, "--concurrency", 4, "--warmup", warmup)
    [point] = store.read_header(tmp_path / "run")["points"]
    assert point["client"]["warmup"] == {"requests": expected, "failed": 0}
    assert len(names_of(tmp_path / "run")) == 12


def test_warming_up_for_a_time(server: ScriptedServer, tmp_path: Path):
    before = len(server.log())
    load(server.base_url, tmp_path / "run", "--num-prompts", 4, "--warmup", "500ms")
    warming = [entry.received_ns for entry in server.log()[before:] if "warmup" in (entry.request_id or "")]
    assert len(warming) > 20
    assert 0.3e9 < max(warming) - min(warming) < 0.6e9


def test_a_kept_plan_is_played_again_from_its_report(server: ScriptedServer, tmp_path: Path):
    first = load(server.base_url, tmp_path / "first", "--request-rate", 100, "--num-prompts", 10, "--name", "mine", "--label", "note=yes")
    plan = tmp_path / "first" / "plan.yaml"
    assert f"-c {plan}" in " ".join(first["reproduce"])
    done = touchstone("load", "-c", plan, "--base-url", server.base_url, "-o", tmp_path / "second", "--ui", "none")
    assert done.returncode == 0, done.stderr
    assert read_load_plan(tmp_path / "second" / "plan.yaml") == read_load_plan(plan)
    headers = [store.read_header(tmp_path / name) for name in ("first", "second")]
    assert len({header["points"][0]["client"]["schedule_digest"] for header in headers}) == 1
    assert headers[0]["labels"] == {"note": "yes"}
    assert headers[0]["plan"]["name"] == "mine"
    # the same schedule, and yet no prompt that a cache could know
    assert not set(column(tmp_path / "first", "prompt_digest")) & set(column(tmp_path / "second", "prompt_digest"))


def test_service_levels_are_judged(server: ScriptedServer, tmp_path: Path):
    report = load(server.base_url, tmp_path / "run", "--num-prompts", 20, "--goodput", "ttft:5000", "tpot:5000", "--slo", "ttft p90<=1us")
    [case] = report["cases"]
    assert case["metrics"]["goodput"]["value"] == pytest.approx(case["metrics"]["request_throughput"]["value"])
    assert case["slos"]


# ── faces ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_it_speaks_chinese(server: ScriptedServer, tmp_path: Path):
    done = touchstone("load", "--base-url", server.base_url, "-o", tmp_path / "run", *SHORT[3:], "--no-calibrate", "--num-prompts", 4, "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert chinese(done.stdout)
    done = touchstone("load", "-c", tmp_path / "no-such.yaml", LC_ALL="zh_CN.UTF-8")
    assert done.returncode == 3
    assert chinese(done.stderr)


def test_a_live_line_is_gone_at_the_end(server: ScriptedServer, tmp_path: Path):
    done = touchstone("load", "--base-url", server.base_url, "-o", tmp_path / "run", *SHORT, "--duration", "1s", "--ui", "rich")
    assert done.returncode == 0, done.stderr
    assert "under way" in done.stderr
    assert done.stderr.endswith(("\x1b[2K", "\x1b[J"))
    assert "\x1b" not in done.stdout


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Recorder(http.server.ThreadingHTTPServer):
    """A small server of chat completions that remembers every header it was sent."""

    daemon_threads = True

    def __init__(self, models: object = (("m", 200),), *, status: int = 200, pause_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), RecorderHandler)
        self.models, self.status, self.pause_s = models, status, pause_s
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class RecorderHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def take(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        return body

    def do_GET(self) -> None:
        self.take()
        if self.path != "/v1/models":
            self.answer(404, b"{}")
        elif self.server.status in {401, 403}:
            self.answer(self.server.status, b'{"error": {"message": "no key"}}')
        else:
            self.answer(200, json.dumps({"object": "list", "data": [{"id": name} for name in self.server.models]}).encode())

    def do_POST(self) -> None:
        asked = json.loads(self.take())
        if self.server.status != 200:
            self.answer(self.server.status, json.dumps({"error": {"message": f"model {asked['model']} is not here"}}).encode())
            return
        time.sleep(self.server.pause_s)
        usage = {"prompt_tokens": 4 + len(asked["messages"][0]["content"].split()), "completion_tokens": 1}
        events = [{"choices": [{"delta": {"content": " tok"}}]}, {"choices": [{"delta": {}, "finish_reason": "length"}]}, {"choices": [], "usage": usage}]
        self.answer(200, b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n", "text/event-stream")


@contextlib.contextmanager
def recording(*arguments: object, **more: object):
    with Recorder(*arguments, **more) as recorder:
        thread = threading.Thread(target=recorder.serve_forever)
        thread.start()
        try:
            yield recorder
        finally:
            recorder.shutdown()
            thread.join()


@pytest.mark.parametrize(("options", "variables", "header"), [
    (("--api-key", KEY), {}, "Authorization"), ((), {"OPENAI_API_KEY": KEY}, "Authorization"), (("-H", f"X-Gate: {KEY}"), {}, "X-Gate")])
def test_the_key_reaches_the_server_and_nothing_else(tmp_path: Path, options: tuple[str, ...], variables: dict[str, str], header: str):
    with recording(["m"], pause_s=0.1) as recorder:
        process = subprocess.Popen(command("load", "--base-url", recorder.url, "-o", tmp_path / "run", "--no-calibrate", "--num-prompts", 12, "--osl", 1,
                                           "--concurrency", 2, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **variables})
        looked = set()
        while process.poll() is None:
            for path in [path for path in (tmp_path / "run").rglob("*") if path.is_file()]:
                with contextlib.suppress(FileNotFoundError):
                    looked.add(path.name)
                    assert KEY.encode() not in path.read_bytes(), path
            time.sleep(0.05)
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 0, complained
    assert {"run.json", "requests.bin"} <= looked  # it was looked at while it ran
    assert KEY.encode() not in said + complained
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    duckdb.sql(f"copy (select * from '{tmp_path}/run/requests.parquet') to '{tmp_path}/plain.csv'")
    assert KEY not in (tmp_path / "plain.csv").read_text(encoding="utf-8")  # parquet is compressed
    posts = [headers for method, _, headers, _ in recorder.seen if method == "POST"]
    assert len(posts) >= 12
    assert all(KEY in headers[header] for headers in posts)
    assert all(KEY in headers[header] for _, path, headers, _ in recorder.seen if path == "/v1/models")


def test_a_header_that_is_none_is_refused_before_anything_is_sent(tmp_path: Path):
    with recording(["m"]) as recorder:
        for options in (("-H", f"A={KEY}\nB: c"), ("-H", f"A={KEY}钥"), ("--api-key", f"{KEY}\u0000"[:-1] + "\x07"), ("-H", "Content-Length=3"), ("-H", KEY)):
            done = touchstone("load", "--base-url", recorder.url, "-o", tmp_path / "run", *SHORT, *options)
            assert done.returncode == 2, done.stderr
            assert "Traceback" not in done.stderr
            assert KEY not in done.stderr
        assert recorder.seen == []


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(code: int, said: str, *arguments: object) -> None:
    """One clear sentence, no traceback, nothing on stdout."""
    done = touchstone("load", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 or code == 2


def test_mistakes_about_the_server_get_one_clear_sentence(server: ScriptedServer, tmp_path: Path):
    at = ("-o", tmp_path / "run", *SHORT, "--num-prompts", 4, "--ready-timeout", "0", "--base-url")
    refused(3, "No server can be reached", *at, "http://127.0.0.1:9")
    refused(3, "No server can be reached", *at, "http://no-such-host.invalid")
    refused(2, "not the address of a server", *at, "ftp://127.0.0.1")
    refused(3, "no such path", *at, server.base_url, "--endpoint", "/v1/nothing")
    with recording(["m"], status=401) as recorder:
        refused(3, "wants a key", *at, recorder.url)
    with recording([]) as recorder:
        refused(2, "--model", *at, recorder.url)
    with recording(["m"], status=404) as recorder:
        refused(3, "model other is not here", *at, recorder.url, "--model", "other")
    assert not (tmp_path / "run").exists()


def test_mistakes_on_the_line_get_one_clear_sentence(server: ScriptedServer, tmp_path: Path):
    at = ("--base-url", server.base_url, *SHORT, "--num-prompts", 4)
    refused(2, "--base-url is missing", "--concurrency", "4")
    refused(2, "--concurrency", *at, "--concurency", "4")
    refused(2, "shorter than what the chat template adds", *at, "--input-len", 3, "-o", tmp_path / "template")
    refused(3, "cannot be written", *at, "-o", "/dev/null/run")
    refused(3, "There is no tokenizer", *at, "--tokenizer", tmp_path)
    refused(3, "JSON array", *at, "--dataset-path", __file__, "-o", tmp_path / "dataset")


def test_a_directory_takes_one_test_unless_nothing_was_measured(server: ScriptedServer, tmp_path: Path):
    at = ("--base-url", server.base_url, *SHORT, "--num-prompts", 4, "-o", tmp_path / "run")
    refused(2, "does not fit", *at, "--shared-prefix", 400)
    load(server.base_url, tmp_path / "run", "--num-prompts", 4)
    kept = (tmp_path / "run" / "run.json").read_bytes()
    refused(3, "already holds a run", *at)
    assert (tmp_path / "run" / "run.json").read_bytes() == kept


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    home = tmp_path_factory.mktemp("tls")
    cert, key = str(home / "cert.pem"), str(home / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert, "-days", "1",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


def test_a_certificate_is_checked_unless_told_not_to(certificate: tuple[str, str], tmp_path: Path):
    with ScriptedServer(Script(ttft_s=0.002, itl_s=0.001), tls=certificate) as server:
        refused(3, "certificate", "--base-url", server.base_url, *SHORT, "--ready-timeout", "0")
        refused(3, "127.0.0.1", "--base-url", server.base_url.replace("https", "http"), *SHORT, "--ready-timeout", "0")
        report = load(server.base_url, tmp_path / "run", "--insecure", "--num-prompts", 12)
        trusted = load(server.base_url, tmp_path / "trusted", "--num-prompts", 4, SSL_CERT_FILE=certificate[0])
    assert report["cases"][0]["counts"]["ok"] == 12
    assert trusted["cases"][0]["counts"]["ok"] == 4


# ── what goes wrong on the way ───────────────────────────────────────────────────────────────────────────────────────────────


def started(server: ScriptedServer, directory: Path, *options: object) -> subprocess.Popen[str]:
    """A load that is under way: the server has answered several of its measured requests."""
    process = subprocess.Popen(command("load", "--base-url", server.base_url, "-o", directory, *SHORT[:-2], "--warmup", "0", *options), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    until(lambda: (directory / "scratch").exists() and len([one for one in server.log() if "probe" not in (one.request_id or "")]) > 6)
    return process


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if "load-worker" in child.cmdline()]


def test_ctrl_c_once_drains_and_reports(tmp_path: Path):
    with ScriptedServer(Script(ttft_s=0.2, itl_s=0.02)) as server:
        process = started(server, tmp_path / "run", "--concurrency", 4, "--num-prompts", 1000)
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    report = document(tmp_path / "run")
    assert report["run"]["status"] == "interrupted"
    counts = report["cases"][0]["counts"]
    assert counts["ok"] == counts["issued"] > 0  # what was under way was waited for
    assert not (tmp_path / "run" / "scratch").exists()
    assert said.strip()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_stops_at_once_and_keeps_the_records(tmp_path: Path, second: signal.Signals):
    with ScriptedServer(Script(ttft_s=0.05, itl_s=0.02)) as server:
        process = subprocess.Popen(command("load", "--base-url", server.base_url, "-o", tmp_path / "run", "--no-calibrate", "--warmup", "0", "--concurrency", 4,
                                           "--output-len", 3000, "--input-len", 32), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: sum("probe" not in (one.request_id or "") for one in server.log()) == 4)
        workers = workers_of(process)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert any("Ctrl-C" in line for line in process.stderr)  # it says that it waits for what is under way
        process.send_signal(second)
        _, complained = process.communicate(timeout=60)
        took_s = time.monotonic() - asked
    assert process.returncode == 130, complained
    assert took_s < 30  # an answer takes a minute
    assert document(tmp_path / "run")["run"]["status"] == "interrupted"
    assert document(tmp_path / "run")["cases"][0]["counts"] == {"issued": 4, "ok": 0, "failed": {"stopped": 4}}
    assert not any(worker.is_running() for worker in workers)


def test_a_server_that_dies_is_counted(tmp_path: Path):
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.01)) as server:
        process = started(server, tmp_path / "run", "--concurrency", 4, "--num-prompts", 60)
        psutil.Process(server.process_id).kill()
        try:
            said, complained = process.communicate(timeout=30)
        finally:
            for one in (*workers_of(process), process) if process.poll() is None else ():
                one.kill()
    assert process.returncode == 0, complained
    assert "Traceback" not in complained
    [case] = document(tmp_path / "run")["cases"]
    counts = case["counts"]
    assert counts["issued"] == 60 == counts["ok"] + sum(counts["failed"].values())
    assert counts["failed"]
    assert len(column(tmp_path / "run", "status")) == 60
    assert any(word in said for word in counts["failed"])


def test_failures_are_counted_by_kind_and_kept_out_of_latencies(tmp_path: Path):
    faults = {"http_500": 0.2, "truncate": 0.2, "error_in_stream": 0.2}
    with ScriptedServer(Script(ttft_s=0.002, itl_s=0.001, faults=faults, seed=4)) as server:
        report = load(server.base_url, tmp_path / "run", "--num-prompts", 60)
        told = {entry.request_id: entry.fault for entry in server.log()}
    [case] = report["cases"]
    expected = [told[name] for name in names_of(tmp_path / "run")]
    assert case["counts"]["ok"] == expected.count(None)
    assert sum(case["counts"]["failed"].values()) == 60 - expected.count(None)
    assert case["metrics"]["ttft"]["n"] == expected.count(None)
    assert [status == "ok" for status in column(tmp_path / "run", "status")] == [fault is None for fault in expected]
