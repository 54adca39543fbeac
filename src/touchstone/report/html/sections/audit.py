"""What the rules found: whatever did not pass, gravest first; the rules that passed; and every pass for whoever opens them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from touchstone.finding import GRAVITY, Findings, Judgement, Verdict
from touchstone.message import say
from touchstone.report.both import Both, both
from touchstone.report.html.blocks import Block, Cell, Fold, Grid, Prose, Text, text_of
from touchstone.report.table import NOTHING, STATUS_WORDS

_STATUS, _RULE, _CASES, _FINDING, _CURE = say("Status"), say("Rule"), say("Scenario"), say("Finding"), say("What to do")


def audit(findings: Findings) -> tuple[Block, ...]:
    """Two tables. Verdicts of one rule that say the same of several cases share a row."""
    kept = [one for one in findings.verdicts if one.status is Judgement.PASS]
    others = sorted((one for one in findings.verdicts if one.status is not Judgement.PASS), key=lambda one: GRAVITY.index(one.status))
    return (*_not_passed(others, findings), *_passed(kept, findings))


def _not_passed(verdicts: Sequence[Verdict], findings: Findings) -> tuple[Block, ...]:
    if not verdicts:
        return (Prose(both(say("Every rule passed."))),) if findings.verdicts else ()
    groups = _alike(verdicts)
    rows = tuple((Cell(both(STATUS_WORDS[first.status]), _tone(first)), Cell(first.rule, "code"), _where(cases, len(findings.cases)),
                  both(first.message), text_of(first.cure)) for first, cases in groups)
    columns = tuple(map(both, (_STATUS, _RULE, _CASES, _FINDING, _CURE)))
    return (Grid("verdicts", both(say("What did not pass")), columns, rows, tones=tuple(_tone(first) for first, _ in groups)),)


def _passed(verdicts: Sequence[Verdict], findings: Findings) -> tuple[Block, ...]:
    """Side by side by rule, so that what one rule found of each case can be compared."""
    if not verdicts:
        return ()
    rules = list(dict.fromkeys(one.rule for one in verdicts))
    groups = _alike(sorted(verdicts, key=lambda one: rules.index(one.rule)))
    rows = tuple((Cell(first.rule, "code"), _where(cases, len(findings.cases)), both(first.message)) for first, cases in groups)
    passes = Grid("passes", both(say("What passed")), tuple(map(both, (_RULE, _CASES, _FINDING))), rows)
    return (Prose(both(say("Passed: {rules}", rules=", ".join(rules)))), Fold(both(say("All {count} passes", count=len(verdicts))), (passes,)))


def _where(cases: tuple[str, ...], count: int) -> Cell | Text:
    """The names of ``cases``; all of several need no names."""
    if len(cases) == count > 1:
        return both(say("all {count}", count=count))
    return Cell(", ".join(cases), "code") if cases else NOTHING


def _tone(verdict: Verdict) -> str:
    return verdict.status.value.replace(" ", "-")


def _alike(verdicts: Iterable[Verdict]) -> list[tuple[Verdict, tuple[str, ...]]]:
    groups: dict[tuple[str, str, Both], tuple[Verdict, tuple[str, ...]]] = {}
    for one in verdicts:
        first, cases = groups.get(key := (one.rule, one.status.value, both(one.message)), (one, ()))
        groups[key] = (first, (*cases, one.case) if one.case else cases)
    return list(groups.values())
