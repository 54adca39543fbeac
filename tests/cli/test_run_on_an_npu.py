"""A whole run as it goes on an Ascend host, with stand-ins for what is not here: npu-smi prints recorded tables, the engine a recorded log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.npu_smi import POWER_W, NpuSmi

from touchstone import store

ENGINE = Path(__file__).resolve().parents[1] / "fakes" / "sglang_on_npu.py"
PLAN = """
name: small
trials: 3
warmup: 1
observer_pairs: 1
cases:
  - {name: one, input_tokens: 8, output_tokens: 64}
  - {name: four, input_tokens: 8, output_tokens: 64, batch_size: 4}
"""
MIB = 1 << 20
IN_THE_TABLE_W = 116.6
"""NPU 2's power in the recorded table, which is asked for now and then; the watch prints POWER_W."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def directory(tmp_path_factory, tiny):
    place = tmp_path_factory.mktemp("ascend")
    NpuSmi(place, period_s=0.1)
    python, plan = place / "python", place / "small.yaml"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {ENGINE} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    plan.write_text(PLAN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "touchstone", "run", str(plan), "--engine", "sglang-server", "--device", "npu:2", "--engine-python", str(python),
         "-m", str(tiny), "--dtype", "fp16", "--memory-fraction", "0.8", "-o", str(place / "run")],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PATH": f"{place}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    return place / "run"


@pytest.fixture(scope="module")
def report(directory):
    done = subprocess.run([sys.executable, "-m", "touchstone", "report", str(directory), "--format", "json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_command_is_the_real_one(directory):
    facts = store.read_header(directory)["launches"][0]["facts"]
    command = facts["options"]["command"]
    for part in ("-m sglang.launch_server", "--device npu", "--attention-backend ascend", "--mem-fraction-static 0.8", "--disable-radix-cache"):
        assert part in command
    assert "--backend " not in command
    assert facts["version"] == "sglang-server (sglang 0.5.23, torch-npu 2.8.0)"
    assert facts["device_name"] == "Ascend910B3"


def test_what_the_server_says_is_kept_apart_from_what_was_asked_and_without_secrets(directory):
    options = store.read_header(directory)["launches"][0]["facts"]["options"]
    assert options["server_says"] == {"attention_backend": "ascend", "page_size": 128}
    assert options["log_says"]["weights_bytes"] == round(7.95 * (1 << 30))
    assert options["log_says"]["kv_cache_tokens"] == 589_696
    assert "not to be kept" not in (directory / "run.json").read_text(encoding="utf-8")


def test_the_device_is_watched_from_before_the_load_to_the_end(directory):
    run = store.load(directory)
    samples = [sample for sample in run.device_samples if (sample.kind, sample.index) == ("npu", 2)]
    assert {sample.power_w for sample in samples if sample.memory_used_bytes is None} == set(POWER_W)
    memory = [sample.memory_used_bytes for sample in samples if sample.memory_used_bytes is not None]
    assert set(memory) == {57_856 * MIB}
    first = min(trial.sent_ns for trial in run.trials)
    assert samples[0].at_ns < first < samples[-1].at_ns


def test_the_report_has_power_energy_and_the_limit_of_the_chip(report):
    assert report["run"]["device_name"] == "Ascend910B3"
    one = next(case for case in report["cases"] if case["name"] == "one")
    power = one["metrics"]["power"]["value"]
    assert min(POWER_W) <= power <= IN_THE_TABLE_W
    energy = one["metrics"]["energy_per_token"]["value"]
    assert energy == pytest.approx(power / one["metrics"]["output_throughput"]["value"], rel=0.35)  # the window ends with the last token
    rules = {verdict["rule"]: verdict["status"] for verdict in report["verdicts"] if verdict["case"] in {"one", None}}
    assert rules["PH1"] == "pass"  # the chip is known by the name in npu-smi's table
    assert rules["device-shared"] == "suspect"  # the table shows somebody's process on it, and never ours
    assert report["telemetry"]["idle_memory_bytes"] == 57_856 * MIB
