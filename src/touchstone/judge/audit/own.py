"""Our own table under the same rules as everybody's: a case's figures as a claim, and what its run knows of itself as its setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from touchstone.claim import Claim, Figure
from touchstone.finding import CaseFinding, Verdict
from touchstone.hardware import find_chip
from touchstone.judge.audit.evidence import Evidence
from touchstone.judge.audit.rules import CLAIM_RULES
from touchstone.judge.audit.rules.boxes import exact
from touchstone.judge.audit.rules.row import Costs, Neighbours, Row, Setting
from touchstone.judge.columns import requests_of
from touchstone.record import Trial
from touchstone.units import BYTES_PER_GB

_TOGETHER = 0.005
_STATED = frozenset({"dtype", "devices", "accepted_tokens", "cached_prefix"})
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


def in_lockstep(trials: Sequence[Trial]) -> bool:
    """Whether the sequences of each batch began and ended together, so that one request's time is the batch's time."""
    for trial in trials:
        stamps = [(record.event_ns[0], record.event_ns[-1]) for record in trial.records if record.event_ns]
        if len({record.sent_ns for record in trial.records}) > 1 or not stamps:
            return False
        allowed = _TOGETHER * (trial.ended_ns - trial.sent_ns)
        if any(max(column) - min(column) > allowed for column in zip(*stamps, strict=True)):
            return False
    return bool(trials)


def _costs(evidence: Evidence) -> Costs | None:
    """What the engine counted of its own weights; operations are left to those who know the architecture."""
    facts = evidence.facts
    weights, read, cache = (facts.get(name) for name in ("weight_bytes", "read_bytes_per_step", "kv_bytes_per_token"))
    if not weights or not read:
        return None
    return Costs(float(weights), float(read), lambda context: context * float(cache or 0), 0.0, lambda _tokens: 0.0)


def judge_cases(evidence: Evidence) -> Iterator[Verdict]:
    """What the rules on published numbers say of every case that forced its lengths; where no chip is known, not what needs one."""
    facts, allocated = evidence.facts, evidence.target["device"] != "cpu"
    chip = find_chip(str(facts.get("device_name", "")))
    needless = ({"PH1", "PH2", "PH2-TTFT"} if chip is None else set()) | (set() if allocated else {"PH4", "PH4-CAPACITY"})
    rules = [rule for rule in CLAIM_RULES if rule.id not in needless]
    setting = Setting(_costs(evidence), chip, stated=_STATED, cached_prefix=False, gigabyte_bytes=BYTES_PER_GB)
    speed = [case for case in evidence.cases if case.speed and case.ok]
    claims = tuple(_own_claim(case, evidence.good(case.name), place + 1, allocated=allocated) for place, case in enumerate(speed))
    beside = Neighbours(claims)
    for case, claim in zip(speed, claims, strict=True):
        row = Row(claim, replace(setting, lockstep=in_lockstep(evidence.good(case.name))), beside=beside)
        for rule in rules:
            yield from rule.verdicts(row)


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
