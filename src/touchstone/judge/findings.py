"""Run → findings: everything a report may show, and nothing that a report would still have to compute."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from touchstone.checkpoints.shape import SHAPES
from touchstone.errors import making_sense_of
from touchstone.finding import CaseFinding, Findings
from touchstone.header import mapping
from touchstone.judge.advice import advise
from touchstone.judge.analysis import analyse
from touchstone.judge.audit import judge_run, trust
from touchstone.judge.device_estimates import telemetry_finding
from touchstone.judge.headline import headline_of_run
from touchstone.judge.load.findings import findings_of_load
from touchstone.judge.meters import Meters
from touchstone.judge.metrics import METRICS
from touchstone.judge.summarize import REPORTED, summarize
from touchstone.judge.verification import texts
from touchstone.plan import LOCK, EngineOptions, option_flag
from touchstone.record import Run
from touchstone.served import LoadRun


def findings_of(run: Run | LoadRun) -> Findings:
    """Summarise, audit and advise on ``run``; the same run always gives the same findings. Raises :class:`touchstone.errors.DataError`."""
    with making_sense_of(run.path):
        return findings_of_load(run) if isinstance(run, LoadRun) else _findings_of_run(run)


def _findings_of_run(run: Run) -> Findings:
    cases = summarize(run)
    verdicts = judge_run(run, cases)
    judged = tuple(replace(case, trust=trust([one for one in verdicts if one.case == case.name])) for case in cases)
    advice, silent = advise(judged)
    header = run.header
    plan, target = mapping(header["plan"]), mapping(header["target"])
    launches = header.get("launches")
    facts = mapping(launches[0]["facts"]) if isinstance(launches, list) and launches else {}
    found = Findings(
        run_id=str(header["id"]), path=run.path, status=run.status, created=str(header.get("created", "")), plan_name=str(plan["name"]),
        identity=_identity(header, target, facts), cases=judged, verdicts=verdicts, analysis=analyse(judged), advice=advice, silent=silent,
        trust=trust(verdicts), environment=mapping(header.get("environment")), memory=_memory(facts, judged),
        loads=tuple(load for one in (launches if isinstance(launches, list) else []) for load in one["facts"].get("loads", [])),
        texts={prompt: records["alone"].text or "" for prompt, records in texts(run.trials).items()},
        method={name: plan[name] for name in ("launches", "trials", "half_width", "warmup", "order", "seed")},
        definitions=tuple((metric.id, metric.unit, metric.formula) for metric in METRICS.values()
                          if metric.id in REPORTED or any(metric.id in case.metrics for case in judged)),
        reproduce=_reproduce(run.path, header), telemetry=telemetry_finding(run, Meters(run)),
    )
    return replace(found, headline=headline_of_run(run, found))


def _identity(header: Mapping[str, Any], target: Mapping[str, Any], facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was measured; ``checkpoint`` is where it was pulled from, for one that was."""
    model = str(target["model"]).rstrip("/")
    return {
        "engine": facts.get("engine") or target["engine"], "engine_version": facts.get("version"),
        "device": facts.get("device") or target["device"], "device_name": facts.get("device_name"),
        "model": model.rpartition("/")[2], "random_weights": facts.get("random_weights"), "dtype": target["dtype"],
        "dtypes": facts.get("dtypes"), "parameters": facts.get("parameters"), "options": facts.get("options"),
        **({"checkpoint": header["checkpoint"]} if header.get("checkpoint") else {}),
    }


def _memory(facts: Mapping[str, Any], cases: tuple[CaseFinding, ...]) -> Mapping[str, Any]:
    return {
        "weight_bytes": facts.get("weight_bytes"), "kv_bytes_per_token": facts.get("kv_bytes_per_token"),
        "device_total_bytes": facts.get("memory_total_bytes"),
        "kv_bytes": {case.name: case.kv_bytes for case in cases},
    }


_DEFAULTS = EngineOptions().model_dump(mode="json")


def _option_words(name: str, value: object) -> list[str]:
    """A setting of the engine as ``touchstone run`` takes it; nothing for a default."""
    flag = option_flag(name)
    if value == _DEFAULTS.get(name):
        return []
    if name == "graph":
        return ["--graph" if value == "on" else "--no-graph"]
    if isinstance(value, list):
        return [word for one in value for word in (flag, str(one))]
    return [flag] if value is True else [flag, str(value)]


def _reproduce(path: str, header: Mapping[str, Any]) -> tuple[str, ...]:
    """The command that plays the same resolved plan on the same target again."""
    target, asked = mapping(header["target"]), mapping(header.get("asked"))
    options = mapping(target.get("options"))
    name = str(target["model"]).rpartition("/")[2]
    words = ["touchstone", "run", f"{path}/{LOCK}", "--engine", str(target["engine"]), "--device", str(target["device"]),
             "--model", str(asked.get("model") or (name if name in SHAPES else target["model"]))]
    if target["dtype"] != "auto":
        words += ["--dtype", str(target["dtype"])]
    for name, value in options.items():
        words += _option_words(name, value)
    return (shlex.join(words),)
