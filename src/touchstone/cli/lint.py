"""``touchstone lint``: mistakes of method in a benchmark script."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.argument("scripts", metavar="SCRIPT|-...", nargs=-1, required=True)
@click.option("--format", "face", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.option("--fail-on", type=click.Choice(["mistakes"]), help="Exit with 4 if there are any.")
@language.option
def lint(scripts: tuple[str, ...], face: str, fail_on: str | None, lang: str) -> int:
    """Find mistakes of method in a benchmark SCRIPT without running it.

    SCRIPT is a Python file, a Markdown file (every fenced Python block in it), or - to paste one.
    """
    from touchstone.cli.results import read_bytes
    from touchstone.judge.lint import LARGEST_BYTES, RULES, lint_file
    from touchstone.report.i18n import translator
    from touchstone.report.lint_text import LINT_FACES

    found = {script: lint_file(sys.stdin.buffer.read(LARGEST_BYTES + 1) if script == "-" else read_bytes(Path(script), LARGEST_BYTES + 1), script)
             for script in scripts}
    click.echo(LINT_FACES[face](found, len(RULES), translator(language.chosen(lang=lang))))
    return 4 if fail_on and any(found.values()) else 0
