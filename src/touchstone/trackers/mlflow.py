"""MLflow: files below the run's directory, or whatever store MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from touchstone.message import say
from touchstone.trackers import facts
from touchstone.trackers.attachments import attach
from touchstone.trackers.tracked import Sent, Settings, Tracked
from touchstone.units import NS_PER_MS

_MOST = 100
"""The library takes so many parameters or tags at once, and more numbers."""


def send(tracked: Tracked, settings: Settings) -> Sent:
    """Log the run as one run of the experiment ``settings.project``. Raises whatever the library does."""
    from mlflow.tracking import MlflowClient

    findings, place = tracked.findings, tracked.directory.resolve() / "mlruns"
    store = os.environ.get("MLFLOW_TRACKING_URI")
    client = MlflowClient(tracking_uri=store or place.as_uri())
    known = client.get_experiment_by_name(settings.project)
    experiment = known.experiment_id if known else client.create_experiment(settings.project)
    note = {"mlflow.note.content": tracked.note} if tracked.note else {}
    # The client adds nothing of its own here, unlike start_run: no user, no path of the program, no commit.
    run = client.create_run(experiment, start_time=facts.moment_ns(findings.created) // NS_PER_MS, run_name=facts.title(findings), tags=note)
    identity = run.info.run_id
    try:
        _fill(client, identity, tracked)
        with tempfile.TemporaryDirectory() as copies:
            for report in attach(findings, tracked.directory, Path(copies)):
                client.log_artifact(identity, str(report))
    except BaseException:
        client.set_terminated(identity, "FAILED")
        raise
    client.set_terminated(identity, "FINISHED", end_time=facts.moment_ns(tracked.ended or findings.created) // NS_PER_MS)
    if store:
        return Sent(say("sent to {url}", url=facts.shown_address(store)))
    return Sent(say("kept in {place}; nothing has left this machine. To look at it: {command}", place=place,
                    command=f"MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {place}"))


def _fill(client: Any, identity: str, tracked: Tracked) -> None:
    from mlflow.entities import Metric, Param, RunTag

    at_ms = facts.moment_ns(tracked.ended or tracked.findings.created) // NS_PER_MS
    numbers = [Metric(number.key, number.value, at_ms, 0) for number in facts.numbers(tracked.findings)]
    told = [Param(name, str(value)) for name, value in facts.parameters(tracked).items()]
    tags = [RunTag(name, text) for name, text in facts.tags(tracked.findings).items()]
    for start in range(0, max(len(numbers), len(told), len(tags)), _MOST):
        part = slice(start, start + _MOST)
        client.log_batch(identity, metrics=numbers[part], params=told[part], tags=tags[part])
