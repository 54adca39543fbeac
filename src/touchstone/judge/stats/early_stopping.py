"""How many of n may miss: exact bounds for a share, and the rule by which MLPerf stops early.

Whether at least a share of all trials would succeed is a question about a binomial proportion (Clopper and Pearson, Biometrika 26,
1934). Trials are taken as independent; where neighbours resemble each other the bounds are too narrow.
"""

from __future__ import annotations

from touchstone.judge.stats.intervals import CONFIDENCE


def passes(misses: int, issued: int, share: float, confidence: float = CONFIDENCE) -> bool:
    """Whether so few ``misses`` of ``issued`` prove that the true share within is more than ``share``.

    MLPerf's rule (LoadGen, early stopping, tolerance 0): P(at most ``misses`` of ``issued`` miss) <= 1 - ``confidence`` at just ``share``.
    """
    return chance_of_at_least(issued - misses, issued, share) <= 1 - confidence


def least_issued(share: float, misses: int = 0, confidence: float = CONFIDENCE) -> int:
    """The fewest that must be issued to pass although ``misses`` of them miss: 299 for 99 % without a miss, 662 with one at 99 %."""
    low, high = misses, misses + 1
    while not passes(misses, high, share, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(misses, middle, share, confidence) else (middle, high)
    return high


def allowed_misses(issued: int, share: float, confidence: float = CONFIDENCE) -> int | None:
    """The most misses with which ``issued`` still pass; None if even none would be too many."""
    if not passes(0, issued, share, confidence):
        return None
    low, high = 0, issued
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle, issued, share, confidence) else (low, middle)
    return low


def share_interval(within: int, issued: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two-sided exact interval (Clopper and Pearson) for the share of which ``within`` of ``issued`` are; (0, 1) of none."""
    one_sided = (1 + confidence) / 2
    return lower_bound(within, issued, one_sided), upper_bound(within, issued, one_sided)


def lower_bound(within: int, issued: int, confidence: float = CONFIDENCE) -> float:
    """The share that the true one exceeds at ``confidence``: a quantile of Beta(within, issued - within + 1)."""
    from scipy.special import betaincinv  # the light part of scipy; scipy.stats takes a second to import

    return float(betaincinv(within, issued - within + 1, 1 - confidence)) if within else 0.0


def upper_bound(within: int, issued: int, confidence: float = CONFIDENCE) -> float:
    """The share that the true one stays below at ``confidence``: a quantile of Beta(within + 1, issued - within).

    Of an event that was never seen, ``within`` 0, this is the rule of three, 3 / ``issued``, in its exact form.
    """
    from scipy.special import betaincinv

    return float(betaincinv(within + 1, issued - within, confidence)) if within < issued else 1.0


def chance_of_at_least(within: int, issued: int, share: float) -> float:
    """P(X >= ``within``) for X binomial in ``issued``: the regularised incomplete beta function I(within, issued - within + 1)."""
    from scipy.special import betainc

    return float(betainc(within, issued - within + 1, share)) if within > 0 else 1.0


def chance_of_at_most(within: int, issued: int, share: float) -> float:
    """P(X <= ``within``) for X binomial in ``issued`` of which each is within with probability ``share``."""
    from scipy.special import betainc

    return float(betainc(issued - within, within + 1, 1 - share)) if within < issued else 1.0
