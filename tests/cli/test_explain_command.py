"""``touchstone explain`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data" / "failures"


def touchstone(*arguments: object, code: int = 0, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([sys.executable, "-m", "touchstone", "explain", *map(str, arguments)], capture_output=True, timeout=60, check=False, input=stdin)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done


def test_a_log_is_explained_with_its_cause_first():
    lines = touchstone(DATA / "npu-visible-devices.log").stdout.decode().splitlines()
    assert "NPU npu-visible-devices: cause, line 5 (2 such lines)" in lines
    assert lines.index("NPU npu-visible-devices: cause, line 5 (2 such lines)") < lines.index("NPU npu-unavailable: failed step, line 1 (2 such lines)")


def test_a_pipe_is_read_and_json_is_printed():
    log = (DATA / "npu-stream-errors.log").read_bytes()
    document = json.loads(touchstone("-", "--format", "json", stdin=log).stdout)
    assert document["log"] == "-"
    assert [one["name"] for one in document["explanations"]] == ["npu-vector-core", "npu-core-timeout", "npu-inner-error"]


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 100_000, b"\n" * 100_000, b"(" * 3_000_000, b"\x1b[2J" * 10_000])
def test_junk_has_no_failure_in_it(content, tmp_path):
    path = tmp_path / "junk.log"
    path.write_bytes(content)
    assert b"nothing here is known as a failure" in b" ".join(touchstone(path).stdout.split())


def test_a_log_that_cannot_be_read_is_named(tmp_path):
    assert b"absent.log cannot be read" in touchstone(tmp_path / "absent.log", code=3).stderr
    assert b"directory" in touchstone(tmp_path, code=3).stderr
    assert b"cannot be read" in touchstone("/proc/self/mem", code=3).stderr  # opens, and fails when it is read
    assert b"'' cannot be read" in touchstone("", code=3).stderr
    touchstone(code=2)


def test_every_language_is_spoken():
    assert b"host-disk-full" in touchstone(DATA / "disk-full.log", "--lang", "zh").stdout


def test_help_is_there():
    assert b"LOG" in touchstone("--help").stdout
