"""The child of ``touchstone run``: plays one launch. It alone sees both wings, and hands the judges to the measurement."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from touchstone.errors import EngineLostError, TouchstoneError


@click.command(hidden=True)
def launch() -> int:
    """Read a launch from stdin, play it, and say what happens as JSON lines on stdout."""
    from touchstone.judge import stopping, verification
    from touchstone.measure import bench
    from touchstone.measure.launches import LOST, error_event
    from touchstone.measure.player import Place
    from touchstone.plan import Plan, Target

    # Engines print to stdout; the parent reads events from what was stdout, and everything else goes to the launch's log.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def emit(kind: str, content: Mapping[str, object]) -> None:
        print(json.dumps({"event": kind, **content}, default=str), file=events)

    asked = {"stop": False}
    signal.signal(signal.SIGTERM, lambda *_: asked.update(stop=True))
    parent = os.getppid()
    given = json.load(sys.stdin)
    spec = bench.LaunchSpec(
        plan=Plan.model_validate(given["plan"]), target=Target.model_validate(given["target"]),
        directory=Path(given["directory"]), place=Place(given["launch"], given["process"]), warmup=given["warmup"],
        done=frozenset((case, index) for case, index in given["done"]), skip=frozenset(given["skip"]), pilot=given["pilot"],
    )
    judges = bench.Judges(verify=verification.problem, enough=stopping.enough, steady=stopping.warm_after)
    try:
        bench.run_launch(spec, judges, emit, lambda: asked["stop"] or os.getppid() != parent)
    except EngineLostError:  # its trial is written down; the rest of the launch needs a new process
        return LOST
    except TouchstoneError as error:
        emit("error", error_event(error))
        return error.exit_code
    return 0
