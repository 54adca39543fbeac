"""MindIE Server, which takes no command line but a ``config.json`` of its own.

Keys and ranges are those of MindIE's "Configuration Parameters (Service-Specific)", 2.x:
https://www.hiascend.com/document/detail/en/mindie/230/LLMframe/llmdev/mindie_service0285.html
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import PurePath

from touchstone.errors import UsageError
from touchstone.measure.servers.commands import ServerCommand, ServerSpec

_HOME = "/usr/local/Ascend/mindie/latest/mindie-service"
_PROGRAMS = ("mindieservice_daemon", "mindie_llm_server")
_TOKEN_TIMEOUT_S, _REQUEST_TIMEOUT_S = 3600, 65_535  # the most it takes; by default a request is cut off after 600 s
_PREFILL_TOKENS, _PREFILL_BATCH = 8192, 50
_LINKS = 1000


def build(spec: ServerSpec) -> ServerCommand:
    """Its configuration in ``spec.directory``, found by ``MIES_CONFIG_JSON_PATH``. Raises :class:`UsageError` for what it does not have."""
    options = spec.options
    if options.server_args:
        raise UsageError("MindIE takes no arguments on its command line.", "Leave --server-arg out; the rest is in its config.json.")
    if spec.dtype != "auto":
        raise UsageError("MindIE runs a model in the dtype that the model's config.json names, and cannot be asked for {dtype}.",
                         "Leave --dtype out.", dtype=spec.dtype)
    path = f"{spec.directory}/config.json"
    # Without these two a container's own address would go before the one in the file.
    variables = {"MIES_CONFIG_JSON_PATH": path, "MIES_CONTAINER_IP": spec.host, "MIES_CONTAINER_MANAGEMENT_IP": spec.host,
                 "MINDIE_LOG_TO_STDOUT": "1"}
    if options.memory_fraction is not None:
        variables["NPU_MEMORY_FRACTION"] = str(options.memory_fraction)
    if options.threads:
        variables["OMP_NUM_THREADS"] = str(options.threads)
    name = model_name(spec.model)
    return ServerCommand(
        arguments=(_program(os.environ),), served_model=name, variables=variables,
        files={path: json.dumps(configuration(spec, name), indent=1) + "\n"}, ready_line="Daemon start success!")


def model_name(model: str) -> str:
    """A name that MindIE accepts for the model in ``model``: letters, digits and ``-._`` inside."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", PurePath(model).name)[:256].strip("-._") or "model"


def configuration(spec: ServerSpec, name: str) -> dict[str, object]:
    """The whole ``config.json``. ``maxIterTimes`` is as long as a sequence may be: it cuts outputs off without a word."""
    options = spec.options
    first, ways = int(spec.device.partition(":")[2] or 0), options.tensor_parallel or 1
    longest = options.max_sequence_tokens or spec.sequence_tokens
    return {
        "Version": "1.0.0",
        "ServerConfig": _serving(spec),
        "BackendConfig": {
            "backendName": "mindieservice_llm_engine", "modelInstanceNumber": 1, "npuDeviceIds": [list(range(first, first + ways))],
            "tokenizerProcessNumber": 8, "multiNodesInferEnabled": False, "interNodeTLSEnabled": False,
            "ModelDeployConfig": {
                "maxSeqLen": longest, "maxInputTokenLen": longest - 1, "truncation": False,
                "ModelConfig": [{
                    "modelInstanceType": "Standard", "modelName": name, "modelWeightPath": spec.model, "worldSize": ways,
                    "cpuMemSize": 0, "npuMemSize": -1, "backendType": "atb", "trustRemoteCode": options.trust_remote_code}]},
            "ScheduleConfig": {
                "templateType": "Standard", "templateName": "Standard_LLM", "cacheBlockSize": 128,
                "maxPrefillBatchSize": min(_PREFILL_BATCH, spec.batch_size), "maxPrefillTokens": max(_PREFILL_TOKENS, longest),
                "prefillTimeMsPerReq": 150, "prefillPolicyType": 0, "decodeTimeMsPerReq": 50, "decodePolicyType": 0,
                "maxBatchSize": spec.batch_size, "maxIterTimes": longest, "maxPreemptCount": 0, "supportSelectBatch": False,
                "maxQueueDelayMicroseconds": 5000}},
        "LogConfig": {"dynamicLogLevel": "", "dynamicLogLevelValidHours": 2, "dynamicLogLevelValidTime": ""},
    }


def _serving(spec: ServerSpec) -> dict[str, object]:
    """All three planes share one address and port, so that a second server on the host is in nobody's way."""
    return {
        "ipAddress": spec.host, "managementIpAddress": spec.host, "port": spec.port, "managementPort": spec.port, "metricsPort": spec.port,
        "allowAllZeroIpListening": False, "maxLinkNum": min(4096, max(_LINKS, spec.batch_size)),
        "httpsEnabled": False,  # on the loopback interface, where nobody else listens
        "fullTextEnabled": False, "inferMode": "standard", "interCommTLSEnabled": False, "openAiSupport": "vllm",
        "tokenTimeout": _TOKEN_TIMEOUT_S, "e2eTimeout": _REQUEST_TIMEOUT_S, "distDPServerEnabled": False,
    }


def _program(environment: Mapping[str, str]) -> str:
    """The server's program: on the path, else where its installation says that it is."""
    found = next((path for name in _PROGRAMS if (path := shutil.which(name, path=environment.get("PATH")))), None)
    return found or f"{environment.get('MIES_INSTALL_PATH', _HOME)}/bin/{_PROGRAMS[0]}"
