"""Which interpreter runs an engine, and what is said of one that cannot."""

import sys

import pytest

from touchstone import __version__
from touchstone.errors import NotReadyError, UsageError
from touchstone.measure import interpreter
from touchstone.plan import EngineOptions, Target


def of(engine, python):
    return interpreter.of(Target(engine=engine, device="cpu", model="m", dtype="fp32", options=EngineOptions(engine_python=python)))


def script(tmp_path, text):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_without_one_it_is_ours():
    assert of("transformers", None) == sys.executable


def test_one_that_has_touchstone_is_taken(tmp_path):
    other = script(tmp_path, f'exec {sys.executable} "$@"')
    assert of("transformers", other) == other


def test_a_server_is_asked_from_ours_whatever_runs_it(tmp_path):
    assert of("vllm-server", script(tmp_path, "echo True")) == sys.executable


def test_a_server_whose_interpreter_does_not_have_it_is_not_tried(tmp_path, monkeypatch):
    (tmp_path / "sglang").mkdir()  # a folder of the name in the working directory is no engine
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotReadyError, match="has no sglang, which the engine sglang-server needs"):
        of("sglang-server", script(tmp_path, f'exec {sys.executable} -S -E "$@"'))


@pytest.mark.parametrize("text", ["exit 1", "echo unrecognized option >&2; exit 2"])
def test_a_server_of_what_is_no_interpreter_is_the_users_mistake(tmp_path, text):
    with pytest.raises(UsageError, match="is not a Python interpreter that starts"):
        of("vllm-server", script(tmp_path, text))


def test_a_directory_gets_the_interpreter_in_it_proposed(tmp_path):
    with pytest.raises(UsageError, match=f"Did you mean {tmp_path}/bin/python"):
        of("vllm", str(tmp_path))


def test_a_server_that_is_a_program_of_its_own_needs_no_interpreter():
    assert of("mindie", None) == sys.executable


@pytest.mark.parametrize(("text", "found"), [("exit 1", "-"), ("echo 0.0.1", "0.0.1"), ("echo ModuleNotFoundError >&2; exit 1", "ModuleNotFoundError")])
def test_one_without_this_touchstone_says_how_to_install_it(tmp_path, text, found):
    path = script(tmp_path, text)
    with pytest.raises(NotReadyError) as caught:
        of("vllm", path)
    assert f"(found: {found})" in str(caught.value)
    assert f"{path} -m pip install llm-touchstone=={__version__}" in str(caught.value)


def test_what_is_no_interpreter_is_the_users_mistake(tmp_path):
    with pytest.raises(UsageError, match="is not a Python interpreter that starts"):
        of("vllm", str(tmp_path / "nothing"))
