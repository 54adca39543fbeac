"""Judges a load run before anyone sees it: a table of rules, each with an id, and a verdict wherever one applies."""

from __future__ import annotations

from touchstone.finding import Verdict
from touchstone.judge.audit.evidence import Rule
from touchstone.judge.audit.own import judge_served
from touchstone.judge.load.audit.answers import ANSWERS
from touchstone.judge.load.audit.offer import OFFER
from touchstone.judge.load.audit.server import SERVER
from touchstone.judge.load.audit.times import TIMES
from touchstone.judge.load.evidence import LoadEvidence

LOAD_RULES: tuple[Rule[LoadEvidence], ...] = (*OFFER, *ANSWERS, *TIMES, *SERVER)


def judge_load(evidence: LoadEvidence) -> tuple[Verdict, ...]:
    """Every verdict of every rule on a load run: of its own rules in their order, then of those for anybody's table. It also says what passes."""
    return (*(verdict for rule in LOAD_RULES for verdict in rule.check(evidence, rule.id)), *judge_served(evidence.cases))
