"""How far a mark may be believed, in words: the same in every legend and table of points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from touchstone.finding import Trust
from touchstone.message import say
from touchstone.report.both import Both, both, same
from touchstone.report.charts.chart import Key
from touchstone.report.charts.letters import shortened
from touchstone.report.table import TRUST_WORDS

_LONGEST = 120.0  # ems


def believable(trust: Trust) -> bool:
    """Whether a point may be on a line or a front."""
    return trust is not Trust.REJECTED


def verdict(trust: Trust) -> Both:
    """The word of the verdict."""
    return both(TRUST_WORDS[trust])


def keys(trusts: Iterable[Trust]) -> tuple[Key, ...]:
    """The entries of a legend for the marks that are not simply trusted."""
    found = frozenset(trusts)
    suspect = (Key(both(say("hollow: suspect")), 0, hollow=True),) if Trust.SUSPECT in found else ()
    return suspect + ((Key(both(say("crossed out: rejected")), 0, crossed=True),) if Trust.REJECTED in found else ())


def case_title(name: str, titles: Mapping[str, Both]) -> Both:
    """The title of a case, or its name where it has none; never longer than a cell of a table holds."""
    return shortened(titles.get(name) or same(name), _LONGEST)
