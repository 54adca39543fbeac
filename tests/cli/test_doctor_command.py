"""``touchstone doctor`` as it is typed, on this machine, and what it prints of two others."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.machine_tree import container_without_nodes, healthy_910b

from touchstone.judge.doctor import RULES, diagnose
from touchstone.measure.machine import read_machine
from touchstone.report.doctor_text import to_json, to_text

KEYS = {"schema", "problems", "warnings", "notes", "cannot_tell", "ok", "diagnoses", "facts"}


def touchstone(*arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    done = subprocess.run([sys.executable, "-m", "touchstone", "doctor", *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          check=False, env={**os.environ, **environment})
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    return done


def test_this_machine_in_words():
    lines = touchstone("--lang", "en", COLUMNS="80").stdout.splitlines()
    assert re.fullmatch(r"\d+ problems?, \d+ warnings?, \d+ notes?", lines[0])
    assert max(map(len, lines)) <= 80
    machine = read_machine()
    if not (machine.has_npu or machine.wants_npu):
        assert not [line for line in lines if re.search(r"ascend|cann\b|npu|nnal", line, re.IGNORECASE)]


def test_this_machine_as_json():
    said = json.loads(touchstone("--format", "json").stdout)
    assert said.keys() == KEYS
    assert said["schema"] == 1
    assert len(said["diagnoses"]) == sum(said[key] for key in ("problems", "warnings", "notes", "cannot_tell", "ok"))
    for one in said["diagnoses"]:
        assert one.keys() == {"id", "severity", "says", "evidence", "cure"}
        assert one["id"] in {rule.id for rule in RULES}
    assert said["facts"]["host"]["memory_bytes"] > 0
    assert said["facts"]["python"]["version"] == platform.python_version()
    assert not re.search(rf"(?<![\w./-]){re.escape(platform.node())}(?![\w.-])", json.dumps(said["facts"]))


def test_a_problem_fails_only_when_asked():
    touchstone(ASCEND_LAUNCH_BLOCKING="1")
    said = touchstone("--fail-on", "problem", code=4, ASCEND_LAUNCH_BLOCKING="1").stdout
    assert "problem launch-blocking:" in said
    assert "    = unset ASCEND_LAUNCH_BLOCKING" in said


def test_deep_finds_a_plug_in_that_breaks_torch(tmp_path: Path):
    broken = "raise ImportError('libhccl.so: cannot open shared object file: No such file or directory')\n"
    (tmp_path / "torch.py").write_text(broken, encoding="utf-8")
    said = touchstone("--deep", "--fail-on", "problem", code=4, PYTHONPATH=str(tmp_path), COLUMNS="100").stdout
    assert "problem imports: torch cannot be imported." in said
    assert "    | torch: ImportError: libhccl.so: cannot open shared object file: No such file or directory" in said
    assert "Traceback" not in said


def test_help_says_what_it_is():
    assert "--fail-on [problem]" in touchstone("--help").stdout


@pytest.fixture
def wide_80(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


HEALTHY = """\
0 problems, 0 warnings, 0 notes

fine: 8 NPU nodes, driver 24.1.rc3.b999, the driver's installation, firmware
    7.7.0.1.231, CANN 8.0.0, the environment of CANN, NNAL 8.0.0, driver with
    CANN, torch 2.4.0 with torch_npu 2.4.0.post2, torch_npu with CANN, Python
    3.10 with torch_npu, requirements of packages, threads, governor, load
    average, swap, free space, open files, clock, huge pages, shared memory"""


def test_a_healthy_machine_in_words(tmp_path, wide_80):
    machine = read_machine(healthy_910b(tmp_path).place())
    assert to_text(machine, diagnose(machine), str) == HEALTHY


WRONG = """\
3 problems, 1 warning, 1 note

problem ascend-nodes: No Ascend device is visible in this container: there is no
    /dev/davinci0.
    = Start the container with --device /dev/davinci0 --device
      /dev/davinci_manager --device /dev/devmm_svm --device /dev/hisi_hdc and
      with the folders /usr/local/Ascend/driver and /usr/local/dcmi mounted.

problem cann-loaded: CANN is installed but its environment is not loaded:
    engines do not find its libraries.
    | ASCEND_HOME_PATH is not set
    = source /usr/local/Ascend/ascend-toolkit/set_env.sh

problem torch-npu: torch 2.4.0 and torch_npu 2.5.1 are not of the same version:
    loading libtorch_npu.so ends in 'undefined symbol'.
    = pip install torch==2.5.1 --index-url https://download.pytorch.org/whl/cpu

warning shared-memory: Shared memory (/dev/shm) is 0.06711 GB (0.06250 GiB):
    engines of several processes and collective libraries fail with a bus error.
    = Start the container with --shm-size=16g or --ipc=host.

note omp-threads: OMP_NUM_THREADS is not set: engines on the CPU take every
    core, and two of them at once slow each other down.
    = export OMP_NUM_THREADS=64

cannot tell ascend-driver: the driver's version.info is not in this container
    = Mount /usr/local/Ascend/driver/version.info into the container.
fine: CANN 8.0.0, NNAL 8.0.0, torch_npu with CANN, Python 3.10 with torch_npu,
    requirements of packages, governor, load average, swap, free space, open
    files, clock, huge pages"""


def test_a_wrong_machine_in_words(tmp_path, wide_80):
    tree = container_without_nodes(tmp_path)
    tree.install("torch_npu", "2.5.1")
    del tree.environment["ASCEND_HOME_PATH"]
    del tree.environment["OMP_NUM_THREADS"]
    machine = read_machine(tree.place())
    assert to_text(machine, diagnose(machine), str) == WRONG


def test_every_sentence_can_be_rendered_in_another_language(tmp_path, wide_80):
    """A translation may move fields, not lose them: the templates format with any order of the same names."""
    machine = read_machine(container_without_nodes(tmp_path).place())
    shouted = to_text(machine, diagnose(machine), lambda template: "甲" + template)
    assert shouted.startswith("甲")
    assert json.loads(to_json(machine, diagnose(machine), lambda template: "甲" + template))["diagnoses"][0]["says"].startswith("甲")
