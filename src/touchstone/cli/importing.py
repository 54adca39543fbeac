"""``touchstone import``: a results file of another tool, in our words and units."""

from __future__ import annotations

from pathlib import Path

import click

from touchstone.cli import language


@click.command("import", context_settings={"show_default": True})
@click.argument("source", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print.")
@language.option
def import_(source: Path, face: str, lang: str) -> int:
    """Say what a result of another tool holds, in our words and units, and where its definitions differ from ours.

    SOURCE is a results file, or the directory that the tool wrote: of vLLM, SGLang, GuideLLM, AIPerf, EvalScope, AISBench, llama-bench or
    GenAI-Bench.
    """
    from touchstone.cli.results import read_results_at
    from touchstone.errors import DataError
    from touchstone.judge.foreign import FORMATS
    from touchstone.report.claims_text import CLAIM_FACES, Understood
    from touchstone.report.i18n import translator
    from touchstone.store import HEADER

    if (source / HEADER).is_file():
        raise DataError("{path} is a run of our own.", "Its report: touchstone report {path}. For another tool: touchstone export {path} --to vllm", path=source)
    results = read_results_at(source)
    if results is None:
        raise DataError("{path} is no result of a tool that this version reads.", "It reads: {known}. A table of numbers: touchstone audit {path}",
                        path=source, known=", ".join(one.title for one in FORMATS.values()))
    understood = [Understood(one.tool, one.version, one.claims, one.conditions, one.notes,
                             {row: len(columns) for row, columns in one.per_request.items()}) for one in results]
    click.echo(CLAIM_FACES[face](understood, translator(language.chosen(lang=lang))))
    return 0
