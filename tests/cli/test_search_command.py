"""`touchstone search` as a user has it: real processes against a server whose edge is known, for it answers so many at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from touchstone import store
from touchstone.judge.load.findings import findings_of_load
from touchstone.load_store import load_test
from touchstone.measure.scripted import Script, ScriptedServer

PLACES = 3
"""How many requests the server answers at a time; the others wait for a whole answer, which is the level they miss."""
SHORT = ("--no-calibrate", "--ui", "none", "--output-len", "8", "--input-len", "32", "--warmup", "0")
LEVEL = ("--slo", "ttft p90<=20ms")


def command(url: str, directory: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "touchstone", "search", "--base-url", url, "-o", str(directory), *SHORT, "--format", "json", *map(str, arguments)]


def touchstone(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "touchstone", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def search(url: str, directory: Path, *arguments: object, code: int = 0) -> dict:
    done = subprocess.run(command(url, directory, *arguments), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def server():
    """Alone an answer begins after 5 ms and takes 40; whoever finds every place taken begins some 40 ms late."""
    with ScriptedServer(Script(ttft_s=0.005, itl_s=0.005, concurrency=PLACES)) as one:
        yield one


@pytest.fixture(scope="module")
def found(server, tmp_path_factory):
    """The directory and the report of one whole search."""
    directory = tmp_path_factory.mktemp("search") / "result"
    return directory, search(server.base_url, directory, *LEVEL, "--most", 16)


def test_the_edge_is_where_the_places_end(found):
    directory, document = found
    answer = document["search"]
    assert (answer["passes_at"], answer["fails_at"], answer["confidence"]) == (PLACES, PLACES + 1, 0.95)
    assert answer["sentence"].partition(";")[0] == f"passes at {PLACES}, fails at {PLACES + 1}, 95 %"
    assert answer["requests"] == sum(case["counts"]["issued"] for case in document["cases"])
    assert document["run"]["status"] == store.read_header(directory)["status"] == "complete"


def test_every_level_tried_is_a_case_and_the_report_shows_the_load_rise(found):
    _, document = found
    offered = [case["conditions"]["concurrency"] for case in document["cases"]]
    assert offered == sorted(set(offered))
    assert {PLACES, PLACES + 1} <= set(offered)
    assert all(case["counts"]["issued"] == case["counts"]["ok"] for case in document["cases"])
    waiting = {case["conditions"]["concurrency"]: case["metrics"]["ttft"]["max"] for case in document["cases"]}
    assert waiting[PLACES + 1] > 0.02


def test_the_report_decides_again_from_what_was_tried(found):
    directory, document = found
    assert json.loads(touchstone("report", directory, "--format", "json").stdout)["search"] == document["search"]
    run = load_test(directory)
    for tried in run.header["search"]["history"]:
        tried["misses"] = [tried["issued"]]
    again = findings_of_load(run).search
    assert again.passes_at is None
    assert again.sentence is None or str(again.sentence) != document["search"]["sentence"]


def test_the_text_names_the_level_and_gives_the_answer_once(found):
    directory, _ = found
    lines = touchstone("report", directory).stdout.splitlines()
    assert lines[0].startswith("search · ")
    (answer,) = (line for line in lines if line.startswith("Search: "))
    assert answer.startswith(f"Search: passes at {PLACES}, fails at {PLACES + 1}, 95 %")
    assert "SLO ttft p90<=20ms" in lines


def test_an_answer_that_rests_on_a_rejected_load_says_so(found):
    run = load_test(found[0])
    calibrations = {f"c{PLACES + 1}": {"floor_s": 1.0}}
    sentence = str(findings_of_load(replace(run, header={**run.header, "calibration": {"floor_s": 1e-6}, "calibrations": calibrations})).search.sentence)
    assert sentence.startswith(f"passes at {PLACES}, fails at {PLACES + 1}, 95 %; not to be believed, rejected: ")
    assert f"c{PLACES + 1}" in sentence


def test_a_short_probe_is_no_reason_to_doubt_a_search(found):
    """Nothing but the missing calibration weighs against it: the throughput of a level tried is not what was asked."""
    assert {verdict["rule"] for verdict in found[1]["verdicts"] if verdict["status"] not in {"pass", "cannot tell"}} == {"client"}


def test_a_budget_ends_the_search_and_what_was_not_decided_is_not_claimed(server, tmp_path):
    answer = search(server.base_url, tmp_path / "result", *LEVEL, "--budget", 60)["search"]
    assert (answer["passes_at"], answer["fails_at"]) == (None, None)
    assert any("used up" in note for note in answer["notes"])
    assert answer["requests"] < 200


@pytest.mark.slow
def test_a_limit_of_goodput_is_searched_too(server, tmp_path):
    answer = search(server.base_url, tmp_path / "result", "--goodput", "ttft:20", "--at-least", 0.9, "--most", 16)["search"]
    assert (answer["passes_at"], answer["fails_at"]) == (PLACES, PLACES + 1)


@pytest.mark.slow
def test_a_rate_is_searched_and_lies_below_what_the_places_can_serve(server, tmp_path):
    document = search(server.base_url, tmp_path / "result", *LEVEL, "--request-rate", 20, "--resolution", 0.5, "--budget", 1200)
    answer, capacity = document["search"], PLACES / 0.04
    assert answer["passes_at"] is None or answer["passes_at"] < capacity
    assert answer["fails_at"] is None or answer["fails_at"] > capacity / 8
    assert (answer["passes_at"], answer["fails_at"]) != (None, None)
    assert {case["conditions"]["arrival"] for case in document["cases"]} == {"poisson"}


def test_an_interrupted_search_keeps_what_it_tried_and_claims_nothing(server, tmp_path):
    directory = tmp_path / "result"
    with subprocess.Popen(command(server.base_url, directory, *LEVEL, "--most", 16), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        give_up = time.monotonic() + 60
        while not (directory / store.HEADER).exists() or not store.read_header(directory).get("points"):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(printed)
    assert document["run"]["status"] == "interrupted"
    assert document["cases"]
    assert (document["search"]["passes_at"], document["search"]["fails_at"]) == (None, None)
    assert document == json.loads(touchstone("report", directory, "--format", "json").stdout)


def test_a_search_stopped_before_a_load_was_sent_counts_no_other_for_it(server, tmp_path):
    """While the client's own error is measured there is no point yet: neither of this load nor, mistaken for it, of the one before."""
    directory, words = tmp_path / "result", [one for one in command(server.base_url, tmp_path / "result", *LEVEL, "--most", 16) if one != "--no-calibrate"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        give_up = time.monotonic() + 60
        while not (directory / "events.jsonl").exists() or "calibrating" not in (directory / "events.jsonl").read_text(encoding="utf-8"):
            assert time.monotonic() < give_up
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert json.loads(printed)["run"]["status"] == "interrupted"
    header = store.read_header(directory)
    assert len(header["search"]["history"]) == len(header.get("points", []))


@pytest.mark.parametrize(("arguments", "said"), [
    ((), "needs a service level"), ((*LEVEL, "--concurrency", "1,2"), "one concurrency or one rate"), ((*LEVEL, "--stages", "1s@2"), "one concurrency or one rate"),
    ((*LEVEL, "--request-rate", "inf"), "one concurrency or one rate"), (("--slo", "ttft<20"), "service level"),
])
def test_a_search_that_makes_no_sense_is_refused_before_anything_is_sent(arguments, said, tmp_path):
    done = subprocess.run(command("http://127.0.0.1:1", tmp_path / "result", *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "result").exists()
