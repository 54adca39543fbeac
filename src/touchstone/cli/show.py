"""``touchstone show``: one run in detail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from touchstone.cli import language

if TYPE_CHECKING:
    from touchstone.finding import Findings


@click.command(context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--case", metavar="NAME", help="Only this case.")
@click.option("--trials", is_flag=True, help="List every trial too, warm-up and verification among them; of a load, every point.")
@click.option("--requests", is_flag=True, help="List every request too.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@language.option
def show(directory: Path, case: str | None, *, trials: bool, requests: bool, face: str, lang: str) -> int:
    """Show the run in DIRECTORY, finished or not: what was planned, where, every metric of every case, and why one is missing."""
    from touchstone.judge.listing import requests_listed, trials_of
    from touchstone.listing import RunInDetail
    from touchstone.report.i18n import translator
    from touchstone.report.show_text import SHOW_FACES
    from touchstone.ui.shelf import Shelf

    chosen = language.chosen(lang=lang)
    run, findings = Shelf(directory).judged(directory)
    detail = RunInDetail(findings if case is None else _only(findings, case), trials_of(run, case) if trials else None,
                         requests_listed(run, case) if requests else None)
    click.echo(SHOW_FACES[face](detail, translator(chosen), chosen))
    return 0


def _only(findings: Findings, case: str) -> Findings:
    """What there is to say of one case, and of the run as a whole."""
    from dataclasses import replace

    from touchstone.errors import unknown_name
    from touchstone.message import say

    names = [one.name for one in findings.cases]
    if case not in names:
        raise unknown_name(say("case"), case, names)
    return replace(findings, cases=tuple(one for one in findings.cases if one.name == case),
                   verdicts=tuple(one for one in findings.verdicts if one.case in {None, case}))
