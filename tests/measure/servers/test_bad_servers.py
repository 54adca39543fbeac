"""Servers that fail, each in its own way: the run ends with the reason, the server's last words, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from touchstone import store
from touchstone.record import Status

MISBEHAVING = Path(__file__).with_name("engine_that.py")
PLAN = """
name: small
trials: 2
warmup: 0
observer_pairs: 0
verification: null
cases:
  - {name: one, input_tokens: 8, output_tokens: 4}
  - {name: other, input_tokens: 6, output_tokens: 4}
"""


@pytest.fixture
def interpreter(tmp_path):
    """The misbehaving engine's interpreter, started by the one that runs the tests."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {MISBEHAVING} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def start(tmp_path, tiny, interpreter):
    """Start a run on the misbehaving server; returns the process."""
    plan = tmp_path / "small.yaml"
    plan.write_text(PLAN, encoding="utf-8")

    def started(how, *options, **variables):
        return subprocess.Popen(
            [sys.executable, "-m", "touchstone", "run", str(plan), "--engine", "transformers-serve", "--engine-python", str(interpreter),
             "-m", str(tiny), "-o", str(tmp_path / "run"), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "MISBEHAVE": how, **variables})
    return started


def leftovers(directory):
    """Processes that were started for the run in ``directory`` and still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "environ"]):
        if process.info["environ"] and "MISBEHAVE" in process.info["environ"] and process.status() != psutil.STATUS_ZOMBIE:
            inherited = process.info["cwd"] or ""
            if str(directory) in inherited or any(str(directory) in part for part in process.info["cmdline"] or ()):
                found.append(process)
    return found


def gone(directory, patience=20):
    """Whether nothing is left, at the latest after ``patience`` seconds."""
    until = time.monotonic() + patience
    while leftovers(directory) and time.monotonic() < until:
        time.sleep(0.1)
    return not leftovers(directory)


@pytest.mark.parametrize(("how", "options", "reason"), [
    ("dies", (), "ValueError: the weights cannot be loaded"),
    ("killed", (), "SIGKILL"),
    ("port-taken", (), "Address already in use"),
    ("never-ready", ("--start-timeout", "3"), "was not ready within"),
    ("other-model", (), "somebody/else"),
    ("other-name", (), "somebody/else"),
    ("short", (), "sequences of 8 tokens"),
    ("other-tokenizer", (), "The server counts"),
])
def test_a_server_that_fails_says_why_and_leaves_nothing(tmp_path, start, how, options, reason):
    process = start(how, *options)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 3, said
    assert reason in said
    assert "Traceback" not in said
    assert gone(tmp_path)
    header = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert header["status"] == "failed"
    assert reason in header["error"]


def test_the_last_words_are_those_of_the_server(tmp_path, start):
    said = start("dies").communicate(timeout=120)[1]
    assert "loading checkpoint shards | second line | ValueError" in said
    assert "second line" in (tmp_path / "run" / "server-0.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_server_that_ignores_being_asked_to_end_is_killed_with_its_daemon(tmp_path, start):
    process = start("stubborn", "--start-timeout", "600")
    done = process.communicate(timeout=300)
    assert process.returncode == 0, done[1]
    assert gone(tmp_path)
    assert "child " in (tmp_path / "run" / "server-0.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_server_lost_at_work_costs_its_case_and_a_new_one_is_started_for_the_rest(tmp_path, start):
    process = start("dies-at-work")
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    run = store.load(tmp_path / "run")
    lost = [trial for trial in run.trials if trial.status is not Status.OK]
    assert {trial.case for trial in lost} == {"one", "other"}
    assert all("NPU out of memory" in trial.error for trial in lost)
    assert {trial.process for trial in lost} == {0, 1}
    assert gone(tmp_path)


@pytest.mark.slow
def test_a_gigabyte_of_log_keeps_its_beginning_and_its_end(tmp_path, start):
    said = start("talks", MEGABYTES="1000").communicate(timeout=300)[1]
    assert "the last line" in said
    log = tmp_path / "run" / "server-0.log"
    assert log.stat().st_size < 32 << 20
    text = log.read_text(encoding="utf-8")
    assert text.startswith("xxx")
    assert text.rstrip().endswith("the last line")
    assert "bytes left out" in text
    assert [path.name for path in log.parent.glob("server-0.log*")] == ["server-0.log"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_the_run_ends_its_server(tmp_path, start, ending):
    process = start("never-ready")
    until = time.monotonic() + 60
    while not (tmp_path / "run" / "server-0.log").exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(ending)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if ending == signal.SIGKILL else 130)
    status = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["status"]
    assert status == ("running" if ending == signal.SIGKILL else "interrupted")
    assert gone(tmp_path)


@pytest.mark.slow
def test_a_killed_guard_costs_its_case_and_leaves_nothing(tmp_path, start):
    process = start("slow")
    until = time.monotonic() + 60
    while len(list((tmp_path / "run" / "parts").glob("trials-*"))) < 1 and time.monotonic() < until:
        time.sleep(0.02)
    (guard,) = (one for one in psutil.Process(process.pid).children(recursive=True) if "guard" in one.cmdline())
    guard.kill()
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert "was lost in case" in said
    assert {trial.status for trial in store.load(tmp_path / "run").trials} == {Status.OK, Status.KILLED}
    assert gone(tmp_path)


def test_an_engine_that_is_not_there_is_said_before_anything_is_begun(tmp_path, start):
    process = start("not-there")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 3
    assert "has no transformers, which the engine transformers-serve needs" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("python", "reason"), [("nothing", "not a Python interpreter that starts"), (".", "is a directory")])
def test_an_interpreter_that_is_none_is_the_users_mistake(tmp_path, tiny, python, reason):
    done = subprocess.run([sys.executable, "-m", "touchstone", "run", "quick", "--engine", "transformers-serve", "--engine-python",
                           str(tmp_path / python), "-m", str(tiny), "-o", str(tmp_path / "run")], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (tmp_path / "run").exists()
