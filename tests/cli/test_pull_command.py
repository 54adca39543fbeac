"""``touchstone pull`` as it is typed, against hubs on this machine."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from loopback_hubs import served

WEIGHTS = random.Random(3).randbytes(12_000_000)
MODEL = {"config.json": b"{}", "model.safetensors": WEIGHTS}


@pytest.fixture
def own(tmp_path):
    """An environment without the user's tokens and caches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "MODELSCOPE_", "OPENMIND_", "HUB_"))}
    return {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "xdg"), "TOUCHSTONE_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def hub(tmp_path):
    with served("hf", tmp_path) as running:
        running.publish("main", MODEL)
        yield running


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "touchstone", "pull", *map(str, arguments)]


def touchstone(*arguments: object, env: dict[str, str], code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False, env=env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_stdout_is_the_directory_alone_so_that_a_shell_can_pass_it_on(hub, own):
    done = touchstone("org/name", "--endpoint", hub.endpoint, env=own)
    directory = Path(done.stdout.removesuffix("\n"))
    assert (directory / "model.safetensors").read_bytes() == WEIGHTS
    assert f"asking Hugging Face at {hub.endpoint}" in done.stderr
    hub.status = 500
    again = touchstone("org/name", "--endpoint", hub.endpoint, "--format", "json", env=own)
    document = json.loads(again.stdout)
    assert {"path", "hub", "model", "revision_asked", "revision", "files", "endpoint", "from"} <= set(document)
    assert (document["path"], document["from"], document["hub"], document["revision"]) == (str(directory), "pulled", "hf", hub.refs["main"])
    assert {(file["name"], file["bytes"]) for file in document["files"]} == {(name, len(content)) for name, content in MODEL.items()}
    assert "already here" in again.stderr
    assert touchstone("org/name", "--offline", "--verify", "--ui", "none", env=own).stderr == ""


def test_a_directory_with_a_checkpoint_is_its_own_answer(tmp_path, own):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}", encoding="utf-8")
    assert touchstone(tmp_path / "mine", env=own).stdout == f"{tmp_path / 'mine'}\n"
    document = json.loads(touchstone(tmp_path / "mine", "--format", "json", env=own).stdout)
    assert (document["from"], document["hub"], document["revision"]) == ("directory", None, None)
    assert document["revision_missing"]
    (tmp_path / "empty").mkdir()
    assert "neither config.json" in touchstone(tmp_path / "empty", env=own, code=2).stderr
    assert "owner/name" in touchstone(tmp_path / "absent", env=own, code=2).stderr
    assert "owner/name" in touchstone("../../etc", env=own, code=2).stderr


def running(hub, own, **given: object) -> subprocess.Popen[str]:
    """A pull that is in the middle of a file."""
    hub.pause_s = 0.02
    process = subprocess.Popen(command("org/name", "--endpoint", hub.endpoint, "--ui", "plain"), env=own, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **given)
    assert hub.began.wait(60)
    partial = Path(own["TOUCHSTONE_CACHE"])
    until = time.monotonic() + 60
    while not any(path.stat().st_size > 1_000_000 for path in partial.rglob("model.safetensors")):
        assert time.monotonic() < until, process.communicate()
        time.sleep(0.02)
    return process


def ended(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


def test_control_c_keeps_what_was_fetched_and_the_next_goes_on(hub, own):
    process = running(hub, own)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "the same command goes on with it" in err
    assert "Traceback" not in err
    assert ended(children)
    partial, = Path(own["TOUCHSTONE_CACHE"]).glob("pulled/hf/org--name/*")
    assert partial.name.endswith(".partial")
    hub.pause_s = 0
    hub.forget()
    directory = Path(touchstone("org/name", "--endpoint", hub.endpoint, env=own).stdout.strip())
    assert (directory / "model.safetensors").read_bytes() == WEIGHTS
    assert [sent.range is not None for sent in hub.downloads if "model.safetensors" in sent.path] == [True]
    assert sum(sent.bytes for sent in hub.downloads) < len(WEIGHTS)


def test_a_pull_that_is_killed_takes_its_child_along(hub, own):
    process = running(hub, own)
    children = psutil.Process(process.pid).children(recursive=True)
    hub.pause_s = 60  # so that the child has no other reason to end
    process.kill()
    process.communicate(timeout=60)
    assert children
    assert ended(children)


def test_two_at_once_fetch_it_once(hub, own):
    first = running(hub, own)
    hub.pause_s = 0.5  # so slow that the first cannot end before the second has said that it waits
    second = subprocess.Popen(command("org/name", "--endpoint", hub.endpoint, "--format", "json"), env=own, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    said = []
    while not any("waiting for it" in line for line in said):
        said.append(second.stderr.readline())
        assert said[-1], said
    hub.pause_s = 0
    (out, _), (other, err) = first.communicate(timeout=120), second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0), err
    assert json.loads(other)["path"] == out.strip()
    assert json.loads(other)["from"] == "pulled"
    assert sorted(sent.path.rpartition("/")[2] for sent in hub.downloads) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(("arguments", "code", "word"), [
    (("org/other",), 3, "HF_TOKEN"), (("org/name", "--revision", "v9"), 3, "--revision"), (("org/name", "--revision", "../x"), 2, "revision"),
    (("org/name", "--token-env", "NO_SUCH"), 2, "NO_SUCH"), (("org/name", "--offline"), 3, "--offline"),
    (("org/name", "--output-dir", "/proc/x"), 3, "--output-dir"), (("org/name", "--hub", "openmind"), 2, "https")])
def test_a_users_mistake_is_said_with_what_to_do(hub, own, arguments, code, word):
    done = touchstone(*arguments, "--endpoint", hub.endpoint, env=own, code=code)
    assert done.stdout == ""
    assert word in done.stderr.splitlines()[-1]


def test_a_terminal_obeys_nothing_that_a_hub_says(hub, own):
    hub.listed = [{"rfilename": "\x1b[2Jx\n", "size": 1, "blobId": "0" * 40}]
    assert "\x1b" not in touchstone("org/name", "--endpoint", hub.endpoint, env=own, code=3).stderr


def test_help_is_there_and_asks_no_library(own):
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "touchstone", "pull", "--help"], capture_output=True, text=True, timeout=60,
                          check=True, env=own)
    assert "--hub" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert not {"huggingface_hub", "modelscope_hub", "openmind_hub", "numpy", "rich"} & imported


def test_a_current_directory_that_is_gone_is_said(own, tmp_path):
    script = f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {sys.executable} -m touchstone pull org/name --offline"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False, env=own)
    assert (done.returncode, "no longer there" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
