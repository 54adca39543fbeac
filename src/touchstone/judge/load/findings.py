"""A load run → findings: everything a report may show, and nothing that a report would still have to compute."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from touchstone.finding import CaseFinding, Findings, SearchFinding, Trust
from touchstone.header import mapping, outcome
from touchstone.judge.audit import trust
from touchstone.judge.headline import headline_of_load
from touchstone.judge.load.analysis import analyse_load
from touchstone.judge.load.audit import judge_load
from touchstone.judge.load.client import judge_client
from touchstone.judge.load.evidence import LoadEvidence
from touchstone.judge.load.scan import Offered, by_case, offered_points
from touchstone.judge.load.summarize import summarize_case
from touchstone.judge.metrics import METRICS
from touchstone.judge.search import Goal, Probe, Tried, next_step
from touchstone.load_plan import LoadPlan
from touchstone.message import say
from touchstone.plan import LOCK
from touchstone.served import LoadRun, Point


def findings_of_load(run: LoadRun) -> Findings:
    """Summarise and audit ``run`` and judge its client; the same run always gives the same findings."""
    header = run.header
    plan = LoadPlan.model_validate(header["plan"])
    points = by_case(offered_points(run))
    if "search" in header:  # it jumps to and fro; a reader wants to see the load rise
        points = dict(sorted(points.items(), key=lambda item: _level(item[1][0].point)))
    cases = tuple(summarize_case(name, repeats, plan) for name, repeats in points.items())
    client = judge_client(header, [(case, points[case.name]) for case in cases])
    verdicts = judge_load(LoadEvidence(run, plan, cases, points, client))
    judged = tuple(replace(case, trust=trust([one for one in verdicts if one.case == case.name])) for case in cases)
    found = Findings(
        run_id=str(header["id"]), path=run.path, status=outcome(header),
        created=str(header.get("created", "")), plan_name=plan.name, identity=_identity(header), cases=judged, verdicts=verdicts,
        analysis=analyse_load(judged), advice=(), silent=(), trust=trust(verdicts), environment=mapping(header.get("environment")), memory={}, loads=(),
        texts={}, method={"repeats": plan.repeats, "warmup": plan.warmup, "seed": plan.seed, "timeout_s": plan.timeout_s,
                          "workload": plan.workload.kind, "ignore_eos": plan.ignore_eos},
        definitions=tuple((metric.id, metric.unit, metric.formula) for metric in METRICS.values()
                          if any(metric.id in case.metrics and case.metrics[metric.id].value is not None for case in judged)),
        reproduce=_reproduce(run.path, header), kind="load", client=client, search=_search(header, judged, points),
    )
    return replace(found, headline=headline_of_load(found))


def _level(point: Point) -> float:
    """What a search varies: a rate, else a concurrency."""
    return float(point.load.get("request_rate") or point.load["concurrency"])


def _search(header: Mapping[str, Any], cases: Sequence[CaseFinding], points: Mapping[str, Sequence[Offered]]) -> SearchFinding | None:
    """What the trials of a search amount to: decided again from what was tried, never read from the file."""
    kept = mapping(header.get("search"))
    if not kept:
        return None
    goal = Goal(**{**kept["goal"], "quantiles": tuple(kept["goal"]["quantiles"])})
    history = [Tried(**{**tried, "misses": tuple(tried["misses"])}) for tried in kept["history"]]
    step = next_step(goal, history)
    if isinstance(step, Probe):
        return SearchFinding(None, (), None, None, goal.confidence, sum(tried.issued for tried in history))
    bounds = [case.name for case in cases if case.trust is Trust.REJECTED and _level(points[case.name][0].point) in {step.passes_at, step.fails_at}]
    sentence = say("{answer}; not to be believed, rejected: {cases}", answer=step.sentence, cases=", ".join(bounds)) if bounds else step.sentence
    return SearchFinding(sentence, step.notes, step.passes_at, step.fails_at, step.confidence, step.requests)


def _identity(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """Who was asked, as the server says of itself; None for what it does not say."""
    server, endpoint = mapping(header.get("server")), mapping(header.get("endpoint"))
    model = endpoint.get("model") or server.get("model")
    return {
        "engine": server.get("name") or server.get("owned_by"), "engine_version": server.get("version"), "device": None, "device_name": None,
        "model": str(model).rstrip("/").rpartition("/")[2] if model else None, "base_url": endpoint.get("base_url"),
        "endpoint": endpoint.get("path"), "backend": endpoint.get("backend"), "streamed": endpoint.get("stream"),
        "tokenizer": endpoint.get("tokenizer"), "client_processes": header.get("processes"),
    }


def _reproduce(path: str, header: Mapping[str, Any]) -> tuple[str, ...]:
    """The command that plays the same resolved plan on the same server again."""
    endpoint = mapping(header.get("endpoint"))
    words = ["touchstone", "search" if "search" in header else "load", "-c", f"{path}/{LOCK}", "--base-url", str(endpoint.get("base_url") or "URL")]
    for flag, name in (("--model", "model"), ("--tokenizer", "tokenizer"), ("--backend", "backend")):
        if endpoint.get(name):
            words += [flag, str(endpoint[name])]
    return (shlex.join(words),)
