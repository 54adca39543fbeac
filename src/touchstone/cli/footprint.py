"""``touchstone footprint``: where a model's memory goes, and how many sessions fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import language

if TYPE_CHECKING:
    from touchstone.footprint import DeviceMemory, EngineLog
    from touchstone.record import Run
    from touchstone.simulate.architecture import Architecture


@click.command(context_settings={"show_default": True})
@click.option("--run", "directory", type=click.Path(path_type=Path), metavar="DIR",
              help="A run: its log, model, dtype and device, as far as no other option names them.")
@click.option("--log", "log_file", metavar="FILE|-", help="The log of a serving engine: vLLM, vLLM-Ascend, SGLang or llama.cpp.")
@click.option("--model", "-m", help="A name (Llama-3-8B, Qwen2-7B, …), a directory with a config.json, or the file itself.")
@click.option("--dtype", help="Of the weights: fp16, bf16, int8, int4, … Default: the checkpoint's own.")
@click.option("--kv-dtype", type=click.Choice(["fp32", "fp16", "bf16", "fp8", "int8"]), help="Of keys and values. Default: the model's.")
@click.option("--tp", type=click.IntRange(1, 4096), help="Devices that the matrices are shared out over. Default: as the log says, else 1.")
@click.option("--device", help="A chip (910B, A100, …), or the memory that a program is offered of one device, such as 60.9GiB.")
@click.option("--devices-from", metavar="FILE|-", help="A saved output of npu-smi or nvidia-smi: the first device in it.")
@click.option("--tokens", type=click.IntRange(1, 1 << 30), multiple=True, help="Length of a session; may be repeated.  [default: 2048, 8192, 32768]")
@click.option("--sessions", type=click.IntRange(1, 1 << 30), help="Also say which share of the device so many sessions need.")
@click.option("--claim", metavar="SIZE", help="Also say what a pool of this size would hold, such as '48.2 GB'.")
@click.option("--format", "face", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@language.option
def footprint(directory: Path | None, log_file: str | None, model: str | None, face: str, lang: str, **asked: Any) -> int:
    """Say where a model's memory goes: by an engine's log, by arithmetic, or by both side by side; and how many sessions fit.

    The sizes are of one device. Without a log they are counted from the model's shape alone.
    """
    from touchstone.errors import UsageError
    from touchstone.judge.footprint import Question, completed, footprint_of
    from touchstone.judge.footprint.of_run import facts_of
    from touchstone.report.footprint_text import FOOTPRINT_FACES
    from touchstone.report.i18n import measured_on, translator

    if not (log_file or model or directory):
        raise UsageError("There is nothing to look at.", "Name a run with --run, a log with --log, a model with --model, or log and model.")
    question = Question(
        _model(model) if model else None, asked["dtype"], asked["kv_dtype"], asked["tp"], _device(asked["device"], asked["devices_from"]),
        tuple(asked["tokens"]), asked["sessions"], asked["claim"])
    device = None
    if directory:
        run = _run(directory)
        device = facts_of(run).get("device")
        question = completed(replace(question, model=question.model or _model_of(run)), run)
        log_file = log_file or _log_of(directory)
    found = footprint_of(question, _log(log_file) if log_file else None)
    with measured_on(device):
        click.echo(FOOTPRINT_FACES[face](found, translator(language.chosen(lang=lang))))
    return 0


def _log(name: str) -> EngineLog:
    from touchstone.cli.results import opened
    from touchstone.engine_log import read_log
    from touchstone.log_lines import bounded_lines

    with opened(name) as stream:
        return read_log(bounded_lines(stream))


def _run(directory: Path) -> Run:
    from touchstone.errors import UsageError
    from touchstone.record import Run
    from touchstone.run_directories import read_run

    run = read_run(directory)
    if not isinstance(run, Run):
        raise UsageError("{directory} is a load test: it keeps no log of the server.", "Give the server's own log with --log, and --model.",
                         directory=directory)
    return run


def _log_of(directory: Path) -> str | None:
    """The log of the first server that the run started, else of its first process; None where neither wrote anything."""
    logs = (path for kind in ("server", "launch") for path in sorted(directory.glob(f"{kind}-*.log")))
    return next((str(path) for path in logs if path.stat().st_size), None)


def _model(name: str) -> Architecture:
    from touchstone.checkpoints.shape import SHAPES
    from touchstone.cli.results import read_config
    from touchstone.errors import unknown_name
    from touchstone.message import say
    from touchstone.simulate.known_models import known_models

    path = Path(name)
    if path.suffix == ".json" or path.exists() or name.startswith((".", "/", "~")):
        config: Architecture = read_config(path)
        return config
    found = _known(name)
    if found is None:
        raise unknown_name(say("model"), name[:100], [*known_models(), *SHAPES])
    return found


def _model_of(run: Run) -> Architecture | None:
    """The model of ``run`` where its checkpoint still is, else by its name."""
    from touchstone.cli.results import read_config
    from touchstone.judge.footprint import models_of

    names = models_of(run)
    found = next((read_config(path) for path in map(Path, names) if (path / "config.json").is_file()), None)
    return found or next(filter(None, map(_known, names)), None)


def _known(name: str) -> Architecture | None:
    """A synthetic model, or one that is known by name."""
    from touchstone.checkpoints.shape import SHAPES, config_of
    from touchstone.simulate.architecture import architecture_of
    from touchstone.simulate.known_models import known_model

    return architecture_of(config_of(SHAPES[name]), name) if name in SHAPES else known_model(name)


def _device(name: str | None, listing: str | None) -> DeviceMemory | None:
    from touchstone.cli.results import read_driver_listing
    from touchstone.judge.footprint.device import device_named, device_of_listing

    if listing is not None:
        return device_of_listing(read_driver_listing(listing), Path(listing).name, name)
    return device_named(name) if name else None
