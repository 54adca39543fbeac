"""``touchstone list``: the runs below a directory."""

from __future__ import annotations

from pathlib import Path

import click

from touchstone.cli import language


@click.command("list", context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--sort", "order", type=click.Choice(["created", "trust", "name"]), default="created", help="Newest first, most believable first, or by path.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@language.option
def list_(directory: Path, order: str, face: str, lang: str) -> int:
    """List the runs below DIRECTORY: what was measured, the first numbers, and whether to believe them.

    A run without a report as new as its tables is judged for it, unless it is still going on.
    """
    from touchstone.cli.inert import inert
    from touchstone.cli.live_line import LiveLine
    from touchstone.listing import in_order
    from touchstone.message import say
    from touchstone.report.i18n import translator
    from touchstone.report.list_text import LIST_FACES
    from touchstone.run_directories import must_hold_runs
    from touchstone.ui.shelf import Shelf

    must_hold_runs(directory)
    translate, line = translator(language.chosen(lang=lang)), LiveLine("auto")
    try:
        catalogue = Shelf(directory).catalogue(tell=lambda path: line.show(inert(say("judging {path}", path=path).render(translate))))
    finally:
        line.close()
    click.echo(LIST_FACES[face](catalogue, in_order(catalogue.runs, order), translate))
    return 0
