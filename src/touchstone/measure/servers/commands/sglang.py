"""SGLang's HTTP server; on an NPU with its Ascend kernels."""

from __future__ import annotations

from touchstone.errors import UsageError
from touchstone.measure.engines.vllm_facts import DTYPES
from touchstone.measure.servers.commands import ServerCommand, ServerSpec

CONTEXT_SLACK = 8
"""Tokens that the scheduler keeps of a sequence for itself: an output that fills the context would come out short."""


def build(spec: ServerSpec) -> ServerCommand:
    """Its command line. Raises :class:`UsageError` for what SGLang does not have."""
    options = spec.options
    if spec.dtype not in DTYPES:
        raise UsageError("The engine {engine} cannot run {dtype} on {device}.", "It can run: {known}.", engine="sglang-server",
                         dtype=spec.dtype, device=spec.device, known=", ".join(DTYPES))
    arguments = [spec.python, "-m", "sglang.launch_server", "--model-path", spec.model, "--host", spec.host, "--port", str(spec.port),
                 "--device", spec.device_kind, "--dtype", DTYPES[spec.dtype],
                 "--context-length", str(options.max_sequence_tokens or spec.sequence_tokens + CONTEXT_SLACK),
                 "--max-running-requests", str(spec.batch_size), "--disable-radix-cache"]
    index = spec.device.partition(":")[2]
    if index not in {"", "0"}:
        arguments += ["--base-gpu-id", index]
    if spec.device_kind == "npu":
        arguments += ["--attention-backend", "ascend"]
    if spec.dummy_weights:
        arguments += ["--load-format", "dummy"]
    if options.tensor_parallel:
        arguments += ["--tp-size", str(options.tensor_parallel)]
    if options.memory_fraction is not None:
        arguments += ["--mem-fraction-static", str(options.memory_fraction)]
    if options.graph == "off":
        arguments += ["--disable-cuda-graph"]
    if options.quantization:
        arguments += ["--quantization", options.quantization]
    if options.trust_remote_code:
        arguments += ["--trust-remote-code"]
    variables = {"OMP_NUM_THREADS": str(options.threads)} if options.threads else {}
    return ServerCommand(arguments=(*arguments, *options.server_args), served_model=spec.model, variables=variables)
