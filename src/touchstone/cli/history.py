"""``touchstone history``: all runs below a directory, and where their level changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from touchstone.cli import language

if TYPE_CHECKING:
    from touchstone.judge.compare.measured import Measured
    from touchstone.message import Message
    from touchstone.run_directories import Found


@click.command(context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--metric", "metrics", multiple=True, help="Show this metric, such as ttft or ttft.p99; may be repeated. Default: the throughput.")
@click.option("--margin", default="2%", help="The least change that counts.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@language.option
def history(directory: Path, metrics: tuple[str, ...], margin: str, face: str, lang: str) -> int:
    """List the runs below DIRECTORY by machine, engine, plan and case, oldest first, and say where and with what their level changed."""
    from touchstone.cli.compare import margin_of
    from touchstone.errors import unknown_name
    from touchstone.judge.compare.history import history_of
    from touchstone.judge.metrics import METRICS
    from touchstone.message import Message, say
    from touchstone.report.history_text import HISTORY_FACES
    from touchstone.report.i18n import translator
    from touchstone.run_directories import find_runs, must_hold_runs

    must_hold_runs(directory)
    for metric in metrics:
        if metric.partition(".")[0] not in METRICS:
            raise unknown_name(say("metric"), metric, METRICS)
    read = [_read(found) for found in sorted(find_runs(directory), key=lambda found: found.directory)]
    runs = [one for one in read if not isinstance(one, Message)]
    notes = [one for one in read if isinstance(one, Message)]
    found = history_of(runs, str(directory), margin_of(margin, runs).value, metrics, notes)
    click.echo(HISTORY_FACES[face](found, translator(language.chosen(lang=lang))))
    return 0


def _read(found: Found) -> Measured | Message:
    """The run that was found, or why it is left out."""
    from touchstone.cli.sides import measured_at
    from touchstone.errors import DataError
    from touchstone.message import Message, say

    if found.reason is not None:
        return say("{path} is left out: {why}", path=found.directory, why=found.reason)
    try:
        return measured_at(found.directory)[0]
    except DataError as error:
        return say("{path} is left out: {why}", path=found.directory, why=Message(error.message, tuple(error.fields.items())))
