"""``touchstone show``: every number with its proof, every part when asked, in every face."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from builders import make_failure, make_run, make_trial, plan_case
from compared_runs import engine_run, load_run, save_engine_run, save_load_run
from rich.cells import cell_len

from touchstone.cli import run_command_line


def touchstone(*arguments, code=0):
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        assert run_command_line(["show", *map(str, arguments)]) == code, said.getvalue()
    return out.getvalue() if code == 0 else said.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_engine_run(engine_run(launches=2, trials=3), tmp_path_factory.mktemp("show") / "run")


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    return save_load_run(load_run(repeats=2, count=64), tmp_path_factory.mktemp("show") / "load")


def test_a_run_is_shown_with_n_intervals_quantiles_and_the_reasons_for_what_is_missing(run):
    said = touchstone(run)
    assert said.startswith("Run run-0\n")
    assert "\nVerdict: " in said
    assert "\nEnvironment\n" in said
    assert "short: " in said
    assert "batch-4: " in said
    [ttft] = [line.split() for line in said[said.index("short: "):said.index("batch-4: ")].splitlines() if line.startswith("TTFT (ms)")]
    assert ttft[2] == "6"  # n
    assert ttft[6:9] == ["-", "-", "-"]  # P90, P95 and P99 of six values
    assert "TTFT P99, TPOT P99, E2E latency P99: n too small: have 6, need 299" in " ".join(said.split())
    assert "±: 95 %, log-t over launches" in said
    assert "Trials" not in said
    assert max(map(cell_len, said.splitlines())) <= 80


def test_trials_and_requests_are_listed_when_asked(run):
    said = touchstone(run, "--trials", "--requests", "--case", "short")
    assert "batch-4" not in said
    trials, requests = said[said.index("\nTrials\n"):said.index("\nRequests\n")], said[said.index("\nRequests\n"):]
    assert len([line for line in trials.splitlines() if line.startswith("short")]) == 6
    assert len([line for line in requests.splitlines() if line.startswith("short")]) == 6
    assert "measured" in trials


def test_a_load_is_shown_with_its_points(load):
    said = touchstone(load, "--trials", "--requests")
    assert "closed loop, 8 in flight" in said
    assert "64/64" in said[said.index("\nTrials\n"):]
    assert said.count("\nc8 ") == 2 + 128


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_face_and_language(run, load, lang):
    for one in (run, load):
        document = json.loads(touchstone(one, "--trials", "--requests", "--format", "json", "--lang", lang))
        assert len(document["trials"]) == (12 if one is run else 2)
        assert len(document["requests"]) == (30 if one is run else 128)
        assert document["cases"][0]["metrics"]["ttft"]["n"] > 0
        markup = touchstone(one, "--trials", "--format", "md", "--lang", lang)
        assert markup.startswith("# ")
        assert "| --- |" in markup
        assert touchstone(one, "--lang", lang)
    assert "trials" not in json.loads(touchstone(run, "--format", "json"))


def test_a_failure_is_shown_with_what_the_engine_said_and_stays_text(tmp_path):
    failed = make_failure(index=1, error="out of\x1b[31m memory | <b>x</b>", sent_ns=10**9)
    broken = save_engine_run(make_run([make_trial(), failed], [plan_case("short")]), tmp_path / "run")
    said = touchstone(broken, "--trials")
    assert "out of [31m memory" in said
    assert "out_of_memory" in said
    markup = touchstone(broken, "--trials", "--format", "md")
    assert "<b>" not in markup
    assert "\x1b" not in said + markup


def test_what_is_no_run_or_no_case_is_said(run, tmp_path):
    assert "is not a run" in touchstone(tmp_path, code=3)
    assert "Did you mean batch-4?" in touchstone(run, "--case", "batch4", code=2)
    (tmp_path / "run.json").write_text('{"schema": 2}', encoding="utf-8")
    assert "is damaged" in touchstone(tmp_path, code=3)
