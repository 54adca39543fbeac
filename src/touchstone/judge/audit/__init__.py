"""Judges a run of our own before anyone sees it: a table of rules, each with an id, and a verdict wherever one applies."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.finding import CaseFinding, Judgement, Trust, Verdict
from touchstone.judge.audit.device_state import DEVICE_STATE
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.judge.audit.identities import IDENTITIES
from touchstone.judge.audit.own import judge_cases
from touchstone.judge.audit.physics import PHYSICS
from touchstone.judge.audit.procedure import PROCEDURE
from touchstone.record import Run

RULES: tuple[Rule[Evidence], ...] = (*IDENTITIES, *PHYSICS, *PROCEDURE, *DEVICE_STATE)


def judge_run(run: Run, cases: Sequence[CaseFinding]) -> tuple[Verdict, ...]:
    """Every verdict of every rule on ``run``: of its own rules in their order, then of those for anybody's table. It also says what passes."""
    evidence = Evidence(run, tuple(cases))
    return (*(verdict for rule in RULES for verdict in rule.check(evidence, rule.id)), *judge_cases(evidence))


def trust(verdicts: Sequence[Verdict]) -> Trust:
    """The worst of ``verdicts``. What cannot be told is listed, and takes nothing away."""
    statuses = {verdict.status for verdict in verdicts}
    if statuses & {Judgement.INCONSISTENT, Judgement.IMPOSSIBLE}:
        return Trust.REJECTED
    return Trust.SUSPECT if Judgement.SUSPECT in statuses else Trust.TRUSTED
