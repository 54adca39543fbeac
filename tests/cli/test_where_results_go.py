"""Where results go: full disks, devices, closed and abandoned pipes; and runs that somebody edited. None ends in a traceback or a wrong exit code."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from compared_runs import engine_run, load_run, save_engine_run, save_load_run

from touchstone import store
from touchstone.cli import faces, run_command_line, streams
from touchstone.errors import DataError, NotReadyError
from touchstone.report.charts import drawing
from touchstone.report.vega import board

FULL = Path("/dev/full")
needs_a_full_device = pytest.mark.skipif(not (FULL.exists() and stat.S_ISCHR(FULL.stat().st_mode)), reason="no /dev/full here")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_engine_run(engine_run(launches=1, trials=3), tmp_path_factory.mktemp("results") / "run")


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    return save_load_run(load_run(repeats=1, count=64), tmp_path_factory.mktemp("results") / "load")


@needs_a_full_device
@pytest.mark.parametrize("arguments", [["report"], ["report", "--format", "json"], ["show"], ["export", "--to", "csv"], ["list"]])
def test_a_full_disk_behind_stdout_is_said_and_is_no_success(touchstone, run, arguments):
    with FULL.open("w") as full:
        done = touchstone(*arguments[:1], run, *arguments[1:], stdout=full)
    assert done.returncode == 3
    assert done.stderr.startswith("touchstone: The output cannot be written: No space left on device.")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@needs_a_full_device
def test_nobody_hearing_what_is_said_beside_it_fails_nothing(touchstone, run):
    with FULL.open("w") as full:
        assert touchstone("report", run, stderr=full).returncode == 0
        assert touchstone("report", run / "not-there", stderr=full).returncode == 3


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_closed_stdout_or_stderr_is_no_mistake(run, closed):
    done = subprocess.run(["bash", "-c", f'"$0" -m touchstone list "$1" {closed}>&-', sys.executable, str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_does_not_open_a_gate(run, tmp_path):
    header = json.loads((run / "run.json").read_text(encoding="utf-8"))
    header["launches"][0]["facts"]["weight_bytes"] = 10**15  # which no memory could read so fast
    directory = shutil.copytree(run, tmp_path / "run")
    (directory / "run.json").write_text(json.dumps(header), encoding="utf-8")
    command = '"$0" -m touchstone report "$1" --fail-on rejected --format html | head -c 1 > /dev/null; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(["bash", "-c", command, sys.executable, str(directory)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "4"
    assert done.stderr == ""


def test_a_pipe_that_was_named_takes_the_result_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        streams.write_file(tmp_path / "pipe", "numbers\n")
        assert reader.communicate(timeout=60)[0] == "numbers\n"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_that_was_named_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for text in ("one", "two\n\n"):
        streams.write_file(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_text(encoding="utf-8") == f"{text.strip()}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@needs_a_full_device
def test_a_device_that_was_named_is_written_to_and_never_replaced():
    before = FULL.stat()
    with pytest.raises(NotReadyError, match="No space left on device"):
        streams.write_file(FULL, "numbers")
    assert (FULL.stat().st_rdev, FULL.stat().st_ino) == (before.st_rdev, before.st_ino)


@pytest.mark.parametrize("verb", ["report", "export"])
def test_export_and_report_write_into_what_was_named(run, tmp_path, verb):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        assert run_command_line([verb, str(run), *(["--to", "csv"] if verb == "export" else []), "-o", str(tmp_path / "pipe")]) == 0
        assert len(reader.communicate(timeout=60)[0]) > 100


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NotReadyError("full"), OSError(28, "No space left on device")])
def test_a_report_that_cannot_be_written_says_that_the_run_is_kept(run, tmp_path, capsys, monkeypatch, error):
    def fail(*_arguments):
        raise error

    monkeypatch.setattr(faces, "replace_file", fail)
    copy = shutil.copytree(run, tmp_path / "run")
    with pytest.raises(type(error)):
        faces.write_and_show(copy, "text", "en")
    assert f"touchstone report {copy}" in " ".join(capsys.readouterr().err.split())


def test_ctrl_c_while_the_program_is_still_loading_is_quiet(tmp_path):
    (tmp_path / "click.py").write_text("import sys, time\nprint('here', flush=True)\ntime.sleep(60)\n", encoding="utf-8")
    with subprocess.Popen([sys.executable, "-m", "touchstone", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, "")


def places(value, path=()):
    """Where something stands in a header, four levels deep."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*path, key)
        if len(path) < 3:
            yield from places(one, (*path, key))


def is_damaged(directory, face):
    """Whether the run is called so; else it is reported."""
    try:
        return not faces.show(directory, face, "en")[0]
    except DataError:
        return True


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["run", "load"])
def test_a_header_that_somebody_edited_is_reported_or_called_damaged(kind, seed, tmp_path, request, monkeypatch):
    for user in (board, drawing):
        monkeypatch.setattr(user, "installed", lambda: False)  # no pictures: two hundred pages
    directory = shutil.copytree(request.getfixturevalue(kind), tmp_path / kind)
    whole = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    chance, damaged = random.Random(seed), 0
    for _ in range(12):
        header = json.loads(json.dumps(whole))
        place = chance.choice([one for one in places(whole) if one != ("schema",)])
        parent = header
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = chance.choice([None, 7, "x", [], {}, -1, "9" * 400, [1], {"a": 1}])
        (directory / "run.json").write_text(json.dumps(header), encoding="utf-8")
        damaged += sum(is_damaged(directory, face) for face in ("text", "md", "json", "html"))
    assert damaged < 4 * 12


@pytest.mark.parametrize("verb", [["report"], ["report", "--format", "html"], ["show"], ["export", "--to", "vllm"], ["run", "--resume"]])
def test_a_header_without_a_plan_is_damaged_for_every_verb(run, tmp_path, capsys, verb):
    directory = shutil.copytree(run, tmp_path / "run")
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    del header["plan"]
    store.write_header(directory, header | {"status": "interrupted"})
    assert run_command_line([*verb, str(directory)] if verb[0] == "run" else [verb[0], str(directory), *verb[1:]]) == 3
    assert f"{directory}/run.json is damaged" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize("verb", ["list", "history", "ui"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_nothing_was_measured_yet_it_is_said_how_to_begin(verb, lang, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_command_line([verb, "--lang", lang]) == 2
    assert "touchstone run quick" in capsys.readouterr().err


def test_report_has_no_gate_for_a_service_level_that_is_not_there(run, load, capsys):
    assert run_command_line(["report", str(run), "--fail-on", "slo"]) == 2
    assert "--slo" in capsys.readouterr().err


def test_a_run_that_failed_before_any_trial_leaves_its_place(tmp_path):
    header = {"plan": {}, "status": "created"}
    store.create(tmp_path, header)
    with pytest.raises(NotReadyError, match="already holds a run"):
        store.create(tmp_path, header)
    store.write_header(tmp_path, header | {"status": "failed"})
    (tmp_path / "parts" / "telemetry-0.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "telemetry.parquet").write_bytes(b"")
    store.create(tmp_path, header)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["parts", "run.json"]
    store.write_header(tmp_path, header | {"status": "failed"})
    (tmp_path / "trials.parquet").write_bytes(b"kept")
    with pytest.raises(NotReadyError, match="already holds a run"):
        store.create(tmp_path, header)
    assert (tmp_path / "trials.parquet").read_bytes() == b"kept"
