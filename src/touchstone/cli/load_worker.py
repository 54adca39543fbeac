"""One process of a load test, started by ``touchstone load``."""

from __future__ import annotations

import json
import sys

import click


@click.command(hidden=True)
def load_worker() -> int:
    """Read a share of a load from stdin and play it; a server that cannot be reached is said in one line on stderr."""
    from touchstone.measure.load.worker import UNREACHABLE, WorkerSpec, work

    try:
        work(WorkerSpec(**json.load(sys.stdin)))
    except (ConnectionError, TimeoutError) as error:
        click.echo(error, err=True)
        return UNREACHABLE
    return 0
