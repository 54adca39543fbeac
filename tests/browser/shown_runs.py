"""The reports that are looked at: a run of every kind, and one in which everything foreign is hostile."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from builders import (
    MS,
    S,
    make_facts,
    make_failure,
    make_load,
    make_load_run,
    make_requests,
    make_run,
    make_trial,
    plan_case,
    verify_trials,
)

from touchstone.finding import Findings
from touchstone.judge.findings import findings_of
from touchstone.judge.plots import plots_of
from touchstone.message import Message
from touchstone.plan import load_plan
from touchstone.plots import Plots
from touchstone.record import Phase, Run
from touchstone.report.html.page import to_html
from touchstone.served import REQUEST_COLUMNS, Ending, LoadRun, Requests

ENVIRONMENT = {
    "os": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-28-amd64", "architecture": "x86_64", "container": True, "cpu": "AMD EPYC", "cores": 2,
    "load_average": [0.38, 0.56, 0.76], "memory_total_bytes": 25276510208, "memory_available_bytes": 23984410624, "python": "3.11.7",
    "packages": {"numpy": "2.4.6", "torch": "2.13.0+cpu", "transformers": "5.23.0", "tokenizers": "0.23.3", "xllamacpp": "2026.10.11549"},
    "variables": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}, "busy_processes": [],
}
TIMES_MS = {"first-token-short": (25, 8.3), "first-token-long": (71, 12.9), "long-output": (38, 8.9), "batch-4": (76, 24), "batch-8": (137, 34),
            "long-context": (1321, 10.2)}
"""Milliseconds to the first token and between tokens."""
SLOS = [{"metric": "ttft", "limit_s": 0.08, "quantile": 0.99}, {"metric": "ttft", "limit_s": 0.08}, {"metric": "tpot", "limit_s": 0.015}]


def six(*, launches: int = 2, played: tuple[str, ...] = tuple(TIMES_MS), noise: float = 0.15, **header: Any) -> Run:
    """The six scenarios as a small machine plays them: noisy, so that some of it is suspect."""
    chance = random.Random(6)
    cases = [case.model_dump(mode="json") for case in load_plan("six-scenarios").cases]
    trials = list(verify_trials())
    for launch in range(launches):
        for phase, count in ((Phase.WARMUP, 2), (Phase.MEASURED, 5)):
            for index in range(count):
                trials += [_trial(case, launch, index, phase, chance, noise) for case in cases if case["name"] in played]
    trials = [dataclasses.replace(trial, sequence=place) for place, trial in enumerate(trials)]
    facts = make_facts(engine="llama.cpp", version="xllamacpp 2026.10.11549", device="cpu", device_name="AMD EPYC", model="/models/llama-160m.gguf",
                       dtypes={"fp16": 324796416, "fp32": 76800}, weight_bytes=324873216, parameters=162417408, memory_total_bytes=25276510208,
                       read_bytes_per_step=275721216)
    target = {"engine": "llama.cpp", "device": "cpu", "model": "/models/llama-160m.gguf", "dtype": "fp16", "options": {"threads": 2}}
    return make_run(trials, cases=cases, **{
        "target": target, "asked": {"suite": "six-scenarios", "model": "llama-160m", "dtype": "fp16"}, "environment": ENVIRONMENT,
        "launches": [{"launch": launch, "facts": facts} for launch in range(launches)], "memory_read_bytes_per_s": 55182481260, **header})


def _trial(case: Mapping[str, Any], launch: int, index: int, phase: Phase, chance: random.Random, noise: float) -> Any:
    first, step = (round(value * MS * chance.uniform(1 - noise, 1 + noise)) for value in TIMES_MS[case["name"]])
    tokens = case["output_tokens"] // 4
    return make_trial(case["name"], index, launch=launch, phase=phase, batch_size=case["batch_size"], tokens=tokens, first_ns=first, step_ns=step,
                      input_tokens_built=case["input_tokens"])


def trusted() -> Run:
    """Six quiet scenarios."""
    return six(noise=0.004)


def interrupted() -> Run:
    """It was stopped after two scenarios."""
    return six(launches=1, played=("first-token-short", "batch-4"), status="interrupted")


def empty() -> Run:
    """The engine never loaded."""
    return make_run([], cases=[plan_case()], launches=[], status="failed")


def rejected() -> Run:
    """Decoding that is faster than the memory can be read, and a case that failed."""
    trials = [make_trial(name, index, tokens=16, step_ns=1000, batch_size=size) for index in range(5) for name, size in (("short", 1), ("batch-4", 4))]
    return make_run([*verify_trials(), *trials, make_failure("too-large", batch_size=64)], cases=None)


def load() -> LoadRun:
    """Four concurrencies with service levels; the highest is slower and loses some requests."""
    chance = random.Random(4)
    points, tables = [1, 4, 16, 64], []
    for place, concurrency in enumerate(points):
        waiting = [round((50 + 2 * place * chance.random() + 30 * (place == 3)) * MS) for _ in range(320)]
        sent = [(row // concurrency) * (max(waiting) + 152 * MS) + (row % concurrency) * 100_000 for row in range(320)]
        first = [at + wait for at, wait in zip(sent, waiting, strict=True)]
        last = [at + 15 * 10 * MS for at in first]
        lost = [Ending.TIMEOUT if place == 3 and row % 40 == 39 else Ending.OK for row in range(320)]
        tables.append(make_requests(320, point=[place] * 320, sent_ns=sent, scheduled_ns=[None] * 320, first_event_ns=first, first_token_ns=first,
                                    first_output_ns=first, last_token_ns=last, ended_ns=[at + MS for at in last], ending=lost))
    requests = Requests(**{name: np.ma.concatenate([getattr(one, name) for one in tables]) for name in REQUEST_COLUMNS})
    facts = [{"case": f"c{concurrency}", "repeat": 0, "load": make_load(concurrency=concurrency)} for concurrency in points]
    return make_load_run(requests, points=facts, plan={"slos": SLOS}, environment=ENVIRONMENT)


def open_loop() -> LoadRun:
    """Ten requests a second, whether or not the server keeps up."""
    due = [place * 100 * MS for place in range(400)]
    requests = make_requests(400, sent_ns=[at + place % 7 * 50_000 for place, at in enumerate(due)], scheduled_ns=due)
    return make_load_run(requests, load=make_load(concurrency=None, request_rate=10.0, arrival="constant"), plan={"slos": SLOS}, environment=ENVIRONMENT)


def empty_load() -> LoadRun:
    """Interrupted before the first request."""
    return make_load_run(make_requests(1, sent_ns=[S]), points=[], status="interrupted")


RUNS: Mapping[str, Callable[[], Run | LoadRun]] = {
    "six": six, "trusted": trusted, "load": load, "open": open_loop, "interrupted": interrupted, "rejected": rejected, "empty": empty,
    "empty-load": empty_load,
}

# ── hostile ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

TEMPTING = ("<script>window.hacked=1</script>", "<img src=x onerror=window.hacked=2>", '"><svg onload=window.hacked=3>', "' onfocus='window.hacked=4",
            "]]></style></script></title></svg><!-- -->", "javascript:window.hacked=5", "&lt;b&gt;&amp;", "{{ 7*7 }} {% raw %}", "\U0001f9ea")
"""Each is to be seen as it stands here."""
UNPRINTABLE = "\x1b[31m\x1b]0;t\x07\x00\u202eright to left\u2028\ufeff"
HOSTILE = " ".join((*TEMPTING, UNPRINTABLE))
ENDLESS = "W" * 10_000


def haunted(run: Run | LoadRun, bad: str, *, messages: bool = True) -> tuple[Findings, Plots]:
    """The findings of ``run`` with ``bad`` in front of every text that somebody else wrote: names, titles, values, and what sentences quote."""
    found = findings_of(run)
    names = {case.name: f"{bad} {case.name}" for case in found.cases}

    def poison(value: Any) -> Any:
        if isinstance(value, Message):
            return Message(value.template, tuple((name, f"{bad}{field}" if messages and isinstance(field, str) else poison(field)) for name, field in value.fields))
        if isinstance(value, str) and not isinstance(value, Enum):
            return names.get(value, value)
        if dataclasses.is_dataclass(value):
            return dataclasses.replace(value, **{one.name: poison(getattr(value, one.name)) for one in dataclasses.fields(value)})
        if isinstance(value, Mapping):
            return {poison(name): poison(one) for name, one in value.items()}
        return tuple(map(poison, value)) if isinstance(value, (list, tuple)) else value

    changed, plots = poison(found), poison(plots_of(run, found))
    cases = tuple(dataclasses.replace(case, title={"en": f"{bad} {case.name[-20:]}", "zh": f"{bad} 场景"}, texts=(bad,)) for case in changed.cases)
    return dataclasses.replace(
        changed, cases=cases, run_id=bad, created=bad, plan_name=bad, texts={"0": bad, "1": bad}, reproduce=(f"touchstone run {bad}",),
        identity={name: f"{bad}{value}" if isinstance(value, str) else value for name, value in found.identity.items()},
        environment={bad: bad, **{name: f"{bad}{value}" for name, value in found.environment.items()}}), plots


@cache
def judged(name: str) -> tuple[Findings, Plots]:
    """The findings and plots of a run."""
    run = RUNS[name]()
    found = findings_of(run)
    return found, plots_of(run, found)


PAGES: Mapping[str, Callable[[], str]] = {
    **{name: lambda name=name: to_html(*judged(name), "en") for name in RUNS},
    "hostile": lambda: to_html(*haunted(six(), HOSTILE), "en"), "hostile-load": lambda: to_html(*haunted(load(), HOSTILE), "en"),
    "endless": lambda: to_html(*haunted(six(), ENDLESS, messages=False), "en"),
}
