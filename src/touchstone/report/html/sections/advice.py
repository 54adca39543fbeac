"""What the cases show together, and what may be recommended on that ground."""

from __future__ import annotations

from touchstone.finding import Findings
from touchstone.message import say
from touchstone.report.both import both
from touchstone.report.html.blocks import Block, Cell, Fold, Point, Points
from touchstone.report.table import METRIC_WORDS

_MOST = 12
"""Sentences of the analysis that are seen at once; a grid of batches and lengths has one for each cell."""


def advice(findings: Findings) -> tuple[Block, ...]:
    """Advice first, each with its evidence; then where there is none and why; then what it rests on."""
    given = tuple(Point(both(one.workload), both(one.text), Cell(one.evidence, "code")) for one in findings.advice)
    silent = tuple(Point(both(say("No advice")), both(one)) for one in findings.silent)
    seen = tuple(Point(both(METRIC_WORDS[metric]), both(sentence)) for metric, sentence in findings.analysis)
    lists = (Points(both(say("Deployment advice")), given + silent), Points(both(say("Analysis")), seen[:_MOST]))
    more = (Fold(both(say("{count} more sentences", count=len(seen) - _MOST)), (Points(both(say("More analysis")), seen[_MOST:]),)),) if len(seen) > _MOST else ()
    return (*(one for one in lists if one.points), *more)
