"""The real libraries, offline: what they wrote is read back and compared with the findings."""

import json
from pathlib import Path

import pytest
from tracked_runs import SECRETS, all_bytes, engine_run, expected, records_of, served_run, tracked_run

from touchstone.trackers import facts, send
from touchstone.trackers.tracked import Settings

RUNS = {"engine": engine_run, "served": served_run}
REPORTS = {"report.en.md", "report.json", "report.html"}


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    """Neither the user's settings nor a store that somebody named; a key that must not be written anywhere."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "SWANLAB_MODE", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_API_KEY", SECRETS[2])
    monkeypatch.setenv("SWANLAB_API_KEY", SECRETS[2])
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=RUNS)
def tracked(request, tmp_path):
    return tracked_run(RUNS[request.param](), tmp_path / "运行 run")


def sent(name, tracked, capfd):
    """Where the tracker says the run is; the library itself must say nothing."""
    said = str(send(name, tracked, Settings()).where)
    assert capfd.readouterr() == ("", "")
    assert "nothing has left this machine" in said
    return said


def assert_nothing_private(place):
    found = all_bytes(place)
    assert len(found) > 1000
    assert [secret for secret in (*SECRETS, "/home/somebody") if secret.encode() in found] == []


def test_swanlab_keeps_every_number(tracked, capfd):
    pytest.importorskip("swanlab")
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    said = sent("swanlab", tracked, capfd)
    (log,) = (tracked.directory / "swanlab").glob("run-*/*.swanlab")
    assert f"swanlab sync {log.parent}" in said
    records = [Record.FromString(one) for one in records_of(log)]
    assert {one.scalar.key: one.scalar.value.number for one in records if one.HasField("scalar")} == expected(tracked)
    (start,) = (one.start for one in records if one.HasField("start"))
    assert (start.project, start.name, start.description) == ("touchstone", facts.title(tracked.findings), tracked.note)
    assert set(start.tags) == {"touchstone", tracked.findings.trust.value, tracked.findings.kind}
    assert {path.name for path in (log.parent / "files").iterdir()} >= REPORTS
    config = (log.parent / "files" / "config.yaml").read_text(encoding="utf-8")
    assert all(f"{name}:" in config for name in {**facts.parameters(tracked), **facts.tags(tracked.findings)})
    assert json.loads((log.parent / "files" / "swanlab-metadata.json").read_text())["runtime"] is None
    assert_nothing_private(tracked.directory / "swanlab")


def test_wandb_keeps_every_number(tracked, capfd):
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    said = sent("wandb", tracked, capfd)
    (log,) = (tracked.directory / "wandb").glob("offline-run-*/*.wandb")
    assert f"wandb sync {log.parent}" in said
    records = [Record.FromString(one) for one in records_of(log)]
    told = {one.key: json.loads(one.value_json) for record in records if record.HasField("summary") for one in record.summary.update if one.key}
    assert {name: value for name, value in told.items() if not name.startswith("_")} == expected(tracked)
    runs = [record.run for record in records if record.HasField("run")]
    assert (runs[0].project, runs[0].display_name, runs[0].notes, runs[0].host) == ("touchstone", facts.title(tracked.findings), tracked.note, "")
    config = {one.key: json.loads(one.value_json) for run in runs for one in run.config.update if one.key != "_wandb"}
    assert config == {**facts.parameters(tracked), **facts.tags(tracked.findings)}
    assert {one.path for record in records if record.HasField("files") for one in record.files.files} == REPORTS
    assert_nothing_private(tracked.directory / "wandb")


def test_mlflow_keeps_every_number(tracked, capfd, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    said = sent("mlflow", tracked, capfd)
    place = tracked.directory.resolve() / "mlruns"
    assert str(place) in said
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=place.as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("touchstone").experiment_id])
    assert run.data.metrics == expected(tracked)
    assert run.data.params == {name: str(value) for name, value in facts.parameters(tracked).items()}
    assert {name: text for name, text in run.data.tags.items() if not name.startswith("mlflow.")} == facts.tags(tracked.findings)
    assert {name for name in run.data.tags if name.startswith("mlflow.")} == {"mlflow.runName", "mlflow.note.content"}
    assert (run.info.run_name, run.info.status, run.info.user_id) == (facts.title(tracked.findings), "FINISHED", "unknown")
    assert run.info.end_time - run.info.start_time == 300_000
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == REPORTS
    assert_nothing_private(place)


def test_a_run_may_be_sent_twice(tracked, capfd):
    pytest.importorskip("swanlab")
    sent("swanlab", tracked, capfd)
    sent("swanlab", tracked, capfd)
    assert len(list((tracked.directory / "swanlab").glob("run-*"))) == 2


def test_mlflow_goes_to_the_store_that_is_named(tracked, monkeypatch, tmp_path):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "team").as_uri())
    assert "team" in str(send("mlflow", tracked, Settings(project="ours")).where)
    assert not (tracked.directory / "mlruns").exists()
    assert list(Path(tmp_path / "team").glob("*/*/meta.yaml"))
