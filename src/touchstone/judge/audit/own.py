"""Our own table under the same rules as everybody's: a case's figures as a claim, and what its run knows of itself as its setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from touchstone.claim import Claim, Figure
from touchstone.finding import CaseFinding, Verdict
from touchstone.judge.audit.evidence import Evidence
from touchstone.judge.audit.rules import CLAIM_RULES
from touchstone.judge.audit.rules.boxes import exact
from touchstone.judge.audit.rules.row import Neighbours, Row, Setting
from touchstone.judge.columns import requests_of
from touchstone.judge.footprint.of_run import facts_of
from touchstone.judge.limits.devices import chip_of, count_of, why_open
from touchstone.judge.limits.model import costs_of_run, model_of_run, why_reads_are_unknown
from touchstone.judge.lockstep import in_lockstep
from touchstone.message import Message
from touchstone.record import Run, Trial
from touchstone.simulate.precision import find_precision
from touchstone.units import BYTES_PER_GB

_STATED = frozenset({"dtype", "devices", "accepted_tokens", "cached_prefix"})
_OF_SPEED, _OF_MEMORY = frozenset({"PH1", "PH2", "PH2-TTFT"}), frozenset({"PH4", "PH4-CAPACITY"})
_METRICS = ("ttft", "tpot", "e2e", "output_throughput")
"""Means that must add up. The mean decode speed is left out: a mean of reciprocals is not the reciprocal of a mean."""


def claim_of(case: CaseFinding, row: int, *, allocated: bool) -> Claim:
    """A case as a row of somebody's table.

    Its numbers are not rounded; of its memory peaks, where
    an allocator counted them, the least is judged.
    """
    figures: dict[str, Figure] = {"batch_size": exact(case.batch_size)}
    for name, tokens in (("input_tokens", case.input_tokens), ("output_tokens", case.output_tokens)):
        if tokens is not None:
            figures[name] = exact(tokens)
    for name in _METRICS:
        if (value := case.metrics[name].value) is not None:
            figures[name] = exact(value)
    if allocated and (least := case.metrics["peak_memory"].low) is not None:
        figures["peak_memory"] = exact(least)
    for name in ("ttft", "tpot", "itl", "e2e"):
        quantiles = case.metrics[name].quantiles if name in case.metrics else {}
        figures |= {f"{name}.{quantile}": exact(value) for quantile, value in quantiles.items() if value is not None}
    return Claim(row, case.name, figures)


def _own_claim(case: CaseFinding, trials: Sequence[Trial], row: int, *, allocated: bool) -> Claim:
    """As :func:`claim_of`, without a TPOT that does not add up to the latency by n - 1: where first events brought several tokens or all."""
    claim = claim_of(case, row, allocated=allocated)
    first = requests_of([record for trial in trials for record in trial.records]).first_tokens
    if bool((first.filled(0) == 1).all()):
        return claim
    return replace(claim, figures={name: figure for name, figure in claim.figures.items() if not name.startswith("tpot")})


def judge_cases(evidence: Evidence) -> Iterator[Verdict]:
    """What the rules on published numbers say of every case that forced its lengths; where no chip is known, not what needs one."""
    allocated = evidence.target["device"] != "cpu"
    needless = (_OF_SPEED if chip_of(evidence.run) is None else frozenset()) | (frozenset() if allocated else _OF_MEMORY)
    rules = [rule for rule in CLAIM_RULES if rule.id not in needless]
    setting, unread = _setting(evidence.run), why_reads_are_unknown(evidence.run)
    speed = [case for case in evidence.cases if case.speed and case.ok]
    claims = tuple(_own_claim(case, evidence.good(case.name), place + 1, allocated=allocated) for place, case in enumerate(speed))
    beside = Neighbours(claims)
    for case, claim in zip(speed, claims, strict=True):
        trials = evidence.good(case.name)
        cached = any(record.cached_tokens for trial in trials for record in trial.records)
        row = Row(claim, replace(setting, lockstep=in_lockstep(trials), cached_prefix=cached), beside=beside)
        timeless = row if unread is None else replace(row, setting=replace(row.setting, costs=None, unknown=row.setting.unknown or unread))
        for rule in rules:
            yield from rule.verdicts(timeless if rule.id in _OF_SPEED else row)


# ── what a run knows of itself ───────────────────────────────────────────────────────────────────────────────────────────


def _setting(run: Run) -> Setting:
    """The model, the chip and the number of devices of ``run``; none of them where its settings leave open what ran on what.

    Operations of a model that nobody knows are only likely, and no verdict rests on those.
    """
    told, reason, costs = Setting(stated=_STATED, gigabyte_bytes=BYTES_PER_GB), why_open(run), costs_of_run(run)
    if reason is not None:
        return replace(told, unknown=reason)
    told = replace(told, chip=chip_of(run), dtype=_narrowest(facts_of(run)), devices=count_of(run))
    if isinstance(costs, Message):
        return replace(told, unknown=costs)
    return replace(told, costs=costs if model_of_run(run) else replace(costs, token_flops=0.0, prompt_flops=lambda _tokens: 0.0))


def _narrowest(facts: Mapping[str, Any]) -> str | None:
    """Of the dtypes that weights are held in the one with the highest peak of operations."""
    known = [found for name in facts.get("dtypes") or () if (found := find_precision(name))]
    return min(known, key=lambda one: one.linear).name if known else None


# ── a server under load ──────────────────────────────────────────────────────────────────────────────────────────────────


def judge_served(cases: Sequence[CaseFinding]) -> Iterator[Verdict]:
    """What the rules on published numbers say of a server's cases.

    Only those that hold between means of one window; the exact ones hold between whole runs and are asked of every answer elsewhere.
    """
    claims = tuple(_served_claim(case, place + 1) for place, case in enumerate(cases) if case.ok)
    for claim in claims:
        row = Row(claim, Setting(lockstep=False), beside=Neighbours(claims))
        for rule in CLAIM_RULES:
            if rule.id in _OF_A_WINDOW:
                yield from rule.verdicts(row)


_OF_A_WINDOW = {"AL1", "AL2", "AL3", "AL9", "AL13"}


def _served_claim(case: CaseFinding, row: int) -> Claim:
    claim = claim_of(case, row, allocated=False)
    figures = {name: figure for name, figure in claim.figures.items() if name != "batch_size"}
    concurrency = (case.load or {}).get("concurrency")
    if concurrency:
        figures["concurrency"] = exact(float(concurrency))
    return replace(claim, figures=figures)
