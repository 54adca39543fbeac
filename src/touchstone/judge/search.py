"""Where does a server stop keeping its service levels? A strategy: what was tried so far gives what to try next.

The load is doubled until the levels are missed and then bisected, each value by one small batch, read off a fit that can only fall
with the load (pool adjacent violators: Ayer et al., Annals of Mathematical Statistics 26, 1955). Those batches prove nothing. When
the two values at the edge lie as close as asked, the requests go there: fresh batches, watched by :mod:`touchstone.judge.sequential`,
until one value passes and one fails, or patience ends; then the next value further out is taken and the gap is said to be undecided.

Confidence: each value that is confirmed has an error of its own, the first two 3/8 of the whole each, the next 1/8, 1/16, ... so
that their sum is 1 - confidence however many there are (Bonferroni), and one that may fail by any of k levels has it split by k.
Only data taken after a value was chosen count for it. So with the stated confidence every claim of a search is true, both of its edges
together; that the share falls with the load is used to choose values, never to claim anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from touchstone.judge.sequential import evidence, more_to_pass
from touchstone.judge.slo import Outcome
from touchstone.judge.stats import CONFIDENCE, lower_bound, upper_bound
from touchstone.message import Message, say

_LEAST_BATCH = 20
_MOST_PROBES = 300


@dataclass(frozen=True)
class Goal:
    """What is searched: the highest value at which every level is kept by its share of ``quantiles``.

    ``whole`` values are concurrencies, others rates. A batch has at least ``rounds`` requests per unit of load (turnovers of a closed
    loop, seconds of an open one). A value may cost ``patience`` times the requests with which it passes without a miss, or that many
    least batches, whichever is more.
    """

    quantiles: tuple[float, ...]
    whole: bool = True
    start: float = 1.0
    least: float = 1.0
    most: float = 4096.0
    resolution: float = 0.05
    confidence: float = CONFIDENCE
    rounds: float = 4.0
    patience: float = 6.0
    most_requests: int | None = None


@dataclass(frozen=True)
class Probe:
    """What to try next: offer ``value`` with ``requests``. ``confirming`` is to be handed back with the result."""

    value: float
    requests: int
    confirming: bool


@dataclass(frozen=True)
class Tried:
    """What came of a :class:`Probe`: how many requests were issued, and how many missed each level (a failed one misses all)."""

    value: float
    issued: int
    misses: tuple[int, ...]
    confirming: bool


@dataclass(frozen=True)
class Done:
    """The answer. ``passes_at`` and ``fails_at`` are None where nothing can be claimed; ``notes`` say why, and what looked wrong."""

    passes_at: float | None
    fails_at: float | None
    confidence: float
    requests: int
    sentence: Message
    notes: tuple[Message, ...] = ()


@dataclass
class _Standing:
    """All that is known of one value; the ``confirmed`` part is what may be claimed from."""

    value: float
    error: float = 0.0
    issued: int = 0
    misses: tuple[int, ...] = ()
    confirming: int = 0
    confirming_misses: tuple[int, ...] = ()
    outcome: Outcome | None = None  # UNDECIDED once patience has ended
    keeps: bool = True  # by the monotone fit and by what is confirmed elsewhere


def next_step(goal: Goal, history: Sequence[Tried]) -> Probe | Done:
    """What to do after ``history`` (in the order it happened). The same history always gives the same step."""
    table = _standings(goal, history)
    if not table:
        return _screen(goal, goal.start)
    spent = sum(tried.issued for tried in history)
    if len(history) >= _MOST_PROBES or (goal.most_requests is not None and spent >= goal.most_requests):
        return _done(goal, table, say("The search ended before both sides were decided: its requests were used up."))
    wider = _to_screen(goal, table)
    if wider is not None:
        return _screen(goal, wider)
    for value in _edges(goal, table):
        standing = next((one for one in table if one.value == value), None)
        if standing is None or standing.outcome is None:
            rank = sum(one.confirming > 0 for one in table)
            return _confirm(goal, standing or _Standing(value), _error(goal, rank))
    return _done(goal, table)


# ── what is known ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _standings(goal: Goal, history: Iterable[Tried]) -> list[_Standing]:
    """One per value tried, from low to high, each judged."""
    none = (0,) * len(goal.quantiles)
    table: dict[float, _Standing] = {}
    for tried in history:
        one = table.setdefault(tried.value, _Standing(tried.value, misses=none, confirming_misses=none))
        one.issued += tried.issued
        one.misses = _sum(one.misses, tried.misses)
        if tried.confirming:
            if not one.confirming:
                one.error = _error(goal, sum(other.confirming > 0 for other in table.values()))
            one.confirming += tried.issued
            one.confirming_misses = _sum(one.confirming_misses, tried.misses)
    ordered = [table[value] for value in sorted(table)]
    for one in ordered:
        one.outcome = _outcome(goal, one)
    fits = [falling_fit([1 - one.misses[level] / max(one.issued, 1) for one in ordered], [one.issued for one in ordered])
            for level in range(len(goal.quantiles))]
    fails_from = min((one.value for one in ordered if one.outcome is Outcome.FAILS), default=math.inf)
    passes_to = max((one.value for one in ordered if one.outcome is Outcome.PASSES), default=-math.inf)
    for place, one in enumerate(ordered):
        likely = all(fit[place] >= quantile - 1e-12 for fit, quantile in zip(fits, goal.quantiles, strict=True))
        one.keeps = one.value < fails_from and (one.value <= passes_to or likely)
    return ordered


def _sum(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(left, right, strict=True))


def _error(goal: Goal, rank: int) -> float:
    """The error that the ``rank``-th value to be confirmed may have: 3/8, 3/8, 1/8, 1/16, ... of the whole."""
    return (1 - goal.confidence) * (3 / 8 if rank < 2 else 0.5 ** (rank + 1))


def _outcome(goal: Goal, one: _Standing) -> Outcome | None:
    if not one.confirming:
        return None
    bets = [evidence(misses, one.confirming, quantile) for misses, quantile in zip(one.confirming_misses, goal.quantiles, strict=True)]
    if all(bet.passes >= -math.log(one.error) for bet in bets):
        return Outcome.PASSES
    if any(bet.fails >= -math.log(one.error / len(bets)) for bet in bets):
        return Outcome.FAILS
    return Outcome.UNDECIDED if _hopeless(goal, one) else None


def _hopeless(goal: Goal, one: _Standing) -> bool:
    """Whether patience has ended, or will before either bet is won even if the misses seen so far were a standard deviation of luck."""
    left = _patience(goal, one.value, one.error) - one.confirming
    if left <= 0:
        return True
    to_pass, to_fail = [], []
    for misses, quantile in zip(one.confirming_misses, goal.quantiles, strict=True):
        rate, bet = 1 - quantile, evidence(misses, one.confirming, quantile)
        seldom = max(0.0, misses - math.sqrt(misses)) / one.confirming
        often = min(1.0, (misses + 1 + math.sqrt(misses)) / one.confirming)
        gain = _divergence(seldom, rate) if seldom < rate else 0.0
        loss = _divergence(often, rate) if often > rate else 0.0
        to_pass.append((-math.log(one.error) - bet.passes) > left * gain)
        to_fail.append((-math.log(one.error / len(goal.quantiles)) - bet.fails) > left * loss)
    return any(to_pass) and all(to_fail)


def _divergence(rate: float, limit: float) -> float:
    """Kullback and Leibler's: how much a bet's logarithm grows with each request, on average, where the miss rate is ``rate``."""
    parts = ((rate, limit), (1 - rate, 1 - limit))
    return sum(share * math.log(share / other) for share, other in parts if share > 0)


def falling_fit(shares: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-increasing sequence nearest to ``shares`` in weighted least squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for share, weight in zip(shares, weights, strict=True):
        mean, total, count = share, weight, 1
        while blocks and blocks[-1][0] < mean:
            before, heft, many = blocks.pop()
            mean = (before * heft + mean * total) / (heft + total)
            total, count = total + heft, count + many
        blocks.append((mean, total, count))
    return [mean for mean, _, count in blocks for _ in range(count)]


# ── what to try ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _to_screen(goal: Goal, table: list[_Standing]) -> float | None:
    """A value not tried yet that narrows or opens the bracket; None once it is narrow or something in it has proved undecidable."""
    if any(one.outcome is Outcome.UNDECIDED for one in table):
        return None
    low = max((one.value for one in table if one.keeps), default=None)
    high = min((one.value for one in table if not one.keeps), default=None)
    if low is None or high is None:
        wider = _tidy(goal, max(table[0].value / 2, goal.least) if low is None else min(table[-1].value * 2, goal.most))
        return None if wider in {one.value for one in table} else wider
    if _close(goal, low, high):
        return None
    return _tidy(goal, math.sqrt(low * high))


def _edges(goal: Goal, table: list[_Standing]) -> list[float]:
    """The values to be confirmed, the passing side first. Where one was undecidable, the next lies further out each time."""
    passes_to = max((one.value for one in table if one.outcome is Outcome.PASSES), default=-math.inf)
    fails_from = min((one.value for one in table if one.outcome is Outcome.FAILS), default=math.inf)
    undecided = [one.value for one in table if one.outcome is Outcome.UNDECIDED and passes_to < one.value < fails_from]
    below, above = min(undecided, default=math.inf), max(undecided, default=-math.inf)
    low = max((one.value for one in table if one.keeps and one.value < below), default=None)
    high = min((one.value for one in table if not one.keeps and one.value > above), default=None)
    if undecided:
        step = goal.resolution * 2 ** ((len(undecided) - 1) // 2)
        nearest = _tidy(goal, max(goal.least, min(below / (1 + step), below - 1 if goal.whole else math.inf)))
        low = low if low is not None and low >= nearest else nearest if nearest < below else None
        nearest = _tidy(goal, min(goal.most, max(above * (1 + step), above + 1 if goal.whole else 0)))
        high = high if high is not None and high <= nearest else nearest if nearest > above else None
    return [value for value in (low, high) if value is not None]


def _close(goal: Goal, low: float, high: float) -> bool:
    if goal.whole:
        return high - low <= max(1, math.floor(goal.resolution * low))
    return high <= low * (1 + goal.resolution)


def _tidy(goal: Goal, value: float) -> float:
    """A whole number, or four significant digits."""
    if goal.whole:
        return float(round(value))
    return float(f"{value:.4g}")


def _screen(goal: Goal, value: float) -> Probe:
    return Probe(value, _least_batch(goal, value), confirming=False)


def _confirm(goal: Goal, one: _Standing, error: float) -> Probe:
    """The next look at a value: as many requests as it has had, but no more than would do."""
    error = one.error or error
    misses = one.confirming_misses or (0,) * len(goal.quantiles)
    enough = max(more_to_pass(missed, one.confirming, quantile, error) for missed, quantile in zip(misses, goal.quantiles, strict=True))
    least = _least_batch(goal, one.value)
    look = max(min(least, enough), min(one.confirming, enough, _patience(goal, one.value, error) - one.confirming))
    return Probe(one.value, max(look, math.ceil(goal.rounds * one.value)), confirming=True)


def _least_batch(goal: Goal, value: float) -> int:
    """Enough to meet a miss where the share is just kept, and enough for the load to settle."""
    return max(_LEAST_BATCH, math.ceil(1 / (1 - max(goal.quantiles)) - 1e-9), math.ceil(goal.rounds * value))


def _patience(goal: Goal, value: float, error: float) -> int:
    return math.ceil(goal.patience * max(more_to_pass(0, 0, max(goal.quantiles), error), goal.rounds * value))


# ── what may be said ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _done(goal: Goal, table: list[_Standing], *notes: Message) -> Done:
    fails_at = min((one.value for one in table if one.outcome is Outcome.FAILS), default=None)
    passes_at = max((one.value for one in table if one.outcome is Outcome.PASSES and (fails_at is None or one.value < fails_at)),
                    default=None)
    between = [one.value for one in table if one.outcome is Outcome.UNDECIDED
               and (passes_at is None or one.value > passes_at) and (fails_at is None or one.value < fails_at)]
    if between:
        notes += (say("Undecided at {values}: the share of requests within the limit is too near the level.",
                      values=", ".join(f"{value:g}" for value in between)),)
    notes += tuple(say("{fewer} does worse than {more}, although it is less load: something else than the load decides.",
                       fewer=f"{low:g}", more=f"{high:g}") for low, high in _violations(goal, table)[:1])
    return Done(passes_at, fails_at, goal.confidence, sum(one.issued for one in table),
                _sentence(goal, table, passes_at, fails_at), notes)


def _sentence(goal: Goal, table: list[_Standing], passes_at: float | None, fails_at: float | None) -> Message:
    confidence = f"{goal.confidence * 100:g}"
    if passes_at is not None and fails_at is not None:
        return say("passes at {low}, fails at {high}, {confidence} %", low=f"{passes_at:g}", high=f"{fails_at:g}", confidence=confidence)
    if passes_at is not None:
        if passes_at == table[-1].value:
            return say("passes at {low}, the most that was tried, {confidence} %", low=f"{passes_at:g}", confidence=confidence)
        return say("passes at {low}, undecided above, {confidence} %", low=f"{passes_at:g}", confidence=confidence)
    if fails_at is not None:
        if fails_at == table[0].value:
            return say("fails at {high}, the least that was tried, {confidence} %", high=f"{fails_at:g}", confidence=confidence)
        return say("fails at {high}, undecided below, {confidence} %", high=f"{fails_at:g}", confidence=confidence)
    return say("undecided at {confidence} %", confidence=confidence)


def _violations(goal: Goal, table: list[_Standing]) -> list[tuple[float, float]]:
    """Pairs of loads of which the smaller keeps a level by a smaller share than the greater, beyond chance (1 % over all pairs)."""
    pairs = [(one, other, level) for place, one in enumerate(table) for other in table[place + 1:] for level in range(len(goal.quantiles))]
    confidence = 1 - 0.01 / max(1, 2 * len(pairs))
    return [(one.value, other.value) for one, other, level in pairs
            if upper_bound(one.issued - one.misses[level], one.issued, confidence)
            < lower_bound(other.issued - other.misses[level], other.issued, confidence)]
