"""``touchstone export``: a run in the format of another tool, or to a tracker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import language
from touchstone.cli.sections import SectionedCommand
from touchstone.cli.streams import write_file
from touchstone.trackers import TRACKERS

if TYPE_CHECKING:
    from touchstone.record import Run
    from touchstone.served import LoadRun

_FORMATS = ("vllm", "llm-d", "inferencex", "csv", "csv-requests")
_SECTIONS = {"Trackers": ("online", "project", "endpoint"), "Options": ()}


@click.command(cls=SectionedCommand, sections=_SECTIONS, context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, metavar="NAME", type=click.Choice([*_FORMATS, *TRACKERS]), help="A format or a tracker, see above.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of standard output.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE",
              help="What the run cannot know of the target: hw, tp, ep, precision, framework, image. May be repeated.")
@click.option("--online", is_flag=True, help="Upload to SwanLab or W&B at once, with the account that is logged in there.")
@click.option("--project", metavar="NAME", default="touchstone", help="Project or experiment that takes the run.")
@click.option("--endpoint", metavar="URL", help="OTLP/HTTP collector that otel posts to. Default: OTEL_EXPORTER_OTLP_ENDPOINT.")
@language.option
@click.pass_context
def export(ctx: click.Context, /, directory: Path, form: str, **given: Any) -> int:
    """Write the run in DIRECTORY in the format of another tool, or give it to a tracker.

    \b
    Formats, on standard output:
      vllm          JSON of vLLM bench serve, a line per case
      llm-d         llm-d Benchmark Report 0.2, YAML
      inferencex    InferenceX rows, JSON
      csv           a table of cases
      csv-requests  a table of requests
    Trackers, kept below DIRECTORY until you upload them:
      swanlab, wandb  offline runs, for their own sync command
      mlflow          files, or the store that MLFLOW_TRACKING_URI names
      otel            OpenTelemetry metrics: to --endpoint, else a JSON file

    A value that was not measured, or that the sample cannot support, stays empty. Latencies are by our definitions, which a file names
    where its format has a place for them.
    """  # noqa: D301 - \b is click's mark for lines to be kept
    from touchstone.judge.findings import findings_of
    from touchstone.load_words import parse_pairs
    from touchstone.run_directories import read_run

    _refuse(ctx, form)
    run = read_run(directory)
    labels = parse_pairs(given["labels"], "--label")
    if form in TRACKERS:
        click.echo(_track(directory, findings_of(run), form, labels, given))
    else:
        _write(run, form, labels, given["output"])
    return 0


def _refuse(ctx: click.Context, form: str) -> None:
    """Options that would have no effect are a mistake of the user's, who must hear of it."""
    from touchstone.errors import UsageError

    idle = {"swanlab": {"output", "endpoint"}, "wandb": {"output", "endpoint"}, "mlflow": {"output", "endpoint", "online"},
            "otel": {"online", "project"}}.get(form, {"online", "project", "endpoint"})
    for parameter in ctx.command.params:
        if parameter.name in idle and ctx.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError("{option} means nothing to {form}.", "Leave it out.", option=parameter.opts[0], form=form)


def _track(directory: Path, findings: Any, form: str, labels: dict[str, str], given: dict[str, Any]) -> str:
    """Where the run is now, to be said."""
    from touchstone.cli.inert import inert
    from touchstone.cli.tracking import tracked
    from touchstone.report.i18n import translator
    from touchstone.trackers import send
    from touchstone.trackers.tracked import Settings

    lang = language.chosen(lang=given["lang"])
    settings = Settings(given["online"], given["project"], given["endpoint"], given["output"])
    return inert(f"{form}: {send(form, tracked(directory, findings, lang, labels), settings).where.render(translator(lang))}")


def _write(run: Run | LoadRun, form: str, labels: dict[str, str], output: Path | None) -> None:
    from touchstone.judge.findings import findings_of
    from touchstone.judge.foreign.export import EXPORTS

    kept = run.header.get("labels")
    text = EXPORTS[form](findings_of(run), run, {**(kept if isinstance(kept, dict) else {}), **labels})
    if output is None:
        click.echo(text)
    else:
        write_file(output, text)
