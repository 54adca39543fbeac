"""``touchstone footprint`` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOGS = Path(__file__).parents[1] / "data" / "server-logs"
QWEN = LOGS / "vllm-ascend-0.11-tp8-910B-qwen3-32b.txt"
GOLDEN = {
    "qwen3-32b-tp8.txt": ("--log", QWEN.name, "--model", "Qwen3-32B", "--tp", "8", "--device", "910B3", "--sessions", "100"),
    "claim-48.2.txt": ("--model", "Llama-3-8B", "--device", "910B", "--tokens", "4096", "--claim", "48.2 GB"),
}


def touchstone(*arguments: object, code: int = 0, **given) -> subprocess.CompletedProcess[bytes]:
    variables = {**os.environ, "COLUMNS": "80", "TOUCHSTONE_LANG": "en"}
    done = subprocess.run([sys.executable, "-m", "touchstone", "footprint", *map(str, arguments)], capture_output=True, timeout=60, check=False, cwd=LOGS,
                          env=variables, **given)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def document(*arguments, **given):
    return json.loads(touchstone(*arguments, "--format", "json", **given).stdout)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_text_is_that_of_the_golden_file(name):
    text = touchstone(*GOLDEN[name]).stdout.decode()
    assert text == (LOGS / "golden" / name).read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80


def test_json_has_the_figures_of_one_rank_at_its_top():
    found = document("--log", QWEN)
    assert {name: found[name] for name in ("engine", "weights_bytes", "kv_cache_bytes", "kv_cache_tokens", "activation_bytes", "graph_bytes", "ranks", "rank",
                                           "device_total_bytes", "engine_version", "ready", "starts")} == {
        "engine": "vllm-ascend", "weights_bytes": 8_252_457_537, "kv_cache_bytes": 49_075_702_272, "kv_cache_tokens": 1_497_600, "activation_bytes": None,
        "graph_bytes": 429_496_730, "ranks": 2, "rank": "TP0", "device_total_bytes": 65_452_113_920, "engine_version": "0.11.2", "ready": False, "starts": 1}
    assert found["evidence"]["kv_cache_tokens"] == [
        {"line": 9, "text": "(EngineCore_DP0 pid=149178) INFO 12-01 06:30:00 [kv_cache_utils.py:1229] GPU KV cache size: 1,497,600 tokens"}]
    assert found["accounting"] is None
    assert any("activation_bytes" in note for note in found["notes"])


def test_json_sets_log_arithmetic_and_device_side_by_side():
    found = document(*GOLDEN["qwen3-32b-tp8.txt"])
    rows = {row["part"]: row for row in found["reconciliation"]}
    assert set(rows["weights"]) == {"part", "log_bytes", "accounting_bytes", "device_bytes", "ratio", "says"}
    assert rows["weights"]["log_bytes"] == found["weights_bytes"]
    assert rows["weights"]["accounting_bytes"] == found["accounting"]["rank_weights_bytes"]
    assert rows["memory"] == {"part": "memory", "log_bytes": 65_452_113_920, "accounting_bytes": None, "device_bytes": 65_452_113_920, "ratio": None, "says": None}
    assert [(one["tokens"], one["fraction"]) for one in found["capacity"]] == [(2048, share) for share in (None, 0.8, 0.85, 0.9, 0.95)]
    assert found["needs"][0]["sessions"] == 100


def test_without_a_log_everything_logged_is_null():
    found = document(*GOLDEN["claim-48.2.txt"])
    assert all(found[name] is None for name in ("engine", "weights_bytes", "kv_cache_bytes", "kv_cache_tokens", "activation_bytes", "graph_bytes", "ranks", "rank",
                                                "device_total_bytes"))
    assert found["evidence"] == {}
    assert [(one["unit"], one["pool_tokens"]) for one in found["claim"]["readings"]] == [("GB", 367_736), ("GiB", 394_854)]


def test_a_log_comes_from_standard_input():
    assert document("--log", "-", input=QWEN.read_bytes()) == document("--log", QWEN)


def test_a_directory_a_file_and_a_synthetic_model_are_models(tmp_path):
    config = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100,
              "torch_dtype": "float16"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert document("--model", tmp_path)["accounting"] == document("--model", tmp_path / "config.json")["accounting"]
    assert document("--model", "tiny")["accounting"]["rank_kv_bytes_per_token"] == 512
    assert b"dtype" in touchstone("--model", "tiny", "--dtype", "fp1", code=2).stderr


def test_the_device_may_come_from_a_saved_listing(tmp_path):
    listing = tmp_path / "smi.csv"
    listing.write_text("index, name, memory.total [MiB], memory.used [MiB]\n0, NVIDIA L40S, 46068 MiB, 1234 MiB\n")
    found = document("--model", "Llama-3-8B", "--devices-from", listing)
    assert found["device"]["visible_bytes"] == 48_305_799_168
    assert found["device"]["used_bytes"] == 1234 << 20
    (tmp_path / "empty").write_text("nothing\n")
    piped = document("--model", "Llama-3-8B", "--devices-from", "-", input=listing.read_bytes())
    assert piped["device"]["used_bytes"] == 1234 << 20
    assert b"how much memory" in touchstone("--model", "Llama-3-8B", "--devices-from", tmp_path / "empty", code=3).stderr


@pytest.mark.parametrize(("arguments", "code", "word"), [
    ((), 2, b"nothing to look at"), (("--log", ""), 2, b"nothing to look at"), (("--model", "./absent"), 3, b"absent cannot be read"),
    (("--model", QWEN.name), 3, b"is no config.json"), (("--log", "absent.log"), 3, b"absent.log"), (("--log", "."), 3, b"cannot be read"), (("--model", "Lama-3-8B"), 2, b"Llama-3-8B"),
    (("--model", "Llama-3-8B", "--device", "abacus"), 2, b"abacus"), (("--model", "Llama-3-8B", "--claim", "many"), 2, b"not a size"),
    (("--log", "mindie-start-ok.txt", "--claim", "48.2 GB"), 2, b"--model"), (("--model", "Llama-3-8B", "--dtype", "bf15"), 2, b"bf16"),
])
def test_what_cannot_be_answered_is_said(arguments, code, word):
    assert word in touchstone(*arguments, code=code).stderr


def test_a_terminal_obeys_nothing_that_a_log_says(tmp_path):
    path = tmp_path / "hostile.log"
    path.write_bytes(b"(Worker_TP0 pid=1) \x1b]0;owned\x07\x1b[2J<b> \x00 Model loading took 9.1 GiB memory and 3 seconds \xff\n" + b"\x1b" * 100_000 + b"[" * 300_000)
    for face in ("text", "json"):
        out = touchstone("--log", path, "--format", face).stdout
        assert not set(b"\x1b\x07\x00") & set(out)
    assert document("--log", path)["weights_bytes"] == round(9.1 * (1 << 30))


def test_a_log_of_nothing_known_says_so():
    out = touchstone("--log", "oom-npu.txt").stdout.decode()
    assert "no line of a known engine" in out
    assert "unknown engine" in out


def test_help_is_there():
    assert b"--claim" in touchstone("--help").stdout
