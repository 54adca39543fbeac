"""Touchstone in a terminal, as a person has it: a live display that goes away, colours only where wanted, and letters that can be shown."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys

import pytest
from rich.cells import cell_len
from test_run import PLAN

LANGUAGES = ("en", "zh")


def in_a_terminal(*arguments, columns=80, **variables):
    """What ``touchstone`` writes to a terminal, stdout and stderr as one."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **variables}
    environment = {name: value for name, value in environment.items() if value is not None}
    with subprocess.Popen([sys.executable, "-m", "touchstone", *map(str, arguments)], stdin=child, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        written = b""
        while select.select([parent], [], [], 120)[0]:
            try:
                data = os.read(parent, 1 << 16)
            except OSError:  # the other side is closed
                break
            written += data
    os.close(parent)
    assert process.returncode == 0, written
    return written


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run in a real terminal: what was written, and where it is kept."""
    directory = tmp_path_factory.mktemp("screen")
    (directory / "plan.yaml").write_text(PLAN, encoding="utf-8")
    return in_a_terminal("run", directory / "plan.yaml", "-m", "tiny", "-o", directory / "run"), directory / "run"


def test_a_terminal_gets_a_live_display_that_is_gone_at_the_end_and_a_coloured_verdict(measured):
    written = measured[0].decode()
    live, _, end = written.rpartition("\x1b[2K" if written.rfind("\x1b[2K") > written.rfind("\x1b[J") else "\x1b[J")
    assert "launch 1 of 1" in live
    assert "tokens/s" in live
    assert "small" in end
    assert end.count("\x1b[") == 2
    assert "\x1b[1;3" in end
    assert all(cell_len(line) <= 80 for line in end.replace("\x1b[0m", "").splitlines() if "\x1b" not in line)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nothing_is_coloured_where_nobody_wants_it(measured, variables, tmp_path):
    done = in_a_terminal("run", "--resume", copied(measured[1], tmp_path), "--ui", "none", **variables)
    assert b"\x1b" not in done
    assert b"Verdict" in done


def copied(directory, tmp_path):
    """The same run, broken off before its last trial, so that it is played on."""
    shutil.copytree(directory, tmp_path / "run")
    header = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    header["status"] = "running"
    (tmp_path / "run" / "run.json").write_text(json.dumps(header), encoding="utf-8")
    return tmp_path / "run"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("variables", [
    {"LANG": "C", "LC_ALL": "C"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "gbk"}])
def test_without_a_locale_everything_comes_out(measured, variables, lang):
    command = [sys.executable, "-m", "touchstone", "report", str(measured[1]), "--lang", lang]
    piped = subprocess.run(command, capture_output=True, timeout=120, check=False, env={**os.environ, **variables})
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert "±" in piped.stdout.decode("utf-8")
    seen = in_a_terminal("report", measured[1], "--lang", lang, **variables)
    encoding = variables.get("PYTHONIOENCODING", "utf-8")
    assert seen.decode(encoding)
