"""``touchstone explain``: what a failure in a log means, and what cures it."""

from __future__ import annotations

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.argument("log", metavar="LOG|-")
@click.option("--format", "face", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@language.option
def explain(log: str, face: str, lang: str) -> int:
    """Say what failed in LOG, why, and what cures it; the likeliest cause first.

    LOG is what an engine, a server or a command printed, of any length, or - to paste or pipe it. Errors that are not known are
    said to be so.
    """
    from touchstone.cli.results import opened
    from touchstone.failures import FAILURES
    from touchstone.failures import explain as explained
    from touchstone.log_lines import bounded_lines
    from touchstone.report.explain_text import EXPLAIN_FACES
    from touchstone.report.i18n import translator

    with opened(log) as stream:
        found = explained(bounded_lines(stream))
    click.echo(EXPLAIN_FACES[face](found, log, len(FAILURES), translator(language.chosen(lang=lang))))
    return 0
