"""Finding runs: each once, whatever links, leftovers and closed doors lie among them."""

from __future__ import annotations

import os

import pytest
from compared_runs import engine_run, load_run, save_engine_run, save_load_run

from touchstone.record import Run
from touchstone.run_directories import find_runs, read_run, stamp_of
from touchstone.served import LoadRun


def run_at(path):
    path.mkdir(parents=True)
    (path / "run.json").write_text("{}", encoding="utf-8")
    return path


def names(directory):
    return [one.directory.relative_to(directory).as_posix() for one in find_runs(directory) if one.reason is None]


def test_every_run_is_found_once_nearest_first_and_nothing_inside_one(tmp_path):
    for name in ("b", "a", "a/parts/inner", "group/deep/c", ".hidden/d"):
        run_at(tmp_path / name)
    assert names(tmp_path) == ["a", "b", "group/deep/c"]
    assert names(tmp_path / "a") == ["."]


def test_links_lead_nowhere_but_straight_to_a_run(tmp_path):
    runs, elsewhere = tmp_path / "runs", run_at(tmp_path / "elsewhere" / "far")
    run_at(runs / "one")
    (runs / "group").mkdir()
    (runs / "loop").symlink_to(runs)
    (runs / "group" / "up").symlink_to(runs)
    (runs / "dangling").symlink_to(runs / "absent")
    (runs / "itself").symlink_to(runs / "itself")
    (runs / "all").symlink_to(elsewhere.parent)
    (runs / "latest").symlink_to(runs / "one")
    (runs / "far").symlink_to(elsewhere)
    (runs / "far-again").symlink_to(elsewhere)
    assert names(runs) == ["one", "far"]


def test_what_is_left_of_a_run_and_what_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "requests.parquet").write_bytes(b"PAR1")
    (tmp_path / "closed").mkdir()
    (tmp_path / "notes").mkdir()
    open_ = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return open_(path)
    monkeypatch.setattr(os, "scandir", scandir)
    assert {one.directory.name: str(one.reason) for one in find_runs(tmp_path)} == {
        "closed": "it cannot be read: Permission denied", "torn": "it has tables of a run but no run.json"}


def test_a_directory_that_is_gone_meanwhile_is_no_traceback(tmp_path):
    [found] = find_runs(tmp_path / "gone")
    assert "No such file" in str(found.reason)
    assert stamp_of(tmp_path / "gone") == ()


@pytest.mark.parametrize(("save", "made", "kind"), [(save_engine_run, engine_run, Run), (save_load_run, load_run, LoadRun)])
def test_a_run_of_either_kind_is_read(tmp_path, save, made, kind):
    assert isinstance(read_run(save(made(), tmp_path / "run")), kind)


def test_the_stamp_changes_with_what_the_numbers_come_from_and_with_nothing_else(tmp_path):
    run = save_engine_run(engine_run(launches=1), tmp_path / "run")
    before = stamp_of(run)
    (run / "report.json").write_text("{}", encoding="utf-8")
    (run / "events.jsonl").write_text("{}\n", encoding="utf-8")
    assert stamp_of(run) == before
    os.utime(run / "trials.parquet", ns=(1, 1))
    assert stamp_of(run) != before
    (run / "parts").mkdir(exist_ok=True)
    changed = stamp_of(run)
    (run / "parts" / "telemetry-000-000.jsonl").write_text("{}\n", encoding="utf-8")
    assert stamp_of(run) != changed
