"""``touchstone report``: its faces, the page above all, on screen and in a file; and the page at the end of every run."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from compared_runs import engine_run, load_run, save_engine_run, save_load_run
from pages import read

from touchstone.cli import faces, run_command_line
from touchstone.report.html.masking import MASK


def touchstone(*arguments, code=0):
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        assert run_command_line(["report", *map(str, arguments)]) == code, said.getvalue()
    return out.getvalue() if code == 0 else said.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_engine_run(engine_run(launches=1, trials=3), tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    directory = save_load_run(load_run(repeats=1, count=64), tmp_path_factory.mktemp("report") / "load")
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    header["endpoint"]["base_url"] = "http://gpu-7.lab.example:8000"
    (directory / "run.json").write_text(json.dumps(header), encoding="utf-8")
    return directory


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_is_printed_or_written_and_is_the_same(run, tmp_path, lang):
    printed = touchstone(run, "--format", "html", "--lang", lang)
    assert touchstone(run, "--format", "html", "--lang", lang, "-o", tmp_path / "page.html") == ""
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == printed
    assert printed.startswith("<!DOCTYPE html>")
    assert read(printed).one("html").facts["lang"] == {"en": "en", "zh": "zh-CN"}[lang]


@pytest.mark.parametrize("face", ["text", "md", "json"])
def test_every_face_can_be_written_to_a_file(run, tmp_path, face):
    touchstone(run, "--format", face, "--output", tmp_path / "report")
    assert (tmp_path / "report").read_text(encoding="utf-8") == touchstone(run, "--format", face)


def test_the_page_hides_the_host_of_a_server_unless_it_is_asked_not_to(load):
    hidden, open_ = touchstone(load, "--format", "html"), touchstone(load, "--format", "html", "--no-redact")
    assert "gpu-7.lab.example" not in hidden
    assert f"http://{MASK}:8000" in hidden
    assert "http://gpu-7.lab.example:8000" in open_
    assert MASK not in open_


def test_the_other_faces_are_for_oneself_and_keep_it(load):
    assert "gpu-7.lab.example" in touchstone(load, "--format", "json")


def test_the_definitions_of_other_tools_have_no_page(run):
    assert "--metrics-as has no HTML" in touchstone(run, "--format", "html", "--metrics-as", "vllm", code=2)


def test_a_file_that_cannot_be_written_is_said_to_be_so(run, tmp_path):
    said = touchstone(run, "--format", "html", "-o", tmp_path / "no" / "such" / "page.html", code=3)
    assert "cannot be written" in said
    assert "Traceback" not in said


def test_no_run_no_page(tmp_path):
    assert "Traceback" not in touchstone(tmp_path, "--format", "html", "-o", tmp_path / "page.html", code=3)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("kind", ["run", "load"])
def test_the_page_stands_beside_the_other_reports_at_the_end_of_a_run(kind, request):
    directory = request.getfixturevalue(kind)
    printed = faces.write_and_show(directory, "json", "zh")
    assert json.loads(printed)["schema"] == 1
    page = (directory / faces.PAGE).read_text(encoding="utf-8")
    assert page + "\n" == touchstone(directory, "--format", "html", "--lang", "zh")
    assert "gpu-7.lab.example" not in page
    assert sorted(path.name for path in directory.glob("report.*")) == ["report.en.md", "report.html", "report.json", "report.zh.md"]
