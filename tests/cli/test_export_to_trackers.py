"""``touchstone export --to TRACKER`` and ``--track`` as a user has them."""

import json
import shutil

import click
import pytest

from touchstone import trackers
from touchstone.cli import run_command_line, tracking
from touchstone.errors import TouchstoneError
from touchstone.judge.findings import findings_of
from touchstone.measure.scripted import Script, ScriptedServer
from touchstone.run_directories import read_run
from touchstone.trackers import TRACKERS, Row


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A load test of a server that answers after 10 ms."""
    place = tmp_path_factory.mktemp("runs") / "load"
    with ScriptedServer(Script(ttft_s=0.01, itl_s=0.001)) as server:
        assert run_command_line(["load", "--base-url", server.base_url, "-o", str(place), "--no-calibrate", "--ui", "none", "--output-len", "4",
                                 "--input-len", "32", "--warmup", "0", "--num-prompts", "24", "--concurrency", "2", "--label", "tp=4"]) == 0
    return place


@pytest.fixture
def directory(measured, tmp_path):
    return shutil.copytree(measured, tmp_path / "run")


@pytest.fixture
def refusing(monkeypatch):
    """A tracker whose library fails."""
    def refuse(_tracked, _settings):
        raise OSError("no route to host")

    monkeypatch.setattr(trackers, "refuse", refuse, raising=False)
    monkeypatch.setitem(TRACKERS, "wandb", Row("touchstone.trackers:refuse", "wandb", "touchstone", {}))


def said(capsys, *arguments):
    """Exit code, standard output and standard error of one command."""
    capsys.readouterr()
    code = run_command_line([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_tracker_takes_the_run_and_says_where_it_is(capsys, directory):
    pytest.importorskip("swanlab")
    code, out, err = said(capsys, "export", directory, "--to", "swanlab", "--lang", "en")
    assert (code, err) == (0, "")
    assert out.startswith(f"swanlab: kept in {directory}/swanlab/run-")
    assert len(out.splitlines()) == 1


def test_the_requests_of_the_run_reach_opentelemetry(capsys, directory, tmp_path):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    code, out, err = said(capsys, "export", directory, "--to", "otel", "-o", tmp_path / "out.json", "--label", "tp=2")
    assert (code, err) == (0, "")
    assert str(tmp_path / "out.json") in out
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    metrics = {metric["name"]: metric for metric in document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]}
    (point,) = metrics["gen_ai.client.operation.duration"]["histogram"]["dataPoints"]
    assert point["count"] == "24"
    (case,) = findings_of(read_run(directory)).cases
    (value,) = (one["asDouble"] for one in metrics["touchstone.ttft"]["gauge"]["dataPoints"] if {
        "key": "touchstone.statistic", "value": {"stringValue": "value"}} in one["attributes"])
    assert value == case.metrics["ttft"].value


def test_labels_of_the_run_and_of_the_command_are_sent(directory):
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    (directory / "run.json").write_text(json.dumps({**header, "created": "2026-01-01T00:00:00+00:00"}), encoding="utf-8")  # it may end within the same second
    findings = findings_of(read_run(directory))
    assert tracking.tracked(directory, findings, "en").labels == {"tp": "4"}
    assert tracking.tracked(directory, findings, "en", {"tp": "2", "hw": "910B"}).labels == {"tp": "2", "hw": "910B"}
    assert tracking.tracked(directory, findings, "en").ended > findings.created


def test_a_failure_is_exit_3_with_a_cure(capsys, directory, refusing):
    code, out, err = said(capsys, "export", directory, "--to", "wandb", "--lang", "en")
    assert (code, out) == (3, "")
    assert err == (f"touchstone: wandb did not take the run: no route to host. Nothing of the run is lost. When the cause is gone: "
                   f"touchstone export {directory} --to wandb\n")


@pytest.mark.parametrize("arguments", [
    ("csv", "--online"), ("csv", "--project", "ours"), ("vllm", "--endpoint", "http://x"), ("otel", "--online"), ("otel", "--project", "ours"),
    ("swanlab", "--endpoint", "http://x"), ("swanlab", "-o", "x"), ("mlflow", "--online")])
def test_an_option_without_effect_is_refused(capsys, directory, arguments):
    code, out, err = said(capsys, "export", directory, "--to", *arguments, "--lang", "en")
    assert (code, out) == (2, "")
    assert f"{'--output' if arguments[1] == '-o' else arguments[1]} means nothing to {arguments[0]}." in err


def test_help_names_every_format_and_tracker_and_is_readable(capsys):
    code, out, _ = said(capsys, "export", "--help")
    assert code == 0
    for name in ("vllm", "llm-d", "inferencex", "csv", "csv-requests", *TRACKERS):
        assert name in out
    assert max(map(len, out.splitlines())) <= 80


def test_after_a_run_every_tracker_is_tried_and_none_can_harm_it(capsys, directory, refusing):
    pytest.importorskip("swanlab")
    before = (directory / "run.json").read_bytes()
    capsys.readouterr()
    assert tracking.after(directory, ("wandb", "swanlab"), "en") is None
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("touchstone: wandb did not take the run: no route to host.")
    assert second.startswith(f"touchstone: swanlab: kept in {directory}")
    assert (directory / "run.json").read_bytes() == before


def test_after_a_run_that_cannot_be_read_again_there_is_a_warning_only(capsys, directory):
    (directory / "run.json").write_text("{", encoding="utf-8")
    tracking.after(directory, ("otel", "no such tracker"), "en")
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2
    assert "Traceback" not in err


@click.command()
@tracking.option
def measuring(trackers):
    """Stands for a verb that measures."""
    click.echo(f"measuring for {trackers}")


def through(capsys, *arguments):
    try:
        measuring.main([*arguments], standalone_mode=False)
    except TouchstoneError as error:
        return error, capsys.readouterr().out
    return None, capsys.readouterr().out


def test_the_option_takes_several_and_each_once(capsys):
    error, out = through(capsys, "--track", "otel", "--track", "swanlab", "--track", "otel")
    assert (error, out) == (None, "measuring for ('otel', 'swanlab')\n")
    assert through(capsys) == (None, "measuring for ()\n")


def test_a_missing_library_is_said_before_anything_is_measured(capsys, monkeypatch):
    monkeypatch.setitem(TRACKERS, "mlflow", Row("touchstone.trackers.mlflow:send", "mlflow", "no_such_module_here", {}))
    error, out = through(capsys, "--track", "mlflow")
    assert "pip install 'llm-touchstone[mlflow]'" in str(error)
    assert out == ""
