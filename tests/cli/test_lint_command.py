"""``touchstone lint`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"
WRONG, GOOD = DATA / "articles" / "scripts" / "001_first.py", DATA / "lint" / "hf_npu.py"


def touchstone(*arguments: object, code: int = 0, **given) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "touchstone", "lint", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False,
                          **given)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_mistakes_are_listed_with_their_cures_and_counted():
    lines = touchstone(WRONG).stdout.splitlines()
    assert lines[0].startswith(f"{WRONG}:14: MT3 ")
    assert lines[1:3] == ["    | began = time.time()", "    = time.perf_counter(), which only moves forward at an even pace"]
    assert lines[-1] == "mistakes of method found: 5 (17 rules)"
    assert len(lines) == 3 * 5 + 1


def test_a_good_script_is_said_to_be_good():
    assert touchstone(GOOD, "--fail-on", "mistakes").stdout == "no mistakes of method found (17 rules; they are silent on what they cannot see)\n"


def test_mistakes_fail_only_when_asked():
    touchstone(GOOD, WRONG)
    touchstone(GOOD, WRONG, "--fail-on", "mistakes", code=4)


def test_json_holds_every_file():
    document = json.loads(touchstone(GOOD, WRONG, "--format", "json").stdout)
    assert (document["schema"], document["rules"], [file["name"] for file in document["files"]]) == (1, 17, [str(GOOD), str(WRONG)])
    assert document["files"][0]["mistakes"] == []
    first = document["files"][1]["mistakes"][0]
    assert (first["rule"], first["line"], first["column"], first["text"]) == ("MT3", 14, 9, "began = time.time()")
    assert first["message"]
    assert first["cure"]


def test_a_paste_is_read_from_standard_input():
    assert "-:1: MT11" in touchstone("-", input="print(absent)\n").stdout
    assert "-:3: MT11" in touchstone("-", input="words\n```python\nprint(absent)\n```\n").stdout


@pytest.mark.parametrize(("content", "word"), [(b"x = '\0'", "NUL"), (b"\xff\xfe", "as text"), (b"a" * 500_000, "too large"), (b"(" * 99_999, "MT11")])
def test_what_is_no_script_is_said(tmp_path, content, word):
    path = tmp_path / "odd.py"
    path.write_bytes(content)
    done = touchstone(path, code=0 if word == "MT11" else 3)
    assert word in (done.stdout if word == "MT11" else done.stderr)


def test_a_script_that_is_not_there_is_said(tmp_path):
    assert "absent.py" in touchstone(tmp_path / "absent.py", code=3).stderr
    assert "directory" in touchstone(tmp_path, code=3).stderr


def test_a_terminal_obeys_nothing_that_a_script_says(tmp_path):
    path = tmp_path / "ansi.py"
    path.write_bytes(b"print(absent)  # \x1b[2J\x07\n")
    assert "\x1b" not in touchstone(path).stdout


def test_help_is_there():
    assert "SCRIPT" in touchstone("--help").stdout
