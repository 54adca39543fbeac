"""``touchstone compare``: two sides, and what may be said of the difference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from touchstone.cli import language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from touchstone.comparison import Comparison
    from touchstone.judge.compare.margin import Margin
    from touchstone.judge.compare.measured import Measured

REGRESSED, UNSTABLE = 6, 5


@click.command(context_settings={"show_default": True})
@click.argument("sides", nargs=-1, metavar="[OLD NEW]")
@click.option("--old", multiple=True, help="A run of the old side; may be repeated. Each is then one replicate.")
@click.option("--new", multiple=True, help="A run of the new side; may be repeated.")
@click.option("--margin", help="The least change that counts: 2%, 0.02, or the file that 'touchstone aa' saved. Default: 2%.")
@click.option("--allow-differences", is_flag=True, help="Compare runs that differ in more than one thing, and call it confounded.")
@click.option("--fail-on", type=click.Choice(["regression", "unstable"]), multiple=True, help="Exit with 6 if anything got worse, with 5 if anything is undecided.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@language.option
def compare(sides: tuple[str, ...], *, old: tuple[str, ...], new: tuple[str, ...], margin: str | None, allow_differences: bool,
            fail_on: tuple[str, ...], face: str, lang: str) -> int:
    """Say whether NEW is better than OLD, by how much, and what else differs between them.

    Each side is the directory of a run, several of them (with commas, or --old and --new repeated), or a results file of another tool.
    """
    from touchstone.cli.sides import side
    from touchstone.errors import UsageError
    from touchstone.judge import compare as judge

    if len(sides) not in {0, 2} or (sides and (old or new)) or (not sides and not (old and new)):
        raise UsageError("A comparison has two sides.", "Write: touchstone compare OLD NEW, or --old A --old B --new C --new D")
    before, after = side(sides[:1] or old), side(sides[1:] or new)
    found = judge.compare(before, after, margin_of(margin, [*before, *after]), allow_differences=allow_differences)
    click.echo(shown(found, face, lang))
    return failure(found, fail_on)


def margin_of(text: str | None, measured: Sequence[Measured]) -> Margin:
    """The margin of ``--margin``. Raises :class:`touchstone.errors.TouchstoneError`."""
    from touchstone.cli.results import read_bytes
    from touchstone.errors import DataError
    from touchstone.judge.compare.margin import margin_from, parse_margin, read_floors, usual

    if text is None:
        return usual()
    share = parse_margin(text)
    if share is None and not Path(text).exists():
        raise DataError("{text} is neither a margin nor a file.", "Write 2% or 0.02, or give the file that 'touchstone aa' saved.", text=text)
    return share or margin_from(read_floors(read_bytes(Path(text), 8 << 20), text), measured, text)


def shown(found: Comparison, face: str, lang: str) -> str:
    """The comparison in the face and language asked for."""
    from touchstone.report.compare_document import to_compare_json
    from touchstone.report.compare_markdown import to_compare_markdown
    from touchstone.report.compare_text import to_compare_text
    from touchstone.report.i18n import measured_on, translator

    faces = {"text": to_compare_text, "md": to_compare_markdown, "json": to_compare_json}
    with measured_on(found.device):
        return faces[face](found, translator(language.chosen(lang=lang)))


def failure(found: Comparison, fail_on: Sequence[str]) -> int:
    """The exit code: a regression that is shown comes before what is undecided."""
    if "regression" in fail_on and found.regressed:
        return REGRESSED
    return UNSTABLE if "unstable" in fail_on and found.undecided else 0
