"""``touchstone devices`` as it is typed, on saved outputs and on a machine whose npu-smi is a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

DATA = Path(__file__).parents[1] / "data"
A3, A2 = DATA / "npu-smi" / "info-25.2.0-A3-2npu-4die-proc.txt", DATA / "npu-smi" / "info-23.0.7-910B2-8npu-noproc.txt"
GPU = DATA / "nvidia-smi" / "table-440.82-gtx1080-2gpu.txt"


def touchstone(*arguments, code=0, text=True, **given):
    done = subprocess.run([sys.executable, "-m", "touchstone", "devices", *map(str, arguments)], capture_output=True, text=text, timeout=120,
                          check=False, **given)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in str(done.stderr)
    return done


def document(*arguments, **given):
    return json.loads(touchstone("--format", "json", *arguments, **given).stdout)


def machine(folder, script):
    """An environment in which npu-smi is ``script``."""
    tool = folder / "npu-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_json_has_these_keys_and_no_others():
    found = document("--from-file", A3)
    assert list(found) == ["devices", "processes", "notes"]
    assert found["devices"][3] == {
        "index": 3, "npu_id": 1, "chip_id": 1, "name": "Ascend910", "health": "OK", "power_w": None, "temperature_c": 38.0,
        "utilization_percent": 0.0, "memory_used_bytes": 10568 << 20, "memory_total_bytes": 65536 << 20, "bus_id": "0000:39:00.0"}
    assert found["processes"] == [{"pid": 990711, "name": "python", "npu_id": 1, "chip_id": 1, "memory_bytes": 7746 << 20}]
    assert found["notes"] == []
    gpu = document("--from-file", GPU)["devices"][0]
    assert (gpu["index"], gpu["npu_id"], gpu["chip_id"], gpu["power_w"]) == (0, None, None, 73.0)
    assert all(isinstance(note, str) for note in document("--from-file", A2)["notes"])


def test_the_table_says_gibibytes_and_a_dash_for_what_is_missing():
    lines = touchstone("--from-file", A3).stdout.splitlines()
    assert lines[1].split() == ["Device", "NPU", "Health", "(W)", "(°C)", "(%)", "(GiB)", "(GiB)", "Bus"]
    assert lines[3].split() == ["1", "Ascend910", "0/1", "OK", "-", "37", "0", "2.809", "64", "0000:9E:00.0"]
    assert lines[-1].split() == ["python", "990711", "1/1", "7.564"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", sorted(DATA.glob("n*-smi/*-*.txt")), ids=lambda path: path.stem)
def test_no_line_is_wider_than_a_terminal(path, language):
    from touchstone.report.devices_text import to_text
    from touchstone.report.i18n import translator
    from touchstone.smi import read_listing

    assert all(cell_len(line) <= 80 for line in to_text(read_listing(path.read_text()), translator(language)).splitlines())


def test_notes_stand_below_the_table():
    assert "- Memory is in use but no process is listed on: NPU 0, NPU 1, NPU 2, NPU 3." in touchstone("--from-file", A2).stdout.replace("\n ", "")


def test_a_listing_may_come_from_standard_input_in_any_encoding():
    content = A3.read_bytes()
    plain = touchstone("--from-file", A3).stdout
    for given in (content, b"\xff\xc3" + content.replace(b"\n", b"\r\n"), A3.read_text().encode("utf-16")):
        assert touchstone("--from-file", "-", input=given, text=False).stdout.decode() == plain


def test_a_terminal_obeys_nothing_that_a_listing_says():
    text = A3.read_text().replace("python  ", "py\x1b[2J\x07")
    text += "| 7     \x9b31mevil\x00 | OK | 1 2 0 / 0 |\n| 0 0 | NA | 0 0 / 0 1 / 2 |\n"
    shown = touchstone("--from-file", "-", input=text).stdout
    assert "evil" in shown
    assert all(character.isprintable() for character in shown.replace("\n", ""))


def test_what_cannot_be_read_is_said(tmp_path):
    assert "cannot be read" in touchstone("--from-file", tmp_path / "absent", code=3).stderr
    assert "directory" in touchstone("--from-file", tmp_path, code=3).stderr
    assert document("--from-file", "-", input="hello") == {"devices": [], "processes": [], "notes": [
        "This is no output of npu-smi or nvidia-smi that can be read; give the output of 'npu-smi info' or 'nvidia-smi'."]}
    touchstone("--from-file", code=2)


def test_a_large_file_is_read_to_a_limit(tmp_path):
    path = tmp_path / "large.txt"
    path.write_bytes(A3.read_bytes() + b"\0" * (17 << 20))
    found = document("--from-file", path)
    assert len(found["devices"]) == 4
    assert "not read" in found["notes"][-1]


def test_the_npus_of_this_machine_are_asked_of_npu_smi(tmp_path):
    found = document(env=machine(tmp_path, f'test "$1" = info && cat {A3}'))
    assert [device["bus_id"] for device in found["devices"] if device["npu_id"] is not None] == ["0000:9C:00.0", "0000:9E:00.0", "0000:37:00.0", "0000:39:00.0"]
    assert 990711 in [process["pid"] for process in found["processes"]]
    assert any(note.startswith("Asking npu-smi info took ") for note in found["notes"])


def test_an_npu_smi_that_fails_leaves_its_reason(tmp_path):
    found = document(env=machine(tmp_path, f"cat {DATA / 'npu-smi' / 'errors-container.txt'}; exit 1"))
    assert any("-8005" in note for note in found["notes"])
    found = document(env=machine(tmp_path, "echo out of order >&2; exit 9"))
    assert "npu-smi info gave no list of devices; it ended with code 9 and said last: out of order" in found["notes"]


def test_a_machine_without_accelerators_is_no_error(tmp_path):
    found = document(env={**os.environ, "PATH": str(tmp_path)})
    assert list(found) == ["devices", "processes", "notes"]
    assert found["devices"] or found["notes"]


def test_help_is_there():
    assert "--from-file" in touchstone("--help").stdout
