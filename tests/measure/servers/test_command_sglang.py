"""The command line of SGLang's server. That its flags exist is proven by tests/peers/test_peer_flags.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from touchstone.errors import UsageError
from touchstone.measure.servers.commands import ServerSpec
from touchstone.measure.servers.commands.sglang import build
from touchstone.plan import EngineOptions


def spec(device="cuda", dtype="fp16", **options):
    return ServerSpec("python", "/models/m", device, dtype, "127.0.0.1", 8123, 4, 640, "/run/server-0", EngineOptions(**options))


def test_the_whole_command_line_on_an_npu():
    command = build(spec("npu:2", "bf16", tensor_parallel=2, memory_fraction=0.8, graph="off", quantization="modelslim", trust_remote_code=True,
                         threads=8, server_args=("--page-size", "128")))
    assert command.arguments == (
        "python", "-m", "sglang.launch_server", "--model-path", "/models/m", "--host", "127.0.0.1", "--port", "8123", "--device", "npu",
        "--dtype", "bfloat16", "--context-length", "648", "--max-running-requests", "4", "--disable-radix-cache", "--base-gpu-id", "2",
        "--attention-backend", "ascend", "--tp-size", "2", "--mem-fraction-static", "0.8", "--disable-cuda-graph", "--quantization",
        "modelslim", "--trust-remote-code", "--page-size", "128")
    assert command.variables == {"OMP_NUM_THREADS": "8"}
    assert command.served_model == "/models/m"


def test_a_gpu_gets_no_kernels_of_an_npu_and_nothing_that_was_not_asked_for():
    command = build(spec("cuda:0"))
    assert not {"--attention-backend", "--base-gpu-id", "--tp-size", "--mem-fraction-static", "--disable-cuda-graph", "--quantization",
                "--trust-remote-code"} & set(command.arguments)
    assert command.variables == {}


def test_an_output_that_fills_the_sequence_has_room():
    """The scheduler keeps tokens of every sequence for itself; the user's own limit is passed as it is."""
    def limit(**options):
        arguments = build(spec(**options)).arguments
        return int(arguments[arguments.index("--context-length") + 1])

    assert limit() > 640
    assert limit(max_sequence_tokens=640) == 640


def test_a_dtype_that_sglang_does_not_have_is_refused():
    with pytest.raises(UsageError, match="cannot run int8"):
        build(spec(dtype="int8"))


def test_a_model_without_files_gets_weights_from_the_server():
    command = build(replace(spec(), dummy_weights=True))
    assert command.arguments[command.arguments.index("--load-format") + 1] == "dummy"
    assert "--load-format" not in build(spec()).arguments
