"""What a run knows of its model and device, beside a recorded log and arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import GB, make_facts
from device_runs import make_account, make_trials, sampled, steady, watched_run, without

from touchstone.engine_log import read_log
from touchstone.footprint import DeviceMemory
from touchstone.judge.footprint import Question, completed, footprint_of, models_of
from touchstone.message import say
from touchstone.record import MemoryPeaks
from touchstone.simulate.known_models import known_models

QWEN = Path(__file__).parents[2] / "data" / "server-logs" / "vllm-ascend-0.11-tp8-910B-qwen3-32b.txt"
QUESTION = Question(model=known_models()["Qwen3-32B"])


def launches(**facts):
    return [{"launch": 0, "facts": make_facts(**facts)}]


def target(**changes):
    return {"engine": "vllm", "device": "npu", "model": "/models/Qwen3-32B", "dtype": "bf16", "options": {"tensor_parallel": 8}, **changes}


def test_log_arithmetic_and_device_stand_side_by_side():
    eight = tuple(sample for index in range(8) for sample in sampled(steady, index=index, kind="npu"))
    run = watched_run(eight, target=target(), launches=launches(device="npu", device_name="Ascend910B3", memory_total_bytes=64 << 30))
    found = footprint_of(completed(QUESTION, run), read_log(QWEN.read_text(encoding="utf-8").splitlines()))
    rows = {row.part: row for row in found.parts}
    assert rows["weights"].ratio == pytest.approx(1.0074, abs=1e-4)
    assert rows["kv_cache"].ratio == pytest.approx(1.0, abs=1e-4)
    assert found.device.used_bytes == 20 * GB - GB // 2  # of one device, above idle
    assert rows["total"].device_bytes == found.device.used_bytes
    assert rows["other"].device_bytes is None
    assert "less than the log lists" in str(rows["other"].says)  # the hand-made device holds 20 GB, the log 58
    assert found.device.visible_bytes is not None
    assert found.device.label_bytes == 64 << 30


def test_what_the_log_does_not_explain_is_other_and_the_device_adds_up():
    held = sampled(lambda at_ns: {**steady(at_ns), "memory_used_bytes": (1 if at_ns < 10**10 else 61) * GB})
    found = footprint_of(completed(QUESTION, watched_run(held, target=target())), read_log(QWEN.read_text(encoding="utf-8").splitlines()))
    rows = {row.part: row for row in found.parts}
    assert rows["total"].device_bytes == 60 * GB
    assert rows["other"].device_bytes == 60 * GB - rows["total"].log_bytes
    assert "more than the parts above" in str(rows["other"].says)


def test_a_reading_of_everybody_explains_no_rest():
    device = DeviceMemory(say("x"), visible_bytes=64 << 30, used_bytes=63 << 30)
    rows = {row.part: row for row in footprint_of(replace(QUESTION, tp=8, device=device), read_log(QWEN.read_text(encoding="utf-8").splitlines())).parts}
    assert (rows["other"].device_bytes, rows["other"].says) == (None, None)


@pytest.mark.parametrize(("facts", "changes", "dtype"), [
    ({"dtypes": {"fp16": 10, "fp32": 2}}, {}, "fp16"), ({"dtypes": {"int32": 10}}, {}, "bf16"), ({}, {"options": {"quantization": "fp8"}}, "fp8"),
    ({}, {"options": {"quantization": "ascend"}}, "bf16"), ({"dtypes": {}}, {"dtype": "auto"}, None), ({"dtypes": None}, {"options": None}, "bf16"),
])
def test_the_dtype_is_what_the_engine_holds(facts, changes, dtype):
    assert completed(QUESTION, watched_run(target=target(**changes), launches=launches(**facts))).dtype == dtype


def test_a_quantised_checkpoint_keeps_its_own_dtype_and_what_was_given_counts():
    quantised = known_models()["DeepSeek-V3"]
    assert quantised.quantization is not None
    assert completed(Question(model=quantised), watched_run(target=target())).dtype is None
    given = completed(replace(QUESTION, dtype="int8", tp=2, device=DeviceMemory(say("mine"), visible_bytes=5)), watched_run(target=target()))
    assert (given.dtype, given.tp, given.device.visible_bytes) == ("int8", 2, 5)
    assert given.device.used_bytes == 20 * GB - GB // 2


def test_on_a_cpu_the_engine_s_resident_memory_is_what_it_takes():
    trials = [replace(trial, memory=MemoryPeaks(resident_bytes=size * GB)) for trial, size in zip(make_trials(3), (2, 4, 3), strict=True)]
    run = watched_run((), trials, launches=launches(device="cpu", device_name="AMD EPYC", memory_total_bytes=25 * GB))
    device = completed(QUESTION, run).device
    assert (device.visible_bytes, device.used_bytes, device.label_bytes) == (25 * GB, 4 * GB, None)
    assert "resident" in str(device.used_counts)


@pytest.mark.parametrize("header", [
    {"launches": []}, {"launches": None}, {"target": None}, {"launches": [{"launch": 0}]}, {"asked": None, "target": {}}])
def test_what_a_run_does_not_know_stays_unknown(header):
    run = watched_run(sampled(without("memory_used_bytes")), accounts=[make_account(sensor=None)], **header)
    question = completed(QUESTION, run)
    assert question.device is None or question.device.used_bytes is None
    assert all(models_of(run))


def test_the_model_is_looked_for_in_its_directory_then_by_its_names():
    run = watched_run(target=target(model="/models/q/Qwen2-7B-Q4_K_M.gguf"))
    assert models_of(run) == ("/models/q", "/models/small", "Qwen2-7B-Q4_K_M.gguf")
    assert models_of(watched_run(target=target()))[0] == "/models/Qwen3-32B"
