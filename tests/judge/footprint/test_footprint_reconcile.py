"""A log beside arithmetic: what agrees is said to, what does not is explained, and what cannot be is called so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.engine_log import read_log
from touchstone.errors import UsageError
from touchstone.footprint import DeviceMemory
from touchstone.judge.footprint import Question, footprint_of
from touchstone.judge.footprint.accounting import accounting_of, rank_kv_bytes_per_token, rank_weights
from touchstone.judge.footprint.device import device_named
from touchstone.message import say
from touchstone.simulate.accounting import kv_bytes_per_token, parameters, weight_bytes
from touchstone.simulate.known_models import known_models

LOGS = Path(__file__).parents[2] / "data" / "server-logs"
MODELS = known_models()
GIB = 1 << 30


def footprint(log=None, **asked):
    text = None if log is None else (LOGS / log).read_text(encoding="utf-8") if log.endswith(".txt") else log
    if "model" in asked:
        asked["model"] = MODELS[asked["model"]]
    if "device" in asked:
        asked["device"] = device_named(asked["device"])
    return footprint_of(Question(**asked), None if text is None else read_log(text.splitlines()))


def part(found, name):
    return next(one for one in found.parts if one.part == name)


def test_a_sound_log_agrees_in_weights_and_pool():
    found = footprint("vllm-ascend-0.11-tp8-910B-qwen3-32b.txt", model="Qwen3-32B", tp=8)
    weights, pool = part(found, "weights"), part(found, "kv_cache")
    assert (weights.ratio, pool.ratio) == (pytest.approx(1.0074, abs=1e-4), pytest.approx(1.0, abs=1e-4))
    assert str(weights.says) == "bf16 weights agree with the log within 0.74 %"
    assert str(pool.says) == "32,770 bytes per token, as counted (32,768)"
    assert found.accounting.rank_kv_bytes_per_token == 64 * 2 * 128 * 2  # layers, K and V, one head of eight, two bytes
    assert "taken for good" in str(part(found, "total").says)
    assert part(found, "memory").log_bytes == 65_452_113_920


def test_devices_that_nobody_names_follow_from_weights_and_pool_together():
    found = footprint("vllm-ascend-0.11-tp8-910B-qwen3-32b.txt", model="Qwen3-32B")
    assert found.accounting.tp == 8
    assert any("both agree with 8" in str(note) for note in found.notes)
    weights_alone = footprint("Loading model weights took 7.6857 GB", model="Qwen3-32B")
    assert weights_alone.accounting.tp == 1
    assert not any("both agree" in str(note) for note in weights_alone.notes)


def test_llama_2_in_half_precision_is_its_own_log():
    weights = part(footprint("vllm-ascend-0.9.1-310P-llama2-7b.txt", model="Llama-2-7B"), "weights")
    assert weights.accounting_bytes == 13_476_831_232
    assert weights.ratio == pytest.approx(1.00017, abs=1e-5)


@pytest.mark.parametrize(("log", "asked", "words"), [
    ("vllm-ascend-0.9.1-310P-llama2-7b.txt", {"model": "Llama-2-7B", "dtype": "fp32"}, "50 % less than fp32 weights; bf16 weights would agree"),
    ("vllm-ascend-0.9.1-310P-llama2-7b.txt", {"model": "Llama-2-7B", "dtype": "int8"}, "bf16 weights would agree"),
    ("vllm-ascend-0.11-tp8-910B-qwen3-32b.txt", {"model": "Qwen3-32B", "tp": 1}, "shared out over 8 devices they would agree"),
    ("vllm-ascend-0.11-tp8-910B-qwen3-32b.txt", {"model": "Qwen3-32B", "dtype": "int8"}, "bf16 weights shared out over 8 devices would agree"),
    ("vllm-ascend-0.9.1-310P-llama2-7b.txt", {"model": "Llama-3-8B"}, "another model might"),
    ("Model loading took 13.477 GiB memory", {"model": "Llama-2-7B"}, "if its GB were 10⁹ bytes they would agree"),
])
def test_weights_that_differ_are_explained(log, asked, words):
    assert words in str(part(footprint(log, **asked), "weights").says)


@pytest.mark.parametrize(("asked", "words"), [
    ({"tp": 8}, "as counted"), ({"tp": 8, "kv_dtype": "fp8"}, "values of 16 bits would agree"), ({"tp": 4}, "values of 8 bits would agree, or shared out over 8 devices they would agree"),
    ({"tp": 8, "kv_dtype": "fp32"}, "values of 16 bits would agree"), ({"tp": 1, "kv_dtype": "fp32"}, "values of 16 bits shared out over 8 devices"),
])
def test_a_pool_that_differs_is_explained(asked, words):
    found = footprint("vllm-ascend-0.11-tp8-910B-qwen3-32b.txt", model="Qwen3-32B", **asked)
    assert words in str(part(found, "kv_cache").says)


def test_a_pool_that_cannot_be_is_said():
    assert "nothing is left" in str(part(footprint("vllm-ascend-negative-kv-fragment.txt"), "kv_cache").says)
    log = "Model loading took 20.0 GiB memory\nAvailable KV cache memory: 50.0 GiB"
    assert str(part(footprint(log, device="910B"), "total").says).startswith("impossible: 75.16 GB (70 GiB) lie in a memory of 65.45 GB")
    assert str(part(footprint(log, device="80GiB"), "total").says) == "75.16 GB (70 GiB) of 85.90 GB (80 GiB) are taken for good"
    assert part(footprint(log), "total").says is None


def test_activations_come_and_go():
    log = "Model loading took 30.0 GiB memory\nAvailable KV cache memory: 28.0 GiB\nPyTorch activation peak memory takes 4.0GiB;"
    found = footprint(log, device="60.9GiB")
    assert "impossible" not in str(part(found, "total").says)
    assert part(found, "total").log_bytes == 62 * GIB


def test_a_device_s_label_is_not_what_a_program_is_offered():
    found = footprint(model="Llama-3-8B", device="A100")
    assert (found.device.visible_bytes, found.device.label_bytes) == (None, 80 * GIB)
    assert any("only the label" in str(note) for note in found.notes)
    assert footprint(model="Llama-3-8B", device="910B").device.visible_bytes == 65_452_113_920
    with pytest.raises(UsageError, match="Unknown device"):
        device_named("abacus")


def test_how_many_devices_is_asked_for_where_the_log_shows_several():
    log = "(Worker_TP1 pid=1) INFO Model loading took 7.0 GiB memory\n(Worker_TP0 pid=2) INFO Model loading took 7.0 GiB memory"
    assert any("--tp" in str(note) for note in footprint(log, model="Llama-3-8B").notes)
    assert not any("--tp" in str(note) for note in footprint(log, model="Llama-3-8B", tp=2).notes)
    stated = "INFO non-default args: {'tensor_parallel_size': 2}\n" + log
    assert footprint(stated, model="Llama-3-8B").accounting.tp == 2


def test_a_draft_and_an_unknown_model_still_have_rows():
    found = footprint("sglang-2026-02-cuda-hybrid.txt")
    assert [one.part for one in found.parts] == ["weights", "kv_cache", "activation", "graph", "other", "total", "memory"]
    assert all(one.accounting_bytes is None for one in found.parts)


anyone = st.sampled_from(sorted(MODELS)).map(MODELS.__getitem__)


@given(arch=anyone, tp=st.integers(1, 64), dtype=st.sampled_from(["bf16", "fp32", "int8", "int4"]))
@settings(max_examples=150, deadline=None)
def test_devices_together_hold_the_model_and_little_more(arch, tp, dtype):
    one, whole = rank_weights(arch, dtype, tp), weight_bytes(arch, dtype)
    assert tp * one >= whole - tp
    assert one <= whole + 1
    assert rank_weights(arch, dtype, 1) == pytest.approx(whole, abs=1)
    assert one >= rank_weights(arch, dtype, tp + 1) - 1
    if tp <= arch.kv_heads and arch.latent is None:
        assert tp * one <= 1.02 * whole  # norms and routers only


@given(arch=anyone, tp=st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_one_device_s_keys_and_values(arch, tp):
    whole, one = kv_bytes_per_token(arch, 2), rank_kv_bytes_per_token(arch, 2, tp)
    assert one <= whole <= tp * one
    assert accounting_of(arch, None if arch.dtype or arch.quantization else "bf16", None, tp, (10,)).parameters == parameters(arch)


@given(arch=anyone, tp=st.sampled_from([1, 2, 4, 8]), dtype=st.sampled_from(["bf16", "fp32", "fp8", "int4"]), wrong=st.sampled_from(["bf16", "fp32", "fp8", "int4"]),
       tokens=st.integers(1000, 10**6))
@settings(max_examples=100, deadline=None)
def test_a_log_written_by_arithmetic_agrees_with_it_and_shows_a_wrong_dtype(arch, tp, dtype, wrong, tokens):
    arch = replace(arch, quantization=None, dtype="bf16")
    size = rank_weights(arch, dtype, tp)
    pool = tokens * rank_kv_bytes_per_token(arch, 2, tp)
    log = read_log([f"Model loading took {size / GIB:.9f} GiB memory", f"Available memory: {pool}, total memory: 65452113920", f"GPU KV cache size: {tokens:,} tokens"])
    right = footprint_of(Question(model=arch, dtype=dtype, tp=tp, kv_dtype="bf16"), log)
    assert "agree with the log within 0" in str(part(right, "weights").says)
    assert "as counted" in str(part(right, "kv_cache").says) or pool < 100_000
    other = footprint_of(Question(model=arch, dtype=wrong, tp=tp, kv_dtype="bf16"), log)
    if abs(size / rank_weights(arch, wrong, tp) - 1) > 0.02:
        assert "agree" in str(part(other, "weights").says).partition("weights; ")[2]


def test_the_device_of_the_log_serves_where_none_is_named():
    found = footprint("vllm-0.7-v0-cuda.txt", model="Llama-3-8B")
    assert found.device == DeviceMemory(say("as the engine sees it"), visible_bytes=round(39.56 * GIB))
