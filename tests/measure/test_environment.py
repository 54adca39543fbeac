"""What is recorded of a host: enough to explain a number, and nothing that should not leave the house."""

import json
import platform
import re

import pytest

from touchstone.measure.devices.cpu import Cpu
from touchstone.measure.environment import collect, variables

KEYS = {"os", "cpu", "governor", "load_average", "memory_total_bytes", "cgroup", "python", "packages", "driver", "cann", "device",
        "variables", "busy_processes", "git"}
SECRET = "s3cr3t-of-the-house"
SECRET_NAMES = ("API_KEY", "VLLM_API_KEY", "SGLANG_AUTH_TOKEN", "TOUCHSTONE_PASSWORD", "TORCH_client_secret", "HF_TOKEN",
                "LLAMA_Passphrase", "ASCEND_CREDENTIALS")


@pytest.fixture(scope="module")
def collected():
    with pytest.MonkeyPatch.context() as patch:
        for name in SECRET_NAMES:
            patch.setenv(name, SECRET)
        patch.setenv("OMP_NUM_THREADS", "2")
        patch.setenv("ASCEND_RT_VISIBLE_DEVICES", "0,1")
        return collect(Cpu())


def test_every_fact_has_its_key(collected):
    assert set(collected) >= KEYS
    assert collected["python"] == platform.python_version()
    assert collected["memory_total_bytes"] > 0
    assert collected["device"]["name"] == collected["cpu"]
    assert "numpy" in collected["packages"]
    assert len(collected["load_average"]) == 3


def test_it_can_be_written_as_json(collected):
    assert json.loads(json.dumps(collected)) == collected


def test_no_secret_is_in_it(collected):
    text = json.dumps(collected)
    assert SECRET not in text
    assert not [name for name in SECRET_NAMES if name in text]


def test_the_host_is_not_named(collected):
    host = re.escape(platform.node())
    found = [value for value in _leaves(collected) if re.search(rf"(?<![\w.-]){host}(?![\w.-])", value)]
    assert found == []


def test_variables_that_change_speed_are_kept(collected):
    assert collected["variables"]["OMP_NUM_THREADS"] == "2"
    assert collected["variables"]["ASCEND_RT_VISIBLE_DEVICES"] == "0,1"


def test_other_variables_are_left_out():
    given = {"HOME": "/home/x", "HOSTNAME": "x", "SSH_CONNECTION": "1.2.3.4", "MY_OMP_NUM_THREADS": "1", "OMP_NUM_THREADS": "4"}
    assert variables(given) == {"OMP_NUM_THREADS": "4"}


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_may_hold_a_secret_is_left_out(name):
    assert variables({name: SECRET}) == {}


@pytest.mark.parametrize("name", ["HCCL_IF_IP", "VLLM_HOST_IP"])
def test_addresses_are_left_out(name):
    assert "10.20.30.40" not in json.dumps(variables({name: "10.20.30.40"}))


def test_variables_come_in_order():
    assert list(variables({"VLLM_USE_V1": "1", "CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "1"})) == [
        "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "VLLM_USE_V1"]


def _leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]
