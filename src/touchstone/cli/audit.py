"""``touchstone audit``: judge a table, an article, a results file of another tool, or a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from touchstone.cli import language

_LARGEST_BYTES = 512 << 20
FAILS = {"rejected": ("impossible", "inconsistent"), "suspect": ("impossible", "inconsistent", "suspect")}


@click.command(context_settings={"show_default": True})
@click.argument("source", metavar="FILE|RUN|-")
@click.option("--model", "-m", help="Whose numbers: a name (Llama-2-7B, Qwen2-7B, …) or a config.json. Default: as the text says.")
@click.option("--hardware", help="On what: 910B, H100, … Default: as the text says.")
@click.option("--dtype", help="Of the weights: fp16, bf16, int8, int4, … Default: as the text says, else the checkpoint's own.")
@click.option("--devices", type=click.IntRange(min=1), help="How many devices held the model together.")
@click.option("--accepted-tokens", type=click.FloatRange(min=1), help="Tokens per step of speculative decoding.")
@click.option("--cached-prefix/--no-cached-prefix", default=None, help="Whether prompts came from a prefix cache.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@click.option("--fail-on", type=click.Choice(list(FAILS)), help="Exit with 4 if a row is so (rejected: inconsistent or impossible).")
@language.option
def audit(source: str, face: str, fail_on: str | None, lang: str, **conditions: Any) -> int:
    """Say of each row of a table whether it can be true: does it add up, is it possible on that hardware?

    SOURCE is a Markdown, CSV or HTML table, an article with tables, a results file of another tool, the directory of a run, or - to
    paste one.
    """
    import gc

    from touchstone.report.audit_text import AUDIT_FACES
    from touchstone.report.i18n import translator

    gc.disable()  # of a large table the collector would look at a million live objects again and again, and find no cycle
    findings = _findings(source, conditions)
    click.echo(AUDIT_FACES[face](findings, translator(language.chosen(lang=lang))))
    return 4 if fail_on and any(row.status.value in FAILS[fail_on] for row in findings.rows) else 0


def _findings(source: str, conditions: dict[str, Any]) -> Any:
    from touchstone.cli.results import read_bytes, read_directory
    from touchstone.errors import DataError
    from touchstone.judge.publication import audit_content, audit_results, audit_run

    asked, model = _subject(conditions)
    path = Path(source)
    if source == "-":
        return audit_content(sys.stdin.buffer.read(_LARGEST_BYTES), "-", asked, model)
    if (path / "run.json").is_file():
        from touchstone.judge.findings import findings_of
        from touchstone.run_directories import read_run

        return audit_run(findings_of(read_run(path)))
    if path.is_dir():
        results = read_directory(path)
        if results is None:
            raise DataError("{path} is neither a run nor results of a tool that this version reads.",
                            "Give the directory that 'touchstone run -o' wrote, or a results file.", path=path)
        return audit_results(results, asked, model)
    return audit_content(read_bytes(path, _LARGEST_BYTES), path.name, asked, model)


def _subject(conditions: dict[str, Any]) -> tuple[Any, Any]:
    """What the options say, and the model of a config.json."""
    from touchstone.claim import Subject
    from touchstone.cli.results import read_config
    from touchstone.judge.publication import known

    name = conditions["model"]
    model = read_config(Path(name)) if name and (name.endswith(".json") or Path(name).exists()) else None
    asked = Subject(name, *(conditions[field] for field in ("hardware", "dtype", "devices", "accepted_tokens", "cached_prefix")))
    return known(asked), model
