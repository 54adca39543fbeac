"""``touchstone report``: the report of a run that is on disk."""

from __future__ import annotations

from pathlib import Path

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="Which face of the report.")
@click.option("--metrics-as", "tool", metavar="TOOL", help="The numbers as vllm, sglang, guidellm, aiperf, evalscope or aisbench would define them.")
@language.option
def report(directory: Path, face: str, tool: str | None, lang: str) -> int:
    """Print the report of the run in DIRECTORY, finished or not."""
    from touchstone.cli import faces

    chosen = language.chosen(lang=lang)
    click.echo(faces.show(directory, face, chosen) if tool is None else faces.show_as(directory, tool, face, chosen))
    return 0
