"""``touchstone run``: from a plan to a report."""

from __future__ import annotations

import secrets
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from touchstone.cli import language
from touchstone.message import say


@click.command(context_settings={"show_default": True})
@click.argument("suite", default="six-scenarios", metavar="[SUITE|FILE]")
@click.option("--list", "list_suites", is_flag=True, help="List the packaged suites and stop.")
@click.option("--model", "-m", help="Checkpoint directory, GGUF file, or synthetic model (tiny, 25m, 160m, 1b, llama-2-7b, …).")
@click.option("--engine", help="transformers or llama.cpp. Default: the best one installed for the device.")
@click.option("--device", help="npu, cuda, cuda:1 or cpu. Default: the best one present.")
@click.option("--dtype", help="fp32, fp16, bf16 or int8. Default: the engine's usual one on the device.")
@click.option("--launches", type=click.IntRange(min=1), help="Processes: 1 quick, 5 standard, 8 rigorous.")
@click.option("--trials", "--repeat", "-r", type=click.IntRange(min=1), help="Trials of each case per launch.")
@click.option("--half-width", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Go on until throughput is known this well (0.02 = 2 %).")
@click.option("--max-trials", type=click.IntRange(min=1), help="Most trials of a case with --half-width.")
@click.option("--warmup", "--num-warmups", help="Warm-up runs of each shape, or auto.")
@click.option("--case", "cases", multiple=True, help="Only this case; may be repeated.")
@click.option("--input-len", "--isl", type=click.IntRange(min=1), help="Prompt length of every case, in tokens.")
@click.option("--output-len", "--osl", type=click.IntRange(min=1), help="Output length of every case, in tokens.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Batch size of every case.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of prompts and of the order of trials.")
@click.option("--attention", help="Attention implementation: sdpa, eager, flash_attention_2.")
@click.option("--cache", type=click.Choice(["dynamic", "static"]), default="dynamic", help="KV cache of transformers.")
@click.option("--compile/--no-compile", "compile_", default=False, help="torch.compile the model.")
@click.option("--device-graph/--no-device-graph", default=False, help="Capture decoding steps as device graphs.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: every usable core.")
@click.option("--trust-remote-code", is_flag=True, help="Run Python code that comes with the checkpoint.")
@click.option("--output-dir", "-o", type=click.Path(path_type=Path), help="Where the run is kept. Default: runs/<time>-<suite>-<id>.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with a run that was broken off.")
@click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print at the end.")
@click.option("--ui", type=click.Choice(["auto", "rich", "plain", "none"]), default="auto", help="Progress on stderr.")
@language.option
def run(**given: Any) -> int:
    """Measure SUITE (or a plan FILE) on an engine in this machine and print the report.

    Without options: the six scenarios on the best device and engine found, and a synthetic model with random weights.
    """
    from touchstone import store
    from touchstone.cli import faces
    from touchstone.cli.progress import Progress
    from touchstone.errors import UsageError
    from touchstone.measure.launches import Control, Launches
    from touchstone.plan import LOCK, Plan, plan_text
    from touchstone.report.i18n import translator

    lang = language.chosen(lang=given["lang"])
    if given["list_suites"]:
        _print_suites(lang)
        return 0
    if given["resume"]:
        directory, header = given["resume"], store.read_header(given["resume"])
        if header.get("status") == "complete":
            raise UsageError("{directory} is complete; there is nothing to go on with.", "touchstone report {directory}",
                             directory=directory)
    else:
        directory, header = _new_run(given)
        store.create(directory, header)
        (directory / LOCK).write_text(plan_text(header["plan"]), encoding="utf-8")
    translate = translator(lang)
    progress = Progress(Plan.model_validate(header["plan"]), translate, given["ui"])
    control = Control()

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        progress.close()
        text = ("stopping after this trial; press Ctrl-C again to stop now" if control.requests == 0 else "stopping now")
        click.echo(translate(text), err=True)
        control.stop()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        command = [sys.executable, "-m", "touchstone", "launch"]
        status = Launches(directory, header, command, progress, control).play()
    finally:
        progress.close()
        signal.signal(signal.SIGINT, before)
    click.echo(faces.write_and_show(directory, given["face"], lang))
    return 130 if status == "interrupted" else 0


def _new_run(given: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The directory and header of a run that starts now."""
    from touchstone import __version__
    from touchstone.clock import wall_stamp, wall_time
    from touchstone.measure import target
    from touchstone.plan import EngineOptions

    plan = _plan(given)
    options = EngineOptions(attention=given["attention"], cache=given["cache"], compile=given["compile_"],
                            device_graph=given["device_graph"], threads=given["threads"],
                            trust_remote_code=given["trust_remote_code"])
    chosen = target.resolve(engine=given["engine"], device=given["device"], model=given["model"], dtype=given["dtype"],
                            options=options)
    identity = secrets.token_hex(3)
    directory = given["output_dir"] or Path("runs") / f"{wall_stamp()}-{plan.name}-{identity}"
    return directory, {
        "id": identity, "created": wall_time(), "status": "created", "touchstone": __version__,
        "plan": plan.model_dump(mode="json", by_alias=True), "target": chosen.model_dump(mode="json"),
        "asked": {"suite": given["suite"], "model": given["model"], "dtype": given["dtype"]},
    }


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
