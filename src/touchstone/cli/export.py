"""``touchstone export``: a run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, type=click.Choice(["vllm", "llm-d", "inferencex", "csv", "csv-requests"]),
              help="Which format: JSON of vLLM bench serve, llm-d Benchmark Report 0.2, InferenceX rows, a table of cases or of requests.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of standard output.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE",
              help="What the run cannot know of the target: hw, tp, ep, precision, framework, image. May be repeated.")
@language.option
def export(directory: Path, form: str, output: Path | None, labels: tuple[str, ...], lang: str) -> int:  # noqa: ARG001 - errors are said in it
    """Write the run in DIRECTORY in the format of another tool.

    A value that was not measured, or that the sample cannot support, stays empty. Latencies are by our definitions, which a file names
    where its format has a place for them.
    """
    from touchstone.cli.faces import read_run
    from touchstone.judge.findings import findings_of
    from touchstone.judge.foreign.export import EXPORTS
    from touchstone.load_words import parse_pairs
    from touchstone.parquet import replace_file

    run = read_run(directory)
    kept = run.header.get("labels")
    known = {**(kept if isinstance(kept, dict) else {}), **parse_pairs(labels, "--label")}
    text = EXPORTS[form](findings_of(run), run, known)
    if output is None:
        click.echo(text)
    else:
        replace_file(output, (text.rstrip("\n") + "\n").encode("utf-8", "replace"))
    return 0
