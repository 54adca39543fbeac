"""``touchstone footprint --run``: a run that was really made needs no further option."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LOGS = Path(__file__).parents[1] / "data" / "server-logs"


def touchstone(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([sys.executable, "-m", "touchstone", *map(str, arguments)], capture_output=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def document(*arguments):
    return json.loads(touchstone("footprint", *arguments, "--format", "json").stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    for name in ("xllamacpp", "gguf"):
        pytest.importorskip(name)
    directory = tmp_path_factory.mktemp("runs") / "made"
    touchstone("run", "quick", "--engine", "llamacpp-server", "--model", "tiny", "--case", "short", "-r", "2", "--warmup", "1", "-o", directory, "--ui", "none")
    return directory


def test_a_run_brings_its_log_model_dtype_and_device(run):
    found = document("--run", run)
    assert found["engine"] == "llama.cpp"
    assert found["ready"]
    accounting, device = found["accounting"], found["device"]
    assert (accounting["dtype"], accounting["parameters"], accounting["rank_kv_bytes_per_token"]) == ("fp16", 631_424, 512)
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))["launches"][0]["facts"]
    assert accounting["weights_bytes"] == pytest.approx(facts["weight_bytes"], rel=0.01)
    assert device["visible_bytes"] == facts["memory_total_bytes"]
    assert accounting["weights_bytes"] < device["used_bytes"] < device["visible_bytes"]
    assert "resident" in device["used_counts"]
    assert b"Device" in touchstone("footprint", "--run", run, "--lang", "en").stdout


def test_options_take_the_place_of_what_the_run_says(run):
    found = document("--run", run, "--log", LOGS / "vllm-ascend-0.11-tp8-910B-qwen3-32b.txt", "--model", "Qwen3-32B", "--dtype", "int8", "--device", "910B3")
    assert (found["engine"], found["accounting"]["model"], found["accounting"]["dtype"]) == ("vllm-ascend", "Qwen3-32B", "int8")
    assert found["device"]["source"] == "Ascend 910B3"
    rows = {row["part"]: row for row in found["reconciliation"]}
    assert rows["total"]["device_bytes"] == found["device"]["used_bytes"]


def test_a_model_that_is_gone_is_known_by_its_name_and_an_empty_log_is_none(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    header = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    header["target"]["model"] = str(tmp_path / "gone" / "tiny")
    (copy / "run.json").write_text(json.dumps(header), encoding="utf-8")
    (copy / "server-0.log").write_bytes(b"")
    found = document("--run", copy)
    assert (found["engine"], found["accounting"]["parameters"]) == (None, 631_424)


def test_what_is_no_run_is_said(tmp_path):
    assert b"not a run" in touchstone("footprint", "--run", tmp_path, code=3).stderr
    assert b"not a run" in touchstone("footprint", "--run", tmp_path / "absent", code=3).stderr
