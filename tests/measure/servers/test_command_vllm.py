"""The command line of vLLM's server. That its flags exist is proven by tests/peers/test_peer_flags.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import UsageError
from touchstone.measure.servers.commands import ServerSpec
from touchstone.measure.servers.commands.vllm import build
from touchstone.plan import EngineOptions


def spec(device="cuda", dtype="fp16", **options):
    return ServerSpec("/venv/bin/python", "/models/m", device, dtype, "127.0.0.1", 8123, 4, 640, "/run/server-0", EngineOptions(**options))


def value_of(command, flag):
    return command.arguments[command.arguments.index(flag) + 1]


def test_the_whole_command_line():
    command = build(spec("npu", "bf16", tensor_parallel=2, memory_fraction=0.8, graph="off", quantization="ascend",
                         server_args=("--block-size", "128")))
    assert command.arguments == (
        "/venv/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model", "/models/m", "--host", "127.0.0.1", "--port", "8123",
        "--dtype", "bfloat16", "--max-model-len", "640", "--max-num-seqs", "4", "--no-enable-prefix-caching", "--tensor-parallel-size", "2",
        "--gpu-memory-utilization", "0.8", "--enforce-eager", "--quantization", "ascend", "--block-size", "128")
    assert (command.served_model, command.ready_path, command.api_path) == ("/models/m", "/health", "/v1/completions")


def test_what_is_not_asked_for_is_left_to_vllm():
    plain = build(spec()).arguments
    assert not {"--enforce-eager", "--tensor-parallel-size", "--gpu-memory-utilization", "--quantization", "--trust-remote-code",
                "--kv-cache-memory-bytes"} & set(plain)
    assert "--enforce-eager" not in build(spec(graph="on")).arguments


def test_on_a_cpu_the_cache_is_bounded_and_threads_are_as_many_as_were_asked_for():
    command = build(spec("cpu", "fp32", threads=2))
    assert value_of(command, "--kv-cache-memory-bytes") == str(4 * 1024**3)
    assert command.variables["OMP_NUM_THREADS"] == "2"
    assert command.variables["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert "--kv-cache-memory-bytes" not in build(spec("cpu", memory_fraction=0.5)).arguments
    assert "VLLM_CPU_OMP_THREADS_BIND" not in build(spec("cuda")).variables


def test_the_users_limit_goes_before_the_plans():
    assert value_of(build(spec(max_sequence_tokens=4096)), "--max-model-len") == "4096"


def test_a_device_that_is_not_the_first_is_refused_with_the_variable_that_chooses_it():
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES=1"):
        build(spec("cuda:1"))
    with pytest.raises(UsageError, match="cannot run int8"):
        build(spec(dtype="int8"))


@given(st.lists(st.text(max_size=20), max_size=5), st.text(min_size=1, max_size=40))
def test_whatever_the_user_adds_stays_one_argument_each_and_comes_last(added, model):
    given_spec = ServerSpec("python", model, "cuda", "auto", "127.0.0.1", 1, 1, 1, "/d", EngineOptions(server_args=tuple(added)))
    command = build(given_spec)
    assert command.arguments[len(command.arguments) - len(added):] == tuple(added)
    assert value_of(command, "--model") == model


def test_a_model_without_files_gets_weights_from_the_server():
    command = build(replace(spec(), dummy_weights=True))
    assert command.arguments[command.arguments.index("--load-format") + 1] == "dummy"
    assert "--load-format" not in build(spec()).arguments
