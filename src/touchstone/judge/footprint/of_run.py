"""What a run knows of its model and its device, so that nobody has to say it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from touchstone.footprint import DeviceMemory
from touchstone.hardware import find_chip
from touchstone.header import mapping
from touchstone.judge.footprint.question import Question
from touchstone.judge.meters import Meters, span_of, telemetry_accounts
from touchstone.message import Message, say
from touchstone.record import Run
from touchstone.simulate.precision import find_precision


def models_of(run: Run) -> tuple[str, ...]:
    """Where the model of ``run`` may be found, or what it may be known by: its directory, then its names."""
    path = str(_target(run).get("model") or "")
    asked = mapping(run.header.get("asked")).get("model")
    directory = str(PurePath(path).parent) if path.endswith(".gguf") else path
    return tuple(dict.fromkeys(name for name in (directory, str(asked or ""), PurePath(path).name) if name))


def completed(question: Question, run: Run) -> Question:
    """``question`` with what ``run`` knows of dtype, number of devices and device, as far as nothing was given."""
    options = mapping(_target(run).get("options"))
    own = question.model is None or question.model.quantization is not None  # of such a model the target's dtype is that of its activations
    return replace(question, dtype=question.dtype or (None if own else _dtype(run)), tp=question.tp or options.get("tensor_parallel"),
                   device=_with_use(question.device or _device(run), run))


def facts_of(run: Run) -> Mapping[str, Any]:
    """What the engine of the first launch said it runs."""
    launches = run.header.get("launches")
    return mapping(mapping(launches[0]).get("facts")) if isinstance(launches, list) and launches else {}


def _target(run: Run) -> Mapping[str, Any]:
    return mapping(run.header.get("target"))


def _dtype(run: Run) -> str | None:
    """The quantisation that was asked for, else what most bytes of the weights are in, else the dtype that was asked for."""
    held = mapping(facts_of(run).get("dtypes"))
    target = _target(run)
    words = (mapping(target.get("options")).get("quantization"), *sorted(held, key=lambda name: -held[name]), target.get("dtype"))
    return next((word for word in words if isinstance(word, str) and find_precision(word)), None)


def _device(run: Run) -> DeviceMemory | None:
    facts = facts_of(run)
    name = facts.get("device_name") or facts.get("device")
    if not name:
        return None
    total = next((size for size in (facts.get("memory_total_bytes"), *_sensed(run)) if isinstance(size, int)), None)
    chip = None if facts.get("device") == "cpu" else find_chip(str(name))
    visible = chip.visible_bytes if chip and total in (None, chip.memory_bytes) else total  # npu-smi prints what the label says
    return DeviceMemory(say("{name}, of the run", name=str(name)), visible, chip.memory_bytes if chip else None)


def _sensed(run: Run) -> Iterator[object]:
    for account in telemetry_accounts(run.header):
        yield mapping(account.get("sensor")).get("memory_total_bytes")


def _with_use(device: DeviceMemory | None, run: Run) -> DeviceMemory | None:
    """``device`` with what the run was seen to take of it: of its first accelerator, or of the host's memory."""
    if device is None:
        return None
    accelerators = [(sample.kind, sample.index) for sample in run.device_samples if sample.kind != "cpu"]
    used, counted = _above_idle(run, min(accelerators)) if accelerators else _resident(run)
    return device if used is None else replace(device, used_bytes=used, used_counts=counted)


def _above_idle(run: Run, device: tuple[str, int]) -> tuple[int | None, Message]:
    meters = Meters(replace(run, device_samples=tuple(one for one in run.device_samples if (one.kind, one.index) == device)))
    told = [meters.memory_above_idle(span) for trial in run.trials if (span := span_of(trial)) is not None]
    return max((one for one in told if isinstance(one, int)), default=None), say("most in the trials, above the idle device")


def _resident(run: Run) -> tuple[int | None, Message]:
    if facts_of(run).get("device") != "cpu":
        return None, say("")
    told = [trial.memory.resident_bytes for trial in run.trials if trial.memory.resident_bytes is not None]
    return max(told, default=None), say("most in the trials, resident memory of the engine's processes")
