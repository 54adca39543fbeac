"""vLLM's HTTP server, with vllm-ascend on an NPU and the CPU build on a CPU."""

from __future__ import annotations

from touchstone.errors import UsageError
from touchstone.measure.engines.vllm_facts import DTYPES, check_first_device
from touchstone.measure.servers.commands import ServerCommand, ServerSpec

_UNKNOWN_CACHE_BYTES = 4 << 30
"""What a cache gets whose size nobody can tell."""
_LEAST_CACHE_BYTES = 64 << 20
_CPU_BLOCK_TOKENS = 128


def build(spec: ServerSpec) -> ServerCommand:
    """Its command line. Raises :class:`UsageError` for what vLLM does not have.

    The module is started, not ``vllm serve``: the CPU build on the package index lacks the metadata which that program reads.
    """
    options = spec.options
    check_first_device(spec.device)
    if spec.dtype not in DTYPES:
        raise UsageError("The engine {engine} cannot run {dtype} on {device}.", "It can run: {known}.", engine="vllm-server",
                         dtype=spec.dtype, device=spec.device, known=", ".join(DTYPES))
    arguments = [spec.python, "-m", "vllm.entrypoints.openai.api_server", "--model", spec.model, "--host", spec.host,
                 "--port", str(spec.port), "--dtype", DTYPES[spec.dtype],
                 "--max-model-len", str(options.max_sequence_tokens or spec.sequence_tokens), "--max-num-seqs", str(spec.batch_size),
                 "--no-enable-prefix-caching"]
    if spec.dummy_weights:
        arguments += ["--load-format", "dummy"]
    if options.tensor_parallel:
        arguments += ["--tensor-parallel-size", str(options.tensor_parallel)]
    if options.memory_fraction is not None:
        arguments += ["--gpu-memory-utilization", str(options.memory_fraction)]
    elif spec.device_kind == "cpu":
        arguments += ["--kv-cache-memory-bytes", str(_cache_bytes(spec))]
    if options.graph == "off":
        arguments += ["--enforce-eager"]
    if options.quantization:
        arguments += ["--quantization", options.quantization]
    if options.trust_remote_code:
        arguments += ["--trust-remote-code"]
    return ServerCommand(arguments=(*arguments, *options.server_args), served_model=spec.model, variables=_variables(spec))


def _cache_bytes(spec: ServerSpec) -> int:
    """As large as the plan needs, a spare block per request counted: on a CPU vLLM would take 92 % of the host's memory."""
    if spec.kv_bytes_per_token is None:
        return _UNKNOWN_CACHE_BYTES
    blocks = -(-(spec.options.max_sequence_tokens or spec.sequence_tokens) // _CPU_BLOCK_TOKENS) + 1
    return max(_LEAST_CACHE_BYTES, 2 * spec.batch_size * blocks * _CPU_BLOCK_TOKENS * spec.kv_bytes_per_token)


def _variables(spec: ServerSpec) -> dict[str, str]:
    chosen = {"VLLM_NO_USAGE_STATS": "1"}
    if spec.device_kind == "cpu":
        # Bound threads are as many as there are cores, whatever was asked for; spinning ones cost more where cores are shared.
        chosen |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_WAIT_POLICY": "PASSIVE"}
    if spec.options.threads:
        chosen["OMP_NUM_THREADS"] = str(spec.options.threads)
    return chosen
