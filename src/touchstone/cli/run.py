"""``touchstone run``: from a plan to a report."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import gates, language, streams, tracking, watching
from touchstone.cli.run_options import SECTIONS, chosen_options, engine_options
from touchstone.cli.sections import SectionedCommand, refuse_beside
from touchstone.message import say

if TYPE_CHECKING:
    from touchstone.cli.audience import Audience
    from touchstone.cli.events import Subject
    from touchstone.measure.launches import Control
    from touchstone.plan import Plan, Target

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "What is measured": ("list_suites", "model", "cases", "input_len", "output_len", "batch_size"),
    "How often": ("launches", "trials", "half_width", "max_trials", "warmup", "seed"),
    **SECTIONS,
    "Result": ("output_dir", "resume", "face", "ui", *watching.OPTIONS, "lang"),
}
_BESIDE_RESUME = frozenset({"face", "ui", *watching.OPTIONS, "lang"})


@click.command(cls=SectionedCommand, sections=_SECTIONS, context_settings={"show_default": True})
@click.argument("suite", default="six-scenarios", metavar="[SUITE|FILE]")
@click.option("--list", "list_suites", is_flag=True, help="List the packaged suites and stop.")
@click.option("--model", "-m", metavar="MODEL", help="Checkpoint directory, GGUF file, or synthetic model (tiny, 25m, 160m, 1b, llama-2-7b, …).")
@click.option("--case", "cases", metavar="NAME", multiple=True, help="Only this case; may be repeated.")
@click.option("--input-len", "--isl", metavar="N", type=click.IntRange(min=1), help="Prompt length of every case, in tokens.")
@click.option("--output-len", "--osl", metavar="N", type=click.IntRange(min=1), help="Output length of every case, in tokens.")
@click.option("--batch-size", metavar="N", type=click.IntRange(min=1), help="Batch size of every case.")
@click.option("--launches", metavar="N", type=click.IntRange(min=1), help="Processes: 1 quick, 5 standard, 8 rigorous.")
@click.option("--trials", "--repeat", "-r", metavar="N", type=click.IntRange(min=1), help="Trials of each case per launch.")
@click.option("--half-width", metavar="SHARE", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Go on until throughput is known this well (0.02 = 2 %).")
@click.option("--max-trials", metavar="N", type=click.IntRange(min=1), help="Most trials of a case with --half-width.")
@click.option("--warmup", "--num-warmups", metavar="N|auto", help="Warm-up runs of each shape, or auto.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="Seed of prompts and of the order of trials.")
@engine_options
@click.option("--output-dir", "-o", metavar="DIR", type=click.Path(path_type=Path), help="Where the run is kept. Default: runs/<time>-<suite>-<id>.")
@click.option("--resume", metavar="DIR", type=click.Path(path_type=Path), help="Go on with a run that was broken off, as it was begun.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print at the end.")
@click.option("--ui", type=click.Choice(["auto", "rich", "plain", "none"]), default="auto", help="Progress on stderr.")
@watching.options
@language.option
@click.pass_context
def run(ctx: click.Context, /, **given: Any) -> int:
    """Measure SUITE (or a plan FILE) on an engine in this machine and print the report.

    Without options: the six scenarios on the best device and engine found, and a synthetic model with random weights.
    """
    from touchstone.cli import faces
    from touchstone.cli.progress import Progress
    from touchstone.measure.launches import Control, Launches
    from touchstone.plan import Plan
    from touchstone.report.i18n import translator

    lang = language.chosen(lang=given["lang"])
    translate = translator(lang)
    if given["list_suites"]:
        _print_suites(lang)
        return 0
    closed_by = gates.chosen(given["fail_on"], levels=False)
    with watching.outlets_of(given, translate) as outlets:
        directory, header, command = _resumed(ctx, given["resume"]) if given["resume"] else _new_run(given)
        plan, control = Plan.model_validate(header["plan"]), Control()
        with watching.audience(_subject(directory, header, plan), outlets, Progress(plan, translate, given["ui"])) as heard:
            with _stoppable(heard, control):
                status = Launches(directory, header, command, heard, control).play()
            shown = faces.write_and_show(directory, given["face"], lang)
            code = watching.finish(heard, directory, closed_by)
        watching.show(shown, given, translate)
        tracking.after(directory, given["trackers"], lang)
    if status == "interrupted":
        streams.print_aside(translate("go on with it: touchstone run --resume {directory}").format(directory=directory))
    return code


def _subject(directory: Path, header: Mapping[str, Any], plan: Plan) -> Subject:
    from touchstone.cli.course import RunCourse
    from touchstone.cli.events import Subject

    return Subject(str(header["id"]), directory, RunCourse(plan), {
        "kind": "run", "plan": plan.name, "model": str(header["target"]["model"]), "resumed": header.get("status") != "created",
        "launches": plan.launches, "cases": [{"case": case.name, "repeats": plan.launches * plan.trials} for case in plan.cases]})


def _stoppable(heard: Audience, control: Control) -> AbstractContextManager[None]:
    """The user's wish to stop: Ctrl-C lets the trial end, a second one ends it; so does whatever the system sends."""
    def interrupted() -> None:
        heard("note", {"message": say("stopping after this trial; press Ctrl-C again to stop now") if control.requests == 0
                       else say("stopping now")})
        control.stop()

    return watching.stoppable(interrupted, lambda: control.stop(2))


def _resumed(ctx: click.Context, directory: Path) -> tuple[Path, dict[str, Any], list[str]]:
    """A run that was broken off: its directory, its header, and the command of its launches."""
    from touchstone import store
    from touchstone.errors import UsageError, making_sense_of
    from touchstone.plan import Plan, Target

    refuse_beside(ctx, "resume", _BESIDE_RESUME, lambda option: UsageError(
        "--resume goes on with a run as it was begun; {option} cannot be changed now.", "Leave it out, or start a new run.", option=option))
    header = store.read_header(directory)
    if header.get("status") == "complete":
        raise UsageError("{directory} is complete; there is nothing to go on with.", "touchstone report {directory}", directory=directory)
    with making_sense_of(directory):
        target, _, _ = Target.model_validate(header["target"]), Plan.model_validate(header["plan"]), header["id"]
    return directory, header, _command(target)


def _new_run(given: dict[str, Any]) -> tuple[Path, dict[str, Any], list[str]]:
    """The directory and header of a run that starts now, and the command of its launches."""
    from touchstone import __version__, store
    from touchstone.clock import wall_stamp, wall_time
    from touchstone.measure import target
    from touchstone.plan import LOCK, plan_text

    plan = _plan(given)
    options = chosen_options(given)
    chosen = target.resolve(engine=given["engine"] or ("server" if options.base_url else None), device=given["device"], model=given["model"],
                            dtype=given["dtype"], options=options)
    command = _command(chosen)
    identity = secrets.token_hex(3)
    directory = given["output_dir"] or Path("runs") / f"{wall_stamp()}-{plan.name}-{identity}"
    header = {
        "id": identity, "created": wall_time(), "status": "created", "touchstone": __version__,
        "plan": plan.model_dump(mode="json", by_alias=True), "target": chosen.model_dump(mode="json"),
        "asked": {"suite": given["suite"], "model": given["model"], "dtype": given["dtype"]}, "checkpoint": _checkpoint(chosen.model),
    }
    store.create(directory, header)
    (directory / LOCK).write_text(plan_text(header["plan"]), encoding="utf-8")
    return directory, header, command


def _command(target: Target) -> list[str]:
    from touchstone.measure import interpreter

    return [interpreter.of(target), "-m", "touchstone", "launch"]


def _checkpoint(model: str) -> dict[str, Any] | None:
    """Where a model that was pulled came from; None for any other."""
    from touchstone.checkpoints.pull import pulled_revision

    path = Path(model)
    record = pulled_revision(path if path.is_dir() else path.parent)
    if record is None:
        return None
    return {name: getattr(record, name) for name in ("hub", "model", "revision_asked", "revision", "revision_missing")}


def _plan(given: dict[str, Any]) -> Any:
    """The plan with the options of the command line laid over it."""
    from touchstone.errors import UsageError, unknown_name
    from touchstone.plan import load_plan

    overrides = {name: given[name] for name in ("launches", "trials", "half_width", "max_trials", "seed") if given[name] is not None}
    if given["warmup"] is not None:
        if given["warmup"] != "auto" and not given["warmup"].isdigit():
            raise UsageError("--warmup takes a number or auto, not {value}.", "", value=given["warmup"])
        overrides["warmup"] = given["warmup"] if given["warmup"] == "auto" else int(given["warmup"])
    plan = load_plan(given["suite"], overrides)
    names = [case.name for case in plan.cases]
    for wanted in given["cases"]:
        if wanted not in names:
            raise unknown_name(say("case"), wanted, names)
    lengths = {"output_tokens": given["output_len"], "batch_size": given["batch_size"]}
    sizes = {name: value for name, value in lengths.items() if value is not None}
    cases = []
    for case in plan.cases:
        if not given["cases"] or case.name in given["cases"]:
            prompt = {"input_tokens": given["input_len"]} if given["input_len"] and case.messages is None else {}
            cases.append(case.model_copy(update={**sizes, **prompt}))
    return plan.model_copy(update={"cases": tuple(cases)})


def _print_suites(lang: str) -> None:
    from touchstone.plan import load_plan, suite_names

    for name in suite_names():
        click.echo(f"{name:22}{load_plan(name).description.get(lang, '')}")
