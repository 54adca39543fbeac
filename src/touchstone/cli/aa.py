"""``touchstone aa``: the same thing measured twice must come out equal; how far it does not is the host's noise floor."""

from __future__ import annotations

from pathlib import Path

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.argument("first", metavar="DIR_A")
@click.argument("second", metavar="DIR_B")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Where the noise floor is kept. Default: aa.json beside DIR_B.")
@click.option("--allow-differences", is_flag=True, help="Take them for the same although their conditions differ.")
@click.option("--fail-on", type=click.Choice(["unstable"]), multiple=True, help="Exit with 5 unless everything is shown to be equal.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@language.option
def aa(first: str, second: str, *, save: Path | None, allow_differences: bool, fail_on: tuple[str, ...], face: str, lang: str) -> int:
    """Compare two runs of the same thing, and keep how far they lie apart as the margin for 'touchstone compare --margin'."""
    from touchstone.cli.compare import UNSTABLE, shown
    from touchstone.cli.results import read_bytes
    from touchstone.cli.sides import side
    from touchstone.judge.compare import compare_same
    from touchstone.judge.compare.margin import floors_text, is_quiet, read_floors
    from touchstone.message import say
    from touchstone.parquet import replace_file
    from touchstone.report.i18n import translator

    found = compare_same(side([first]), side([second]), allow_differences=allow_differences)
    target = save or Path(second).parent / "aa.json"
    kept = read_floors(read_bytes(target, 8 << 20), str(target)) if target.exists() else ()
    assert found.floor is not None
    replace_file(target, floors_text(kept, found.floor).encode("utf-8", "replace"))
    click.echo(shown(found, face, lang))
    kept_at = say("the noise floor is kept in {path}: touchstone compare OLD NEW --margin {path}", path=target)
    click.echo(kept_at.render(translator(language.chosen(lang=lang))), err=True)
    return UNSTABLE if fail_on and not is_quiet(found) else 0
