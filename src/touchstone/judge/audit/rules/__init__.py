"""Judges published numbers, ours and other people's, by one table of rules."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.claim import Claim, ClaimTable
from touchstone.finding import AuditedRow
from touchstone.judge.audit.rules.across import ACROSS
from touchstone.judge.audit.rules.algebra import ALGEBRA
from touchstone.judge.audit.rules.dispersion import DISPERSION
from touchstone.judge.audit.rules.limits import LIMITS
from touchstone.judge.audit.rules.own_conditions import OwnConditions
from touchstone.judge.audit.rules.readings import TOTAL, USER, reading_of
from touchstone.judge.audit.rules.row import ClaimRule, Neighbours, Row
from touchstone.judge.audit.rules.setting import Resolver
from touchstone.message import Message, say

CLAIM_RULES: tuple[ClaimRule, ...] = (*ALGEBRA, *DISPERSION, *LIMITS, *ACROSS)

def judge_claims(table: ClaimTable, resolver: Resolver, elsewhere: Sequence[Claim] = ()) -> tuple[AuditedRow, ...]:
    """Every rule on every row of ``table``, in the table's order; ``elsewhere`` are the claims of other tables of the same document."""
    setting, _ = resolver.setting()
    own = OwnConditions(setting, resolver.architecture, table.claims)
    reading, beside = reading_of(table.claims), Neighbours(table.claims, tuple(elsewhere))
    rows = (Row(claim, own.of_row(claim), reading, beside) for claim in table.claims)
    names = {name for claim in table.claims for name in claim.figures}
    rules = [rule for rule in CLAIM_RULES if rule.applies(names)]
    return tuple(AuditedRow(row.claim.row, row.claim.label, tuple(verdict for rule in rules for verdict in rule.verdicts(row)))
                 for row in rows)


def reading_said(table: ClaimTable) -> tuple[Message, ...]:
    """How a bare throughput column was read, where there is one."""
    if not any("throughput" in claim.figures for claim in table.claims):
        return ()
    words = {TOTAL: say("input and output tokens"), USER: say("output tokens of one sequence")}
    return (say("throughput counts {tokens}", tokens=words.get(reading_of(table.claims).name, say("output tokens of the whole batch"))),)
