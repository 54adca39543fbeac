"""``touchstone list``: what it shows, what it rests on, and that nothing in a directory of runs can break it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from compared_runs import engine_run, load_run, save_engine_run, save_load_run
from hypothesis import given
from hypothesis import strategies as st

from touchstone.cli import run_command_line
from touchstone.cli.faces import write_and_show
from touchstone.finding import Trust
from touchstone.judge.findings import findings_of
from touchstone.listing import Basis, Catalogue, ListedRun, in_order
from touchstone.report.list_text import to_list_text
from touchstone.ui.lines import listed_document, listed_header
from touchstone.ui.shelf import Shelf

HOSTILE = "x\x1b[2J\x00<script>alert(1)</script>\u202e|evil`"


def touchstone(*arguments, code=0):
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        assert run_command_line([*map(str, arguments)]) == code, said.getvalue()
    return out.getvalue() if code == 0 else said.getvalue()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with its report, a load test without one, and what is left of others."""
    directory = tmp_path_factory.mktemp("list") / "runs"
    save_engine_run(engine_run(launches=2, created="2026-11-20T10:00:00+00:00"), directory / "a-run")
    write_and_show(directory / "a-run", "text", "en")
    save_load_run(load_run(repeats=2, count=64, created="2026-11-21T10:00:00+00:00"), directory / "group" / "b-load")
    for name, content in (("torn", b"{"), ("list", b"[]"), ("newer", b'{"schema": 99}'), ("deep", b"[" * 100_000), ("empty", b'{"schema": 2, "id": "x"}')):
        (directory / name).mkdir()
        (directory / name / "run.json").write_bytes(content)
    return directory


def test_the_numbers_are_those_of_the_report(runs):
    document = json.loads(touchstone("list", runs, "--format", "json"))
    by_path = {run["path"]: run for run in document["runs"]}
    assert list(by_path) == ["group/b-load", "a-run"]  # newest first
    run, load = by_path["a-run"], by_path["group/b-load"]
    assert (run["basis"], load["basis"]) == ("report", "judged")
    assert (run["kind"], load["kind"]) == ("run", "load")
    for line, made in ((run, Shelf(runs).judged(runs / "a-run")[1]), (load, Shelf(runs).judged(runs / "group" / "b-load")[1])):
        cards = {card.id: card for card in made.headline.cards}
        assert line["trust"] == made.trust.value
        assert line["cases"] == len(made.cases)
        assert line["ttft"] == {"value": cards["ttft"].estimate.value, "case": cards["ttft"].case}
        assert line["output_throughput"] == {"value": cards["output_throughput"].estimate.value, "case": cards["output_throughput"].case}
    assert {one["path"] for one in document["left_out"]} == {"torn", "list", "newer", "deep", "empty"}
    assert all(one["reason"] for one in document["left_out"])


def test_text_and_markdown_show_each_run_and_name_what_was_left_out_and_judged(runs):
    for face in ("text", "md"):
        said = touchstone("list", runs, "--format", face).replace("\\", "")
        assert "a-run" in said
        assert "2026-11-20 10:00" in said
        assert "judged just now, for lack of a report as new as the tables: group/b-load" in " ".join(said.split())
        assert "newer is left out" in said


def test_a_report_older_than_the_tables_or_of_another_run_does_not_count(runs, tmp_path):
    copied = tmp_path / "runs" / "copy"
    shutil.copytree(runs / "a-run", copied)
    os.utime(copied / "trials.parquet", ns=(2**62, 2**62))
    assert [run.basis for run in Shelf(copied.parent).catalogue().runs] == [Basis.JUDGED]
    os.utime(copied / "trials.parquet", ns=(1, 1))
    os.utime(copied / "report.json", ns=(2**62, 2**62))
    assert [run.basis for run in Shelf(copied.parent).catalogue().runs] == [Basis.REPORT]
    header = json.loads((copied / "run.json").read_text(encoding="utf-8"))
    (copied / "run.json").write_text(json.dumps(header | {"id": "another"}), encoding="utf-8")
    assert [(run.basis, run.run_id) for run in Shelf(copied.parent).catalogue().runs] == [(Basis.JUDGED, "another")]


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "[" * 50_000, '{"run": 1, "cases": [], "headline": 3}',
                                     '{"run": {"trust": ["trusted"]}, "cases": [], "headline": {}}'])
def test_a_report_that_is_none_does_not_count(runs, tmp_path, content):
    copied = tmp_path / "runs" / "copy"
    shutil.copytree(runs / "a-run", copied)
    (copied / "report.json").write_text(content, encoding="utf-8")
    assert [run.basis for run in Shelf(copied.parent).catalogue().runs] == [Basis.JUDGED]


def test_a_run_that_goes_on_is_not_judged_and_one_that_was_killed_long_ago_is(tmp_path):
    run = save_engine_run(engine_run(launches=1, status="running"), tmp_path / "runs" / "now")
    [line] = Shelf(tmp_path / "runs").catalogue().runs
    assert (line.status, line.trust, line.basis, line.plan) == ("running", None, Basis.HEADER, "hand-made")
    assert "running" in touchstone("list", tmp_path / "runs")
    for path in run.iterdir():
        os.utime(path, ns=(1, 1))
    [line] = Shelf(tmp_path / "runs").catalogue().runs
    assert (line.status, line.basis) == ("incomplete", Basis.JUDGED)


def test_a_line_is_made_again_only_when_the_run_changes(tmp_path, monkeypatch):
    save_engine_run(engine_run(launches=1), tmp_path / "one")
    shelf, judged = Shelf(tmp_path), []
    monkeypatch.setattr("touchstone.judge.findings.findings_of", lambda run: judged.append(1) or findings_of(run))
    for _ in range(3):
        assert shelf.catalogue().runs[0].basis is Basis.JUDGED
    assert judged == [1]
    os.utime(tmp_path / "one" / "trials.parquet", ns=(1, 1))
    assert shelf.catalogue().runs[0].basis is Basis.JUDGED
    assert judged == [1, 1]


def test_without_patience_nothing_is_judged_and_later_it_is(tmp_path):
    save_engine_run(engine_run(launches=1), tmp_path / "one")
    shelf = Shelf(tmp_path)
    assert [run.basis for run in shelf.catalogue(patience_s=0).runs] == [Basis.HEADER]
    assert [run.basis for run in shelf.catalogue().runs] == [Basis.JUDGED]


def test_a_thousand_runs_are_listed(tmp_path):
    for number in range(1000):
        (tmp_path / f"g{number % 7}" / f"r{number}").mkdir(parents=True)
        (tmp_path / f"g{number % 7}" / f"r{number}" / "run.json").write_text(json.dumps({"schema": 2, "id": f"{number}", "status": "failed"}), encoding="utf-8")
    catalogue = Shelf(tmp_path).catalogue(patience_s=0)
    assert len({run.key for run in catalogue.runs}) == 1000
    assert catalogue.left_out == ()


def test_hostile_names_neither_steer_a_terminal_nor_break_a_table(tmp_path):
    run = engine_run(launches=1)
    header = {**run.header, "plan": {**run.header["plan"], "name": HOSTILE}, "target": {**run.header["target"], "model": HOSTILE}, "created": HOSTILE}
    save_engine_run(type(run)(run.path, header, run.trials, run.samples), tmp_path / "runs" / "a\x1b[31mb|c")
    for face in ("text", "md", "json"):
        said = touchstone("list", tmp_path / "runs", "--format", face)
        assert not {"\x1b", "\x00"} & set(said)
        assert face == "json" or "\u202e" not in said
    assert "<script>" not in touchstone("list", tmp_path / "runs", "--format", "md")


def test_no_run_is_said_and_no_directory_is_an_error(tmp_path):
    assert "there is no run below" in touchstone("list", tmp_path)
    assert json.loads(touchstone("list", tmp_path, "--format", "json"))["runs"] == []
    touchstone("list", tmp_path / "absent", code=2)


def line(path, created="", trust=None):
    return ListedRun("k", path, "id", "run", created, None, None, None, None, None, None, "complete", trust, None, None, Basis.HEADER)


def test_what_a_run_is_has_the_whole_width(monkeypatch):
    """An address is not broken into pieces as wide as the first column; the columns of all runs stand below each other."""
    monkeypatch.setenv("COLUMNS", "80")
    runs = tuple(replace(line(path, "2026-11-21T10:00:00+00:00", Trust.SUSPECT), plan="load", model="scripted", device="http://10.128.12.101:18177/v1")
                 for path in ("served", "runs/20261121-195746-load-again"))
    shown = to_list_text(Catalogue("runs", runs, ()), runs, str).splitlines()
    assert [text.strip() for text in shown].count(runs[0].words) == 2
    assert len({text.index("2026-11-21") for text in shown if "2026-11-21" in text}) == 1


def test_orders():
    now = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
    runs = [line("c", (now - timedelta(hours=1)).isoformat(), Trust.REJECTED), line("a", "2026-11-21T13:30:00+02:00", Trust.TRUSTED), line("b", "no date"),
            line("d", now.isoformat(), Trust.SUSPECT)]
    assert [run.path for run in in_order(runs, "name")] == ["a", "b", "c", "d"]
    assert [run.path for run in in_order(runs, "created")] == ["d", "a", "c", "b"]  # 13:30 at +02:00 is 11:30
    assert [run.path for run in in_order(runs, "trust")] == ["a", "d", "c", "b"]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.sampled_from(["run", "cases", "headline", "cards", "id", "trust", "plan", "target", "endpoint", "server", "value", "mean", "case", "model", "name"]),
    inner, max_size=6), max_leaves=20)


@given(JSON)
def test_whatever_a_report_holds_its_line_is_whole_or_none(document):
    found = listed_document("k", "p", document, Basis.REPORT)
    assert found is None or (isinstance(found.trust, Trust) and isinstance(found.words, str))


@given(st.dictionaries(st.sampled_from(["plan", "target", "endpoint", "server", "status", "id", "created", "kind"]), JSON))
def test_whatever_a_header_holds_there_is_a_line(header):
    assert isinstance(listed_header("k", "p", header, live=False).words, str)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "3", None])
def test_what_is_no_number_is_not_shown_as_one(value):
    document = {"run": {"trust": "trusted"}, "cases": [], "headline": {"cards": [{"id": "ttft", "mean": value, "case": "c"}]}}
    assert listed_document("k", "p", document, Basis.REPORT).ttft is None
