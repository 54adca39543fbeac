"""llama.cpp's own HTTP server: the ``llama-server`` program where there is one, else the same server in the ``xllamacpp`` wheel."""

from __future__ import annotations

import shutil

from touchstone.measure.servers.commands import ServerCommand, ServerSpec


def build(spec: ServerSpec) -> ServerCommand:
    """Its command line: one slot per request of a batch, no prompt cache, every layer on the accelerator where there is one.

    An interpreter that was named is meant to be used, whatever programs there are.
    """
    options = spec.options
    program = None if options.engine_python else shutil.which("llama-server")
    arguments = [program] if program else [spec.python, "-m", "touchstone", "llamacpp-host"]
    arguments += ["--model", spec.model, "--host", spec.host, "--port", str(spec.port), "--alias", spec.model,
                  "--parallel", str(spec.batch_size), "--ctx-size", str(spec.batch_size * (spec.sequence_tokens + 8)),
                  "--no-kv-unified", "--no-cache-prompt", "--cache-ram", "0", "--ctx-checkpoints", "0", "--no-context-shift", "--fit", "off",
                  "--metrics"]
    if options.threads:
        arguments += ["--threads", str(options.threads), "--threads-batch", str(options.threads)]
    if spec.device_kind != "cpu":
        arguments += ["--n-gpu-layers", "999"]
    if spec.dtype == "fp32":  # its flash attention works in halves on long prompts, whatever the cache holds
        arguments += ["--cache-type-k", "f32", "--cache-type-v", "f32", "--flash-attn", "off"]
    return ServerCommand(arguments=(*arguments, *options.server_args), served_model=spec.model)
