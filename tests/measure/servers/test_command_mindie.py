"""The configuration that MindIE Server is started with: documented keys, within their documented ranges."""

from __future__ import annotations

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import UsageError
from touchstone.measure.servers.commands import ServerSpec
from touchstone.measure.servers.commands.mindie import build, model_name
from touchstone.plan import EngineOptions

REQUIRED = {  # those that the documentation calls mandatory, TLS apart, which is off
    "ServerConfig": {"ipAddress", "port", "allowAllZeroIpListening", "maxLinkNum", "httpsEnabled", "inferMode", "distDPServerEnabled"},
    "BackendConfig": {"backendName", "modelInstanceNumber", "npuDeviceIds", "tokenizerProcessNumber"},
    "ModelDeployConfig": {"maxSeqLen", "maxInputTokenLen"},
    "ModelConfig": {"modelName", "modelWeightPath", "worldSize", "cpuMemSize", "npuMemSize", "backendType"},
    "ScheduleConfig": {"templateType", "templateName", "cacheBlockSize", "maxPrefillBatchSize", "maxPrefillTokens", "prefillTimeMsPerReq",
                       "prefillPolicyType", "decodeTimeMsPerReq", "decodePolicyType", "maxBatchSize", "maxIterTimes", "maxPreemptCount",
                       "supportSelectBatch", "maxQueueDelayMicroseconds"},
    "LogConfig": {"dynamicLogLevelValidHours"},
}


def spec(device="npu", model="/models/Qwen2.5-7B-Instruct", batch=4, tokens=640, **options):
    return ServerSpec("python", model, device, "auto", "127.0.0.1", 8123, batch, tokens, "/run/server-0", EngineOptions(**options))


def configuration_of(command):
    (path, text), = command.files.items()
    assert command.variables["MIES_CONFIG_JSON_PATH"] == path == "/run/server-0/config.json"
    return json.loads(text)


def parts_of(config):
    deployed = config["BackendConfig"]["ModelDeployConfig"]
    return {"ServerConfig": config["ServerConfig"], "BackendConfig": config["BackendConfig"], "ModelDeployConfig": deployed,
            "ModelConfig": deployed["ModelConfig"][0], "ScheduleConfig": config["BackendConfig"]["ScheduleConfig"],
            "LogConfig": config["LogConfig"]}


@given(st.integers(1, 5000), st.integers(2, 200_000), st.integers(1, 8), st.integers(0, 15))
def test_every_mandatory_key_is_there_and_within_its_range(batch, tokens, ways, first):
    config = configuration_of(build(spec(f"npu:{first}", batch=batch, tokens=tokens, tensor_parallel=ways)))
    assert config["Version"] == "1.0.0"
    parts = parts_of(config)
    assert {name: keys - set(parts[name]) for name, keys in REQUIRED.items()} == {name: set() for name in REQUIRED}
    schedule, deployed, model = parts["ScheduleConfig"], parts["ModelDeployConfig"], parts["ModelConfig"]
    assert 1 <= schedule["maxPrefillBatchSize"] <= schedule["maxBatchSize"] == batch
    assert schedule["maxPrefillTokens"] >= deployed["maxInputTokenLen"]
    assert 1 <= deployed["maxInputTokenLen"] < deployed["maxSeqLen"] == tokens
    assert schedule["maxIterTimes"] == tokens  # 512 by default, which cuts outputs off without a word
    assert 1 <= parts["ServerConfig"]["maxLinkNum"] <= 4096
    assert parts["ServerConfig"]["tokenTimeout"] <= 3600
    assert parts["ServerConfig"]["e2eTimeout"] <= 65_535
    assert config["BackendConfig"]["npuDeviceIds"] == [list(range(first, first + ways))]
    assert model["worldSize"] == len(config["BackendConfig"]["npuDeviceIds"][0])
    assert not model["cpuMemSize"] or schedule["maxPreemptCount"]  # 0 is allowed only without preemption


def test_it_listens_on_the_loopback_interface_without_tls_and_on_one_port():
    command = build(spec())
    serving = configuration_of(command)["ServerConfig"]
    assert (serving["ipAddress"], serving["managementIpAddress"], serving["httpsEnabled"]) == ("127.0.0.1", "127.0.0.1", False)
    assert {serving[name] for name in ("port", "managementPort", "metricsPort")} == {8123}
    assert command.variables["MIES_CONTAINER_IP"] == "127.0.0.1"  # a container's own would go before the file's
    assert command.ready_line == "Daemon start success!"
    assert serving["fullTextEnabled"] is False  # or every event would repeat the text before it


def test_its_share_of_memory_is_a_variable():
    assert build(spec(memory_fraction=0.8)).variables["NPU_MEMORY_FRACTION"] == "0.8"
    assert "NPU_MEMORY_FRACTION" not in build(spec()).variables


def test_its_program_is_found_on_the_path_then_in_the_installation(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MIES_INSTALL_PATH", "/opt/mindie-service")
    assert build(spec()).arguments == ("/opt/mindie-service/bin/mindieservice_daemon",)
    monkeypatch.delenv("MIES_INSTALL_PATH")
    assert build(spec()).arguments == ("/usr/local/Ascend/mindie/latest/mindie-service/bin/mindieservice_daemon",)
    program = tmp_path / "mindie_llm_server"
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    assert build(spec()).arguments == (str(program),)
    assert os.environ["PATH"] == str(tmp_path)


@given(st.text(max_size=400))
def test_any_directory_has_a_name_that_is_accepted(model):
    name = model_name(model)
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name)
    assert len(name) <= 256


def test_the_model_is_asked_for_by_its_directory_name():
    command = build(spec(model="/models/Qwen2.5 7B"))
    assert command.served_model == parts_of(configuration_of(command))["ModelConfig"]["modelName"] == "Qwen2.5-7B"


def test_what_it_does_not_have_is_refused():
    with pytest.raises(UsageError, match="no arguments"):
        build(spec(server_args=("--verbose",)))
    with pytest.raises(UsageError, match=r"dtype that the model's config\.json names"):
        build(ServerSpec("python", "/m", "npu", "bf16", "127.0.0.1", 1, 1, 2, "/d", EngineOptions()))
