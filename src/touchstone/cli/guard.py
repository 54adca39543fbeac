"""The process between a run and a server that it started; hidden."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("log", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def guard(log: Path, command: tuple[str, ...]) -> int:
    """Run COMMAND until it ends or standard input closes, its output in LOG; say pid and exit code as JSON lines on stdout."""
    from touchstone.measure.servers.guard import run_guarded

    def say_(**fact: object) -> None:
        click.echo(json.dumps(fact))
        sys.stdout.flush()

    try:
        say_(exit=run_guarded(command, log, sys.stdin.buffer, lambda pid: say_(pid=pid)))
    except OSError as error:
        say_(refused=error.strerror or str(error))
    return 0
