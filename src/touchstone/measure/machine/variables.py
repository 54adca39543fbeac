"""The environment variables that change how engines run."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLES = re.compile(
    r"^(OMP_|MKL_|KMP_|GOMP_|OPENBLAS_|TORCH|PYTORCH_|CUDA_|NCCL_|ASCEND_|HCCL_|LCCL_|TASK_QUEUE_ENABLE|CPU_AFFINITY_CONF|ATB_|"
    r"GGML_|LLAMA_|VLLM_|SGLANG_|TOUCHSTONE_|LD_PRELOAD$|MALLOC_)")
_PRIVATE = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|HOST|_IP\b|ADDR|URL|ENDPOINT|PROXY", re.IGNORECASE)
_UUID = re.compile(r"(GPU|MIG)-[0-9a-fA-F-]{8,}")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("127.0.0.1", "localhost")


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that change how engines run, without any that could hold a secret, an address or a serial number."""
    return {name: _UUID.sub(r"\1-…", value) for name, value in sorted(environment.items())
            if _VARIABLES.match(name) and not _PRIVATE.search(name)}


def proxies(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the proxy variables that are set. Their values are addresses, and often hold a password."""
    return tuple(sorted(name for name, value in environment.items() if name.lower() in _PROXIES and value.strip()))


def loopback_direct(environment: Mapping[str, str]) -> bool:
    """Whether ``no_proxy`` (the lower case name counts first, as for curl) excepts both loopback names."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    excepted = {part.strip().lstrip(".") for part in listed.split(",")}
    return "*" in excepted or excepted.issuperset(_LOOPBACK) or ("localhost" in excepted and "127.0.0.0/8" in excepted)
