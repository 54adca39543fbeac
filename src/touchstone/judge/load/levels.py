"""Service levels on the columns of a point: which requests kept a limit, and what the counts say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from touchstone.finding import Estimate, SloFinding
from touchstone.judge import metrics, slo, stats
from touchstone.judge.load.scan import Offered, offered_points
from touchstone.load_plan import Slo
from touchstone.served import Ending, LoadRun
from touchstone.units import NS_PER_S

EXACT = "exact binomial (Clopper and Pearson), requests taken as independent"
_OF_REQUESTS = {"ttft": metrics.ttft, "ttfo": metrics.ttfo, "tpot": metrics.tpot, "e2e": metrics.e2e,
                "response_ttft": metrics.response_ttft, "response_e2e": metrics.response_e2e}


def per_request(slos: Sequence[Slo]) -> tuple[Slo, ...]:
    """The levels of goodput: those that each request keeps by itself, or where there are none the limits of all."""
    return tuple(one for one in slos if one.quantile is None) or tuple(slos)


def can_judge(points: Sequence[Offered], level: Slo) -> bool:
    """Whether any value of the level's metric is known; a time per token, for one, needs a count of tokens."""
    if level.metric == "tpot":
        return any(metrics.output_tokens(one.requests)[one.good].count() for one in points)
    return True


def kept(offered: Offered, level: Slo) -> metrics.Flags:
    """For each request of the point whether it ended well and inside the limit of ``level``.

    One whose answer is too short for a time per token, or for a gap, keeps the limits on them.
    """
    good = offered.good
    if level.metric == "itl":
        return good & (offered.streams.longest_gap_ns <= level.limit_s * NS_PER_S)
    values = _OF_REQUESTS[level.metric](offered.requests)
    inside = np.asarray(values.filled(np.inf) <= level.limit_s)
    if level.metric == "tpot":
        first, last = offered.requests.first_token_ns, offered.requests.last_token_ns
        inside |= values.mask & np.asarray((last == first).filled(fill_value=False))
    return good & inside


def keeps_all(offered: Offered, levels: Sequence[Slo]) -> metrics.Flags | None:
    """For each request whether it ended well and inside every limit; None without a level."""
    return np.logical_and.reduce([kept(offered, level) for level in levels]) if levels else None


def known_to_end(offered: Offered) -> metrics.Flags:
    """The issued requests whose fate is known: all but those we stopped ourselves."""
    return np.asarray(offered.requests.ending.data != Ending.STOPPED)


def goodput_share(points: Sequence[Offered], levels: Sequence[Slo]) -> Estimate | None:
    """The share of all issued requests that ended well and inside every limit, with its exact interval."""
    issued = sum(int(known_to_end(one).sum()) for one in points)
    within = sum(int(flags.sum()) for one in points if (flags := keeps_all(one, levels)) is not None)
    if not levels or not issued:
        return None
    low, high = stats.share_interval(within, issued)
    return Estimate(metric="goodput", unit="1", n=issued, value=within / issued, low=low, high=high, method=EXACT)


def judge_levels(points: Sequence[Offered], slos: Sequence[Slo], found: dict[str, Estimate]) -> tuple[SloFinding, ...]:
    """Every level that names a quantile, decided over the issued requests (of ``itl``: over the gaps)."""
    return tuple(_judge(points, level, level.quantile, found) for level in slos if level.quantile is not None)


def _judge(points: Sequence[Offered], level: Slo, quantile: float, found: dict[str, Estimate]) -> SloFinding:
    if level.metric == "itl":
        limit: Any = np.float32(level.limit_s)
        within = sum(int(np.count_nonzero(one.gaps_s <= limit)) for one in points)
        issued = sum(len(one.gaps_s) for one in points)
    else:
        within = sum(int(kept(one, level).sum()) for one in points)
        issued = sum(int(known_to_end(one).sum()) for one in points)
    if not can_judge(points, level):
        within = issued = 0
    said = slo.attained(within, issued, quantile)
    observed = found[level.metric].quantiles.get(f"p{100 * quantile:g}") if level.metric in found else None
    return SloFinding(slo.slo_text(level), level.metric, quantile, level.limit_s, said.outcome.value, observed, issued, said.share,
                      said.low, said.high, said.more)


def count_misses(run: LoadRun, index: int, groups: Sequence[Sequence[Slo]]) -> tuple[int, tuple[int, ...]]:
    """Of point ``index``: the requests whose fate is known, and how many of them missed each group of limits."""
    offered = next(one for one in offered_points(run) if one.point.index == index)
    known = known_to_end(offered)
    misses = []
    for levels in groups:
        inside = keeps_all(offered, levels)
        assert inside is not None
        misses.append(int((known & ~inside).sum()))
    return int(known.sum()), tuple(misses)
