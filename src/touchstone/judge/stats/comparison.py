"""Two samples of a positive quantity: their ratio, its interval, and whether anything may be said about a difference.

Welch's t-test on logarithms is what decides: errors of times and speeds are relative, and the two sides need not be equally noisy
(Welch, Biometrika 34, 1947). A difference is a *change* only if it also reaches the margin, and *equivalent* takes proof too: the
interval at twice the error lies within the margin (two one-sided tests; Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

from touchstone.errors import DataError, UsageError
from touchstone.judge.stats.intervals import CONFIDENCE, t_quantile
from touchstone.judge.stats.quantiles import quantile
from touchstone.judge.stats.ranks import rank_sum_p

LEAST_PER_SIDE = 3
"""Fewer launches on a side than this are never asked for."""
LEAST_MARGIN = 0.02
POWER = 0.80
Outcome = Literal["changed", "trivial", "equivalent", "inconclusive"]
_LARGEST_LOG = 700.0
_TINIEST_MARGIN = 1e-6


@dataclass(frozen=True)
class Welch:
    """A difference of means (second - first), its standard error and degrees of freedom, and p of no difference (two-sided).

    ``freedom`` is None where neither side varies: then the difference is exact and p is 0 or 1.
    """

    difference: float
    error: float
    freedom: float | None
    p: float

    def half_width(self, confidence: float = CONFIDENCE) -> float:
        """Of the interval for the difference; 0 where it is exact."""
        return 0.0 if self.freedom is None else t_quantile(self.freedom, confidence) * self.error


@dataclass(frozen=True)
class Effect:
    """``new`` over ``old``: the ratio of geometric means between ``low`` and ``high``, and what follows from it.

    ``p`` is Welch's on logarithms; all three are None where a side has one value only. ``p_rank`` is Mann and Whitney's, exact, and None
    where the samples are too small for it ever to reach 1 - ``confidence``. ``outcome`` is

    * changed: the interval excludes 1, and the ratio lies outside the margin;
    * equivalent: the interval at twice the error lies within the margin;
    * trivial: the interval excludes 1, the ratio lies within the margin, and its interval does not;
    * inconclusive: neither; ``more`` values per side are then needed, and None otherwise.
    """

    ratio: float
    low: float | None
    high: float | None
    p: float | None
    p_rank: float | None
    n_old: int
    n_new: int
    outcome: Outcome
    more: int | None


def compare_samples(old: Sequence[float], new: Sequence[float], margin: float, confidence: float = CONFIDENCE) -> Effect:
    """Compare independent values of each side, one per launch where the claim is about launches. ``margin`` 0.02 is 2 %.

    Raises :class:`DataError` for an empty side and for values that are not positive and finite: they have no logarithm; and
    :class:`UsageError` for a margin below a millionth.
    """
    if not _TINIEST_MARGIN <= margin < math.inf:
        raise UsageError("A margin of {margin} cannot be used.",
                         "Give the smallest difference that matters as a share, 0.02 for 2 %: no measurement proves a difference of 0.",
                         margin=margin)
    logs_old, logs_new = _logs(old), _logs(new)
    if min(len(old), len(new)) < 2:
        ratio = fmean(logs_new) - fmean(logs_old)
        more = LEAST_PER_SIDE - min(len(old), len(new))
        return Effect(_exp(ratio), None, None, None, None, len(old), len(new), "inconclusive", more)
    found = welch(logs_old, logs_new)
    outcome = _outcome(found, math.log1p(margin), confidence)
    width = found.half_width(confidence)
    return Effect(
        ratio=_exp(found.difference), low=_exp(found.difference - width), high=_exp(found.difference + width), p=found.p,
        p_rank=rank_sum_p(old, new) if can_rank(len(old), len(new), confidence) else None, n_old=len(old), n_new=len(new),
        outcome=outcome, more=_more(logs_old, logs_new, margin, confidence) if outcome == "inconclusive" else None)


def welch(one: Sequence[float], other: Sequence[float]) -> Welch:
    """Welch's comparison of two means, of at least two values each."""
    from scipy.special import stdtr

    difference = fmean(other) - fmean(one)
    shares = [_variance(side) / len(side) for side in (one, other)]
    squared = sum(shares)
    if squared <= 0:
        return Welch(difference, 0.0, None, 1.0 if difference == 0 else 0.0)
    # Shares of the sum, for its square may underflow.
    freedom = 1 / sum((share / squared) ** 2 / (len(side) - 1) for share, side in zip(shares, (one, other), strict=True))
    error = math.sqrt(squared)
    return Welch(difference, error, freedom, 2 * float(stdtr(freedom, -abs(difference) / error)))


def can_rank(n_old: int, n_new: int, confidence: float = CONFIDENCE) -> bool:
    """Whether ranks alone could ever reject: the most extreme order must be rarer than 1 - ``confidence``; 4 of each at 95 %."""
    ways = math.lgamma(n_old + n_new + 1) - math.lgamma(n_old + 1) - math.lgamma(n_new + 1)  # of dealing the ranks, its logarithm
    return math.log(2) - ways <= math.log(1 - confidence) + 1e-9


def launches_needed(cv: float, margin: float, confidence: float = CONFIDENCE) -> int:
    """Values per side with which a change as large as ``margin`` is found four times in five; ``cv`` is the spread between launches.

    n = 2 (z + z')² cv² / ln²(1 + margin), z and z' the normal quantiles for the confidence and the power.
    """
    return max(LEAST_PER_SIDE, math.ceil(_per_side(cv, math.log1p(margin), confidence, POWER)))


def noise_floor(ratios: Sequence[float]) -> float:
    """The margin that this host's own noise asks for: 95 % of ``ratios`` between runs of one and the same thing differ by less.

    Never below 2 %, which is also the answer without any ratio. Raises :class:`DataError` for a ratio that is not positive.
    """
    if not ratios:
        return LEAST_MARGIN
    return max(LEAST_MARGIN, _exp(quantile([abs(log) for log in _logs(ratios)], 0.95)) - 1)


def _outcome(found: Welch, bound: float, confidence: float) -> Outcome:
    differs = abs(found.difference) > found.half_width(confidence)
    if differs and abs(found.difference) >= bound:
        return "changed"
    if abs(found.difference) + found.half_width(2 * confidence - 1) <= bound:
        return "equivalent"
    return "trivial" if differs else "inconclusive"


def _more(old: Sequence[float], new: Sequence[float], margin: float, confidence: float) -> int:
    """Values still missing on the smaller side: to find a change as large as the margin, or else to decide at the effect seen."""
    least = min(len(old), len(new))
    cv = math.sqrt((_variance(old) + _variance(new)) / 2)
    needed = launches_needed(cv, margin, confidence)
    if needed <= least:
        seen = abs(fmean(new) - fmean(old))
        needed = math.ceil(min(_per_side(cv, seen, confidence, 0.5), _per_side(cv, math.log1p(margin) - seen, 2 * confidence - 1, 0.5)))
    return max(1, needed - least)


def _per_side(cv: float, distance: float, confidence: float, power: float) -> float:
    """Values per side with which a true log ratio of ``distance`` is told from 0 with the power; infinite for none to speak of."""
    from scipy.special import ndtri

    if distance <= cv * 1e-12:
        return math.inf
    return 2 * float(ndtri(0.5 + confidence / 2) + ndtri(power)) ** 2 * (cv / distance) ** 2


def _variance(values: Sequence[float]) -> float:
    # Equal values have none; a mean that is rounded would give them some.
    return 0.0 if min(values) == max(values) else variance(values)


def _logs(values: Sequence[float]) -> list[float]:
    if not values:
        raise DataError("There is nothing to compare on one of the two sides.", "Give at least one value for each.")
    wrong = next((value for value in values if not 0 < value < math.inf), None)
    if wrong is not None:
        raise DataError("A comparison by ratio needs positive values; one is {value}.",
                        "Leave this metric out, or find out why it was recorded so.", value=wrong)
    return [math.log(value) for value in values]


def _exp(log: float) -> float:
    # Few and wild values give intervals beyond what a float holds.
    return math.exp(max(-_LARGEST_LOG, min(log, _LARGEST_LOG)))
