"""``transformers serve``, the HTTP server of the transformers library."""

from __future__ import annotations

from touchstone.errors import UsageError
from touchstone.measure.servers.commands import ServerCommand, ServerSpec

_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def build(spec: ServerSpec) -> ServerCommand:
    """Its command line. A batch needs continuous batching: without it requests wait in a queue.

    The pool of KV blocks is sized from the host's memory unless it is told otherwise, so it is told what the plan needs.
    """
    options = spec.options
    if spec.dtype not in _DTYPES:
        raise UsageError("The engine {engine} cannot run {dtype} on {device}.", "It can run: {known}.", engine="transformers-serve", dtype=spec.dtype,
                         device=spec.device, known=", ".join(_DTYPES))
    arguments = [spec.python, "-m", "transformers.cli.transformers", "serve", spec.model, "--host", spec.host, "--port", str(spec.port),
                 "--device", spec.device, "--dtype", _DTYPES[spec.dtype]]
    if options.attention:
        arguments += ["--attn-implementation", options.attention]
    if options.quantization:
        arguments += ["--quantization", options.quantization]
    if options.compile:
        arguments += ["--compile"]
    if options.trust_remote_code:
        arguments += ["--trust-remote-code"]
    if spec.batch_size > 1:
        arguments += _batching(spec)
    return ServerCommand(
        arguments=(*arguments, *options.server_args), served_model=spec.model, answers_as=(f"{spec.model}@main",),  # it names the revision, also of a directory
        # Spinning threads cost torch 3.7x where cores are shared (docs/design/0002-thread-waiting.md).
        variables={"OMP_WAIT_POLICY": "PASSIVE", **({"OMP_NUM_THREADS": str(options.threads)} if options.threads else {})})


def _batching(spec: ServerSpec) -> list[str]:
    block = 32
    blocks = spec.batch_size * (-(-spec.sequence_tokens // block) + 1)
    return ["--continuous-batching", "--cb-block-size", str(block), "--cb-num-blocks", str(max(64, blocks)),
            "--cb-max-batch-tokens", str(max(128, spec.sequence_tokens))]
