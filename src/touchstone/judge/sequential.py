"""Deciding about a share while the requests come in, and looking as often as one likes.

A binomial bound holds for one look. Here the evidence is a bet that may be watched: its capital starts at 1, and while the claim
bet against is true it ever reaches 1/a with probability a at most (Ville, Étude critique de la notion de collectif, 1939). The bet
is a mixture of likelihood ratios of miss rates on one side of the limit against the limit itself (Robbins, Annals of Mathematical
Statistics 41, 1970), weighted by 1/sqrt(rate) so that rates near 0, where a good server is, count.

With the allowed miss rate r, m misses in n requests, B the beta function and I its regularised incomplete form,

    for passing   B(m+1/2, n-m+1) · I_r(m+1/2, n-m+1)       / (2·sqrt(r)       · r^m · (1-r)^(n-m))
    for failing   B(m+1/2, n-m+1) · (1 - I_r(m+1/2, n-m+1)) / (2·(1 - sqrt(r)) · r^m · (1-r)^(n-m))

Requests are taken as independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Evidence:
    """Natural logarithms of the two bets' capital: that the level is kept, and that it is not."""

    passes: float
    fails: float


@lru_cache(maxsize=4096)  # a search asks for the same numbers at every step
def evidence(misses: int, issued: int, quantile: float) -> Evidence:
    """What ``misses`` of ``issued`` requests say about whether at least a share ``quantile`` keeps the limit."""
    from scipy.special import betainc, betaln

    rate = 1 - quantile
    a, b = misses + 0.5, issued - misses + 1
    mass = float(betaln(a, b)) - misses * math.log(rate) - (issued - misses) * math.log(quantile)
    return Evidence(mass + _log(float(betainc(a, b, rate))) - math.log(2 * math.sqrt(rate)),
                    mass + _log(float(betainc(b, a, quantile))) - math.log(2 - 2 * math.sqrt(rate)))


@lru_cache(maxsize=4096)
def more_to_pass(misses: int, issued: int, quantile: float, error: float) -> int:
    """How many further requests, all within the limit, bring the bet on passing to 1/``error``."""
    def enough(more: int) -> bool:
        return evidence(misses, issued + more, quantile).passes >= -math.log(error)

    if enough(0):
        return 0
    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _log(value: float) -> float:
    # The beta function's part underflows only where the misses lie far on the other side, and such a bet is lost anyway.
    return math.log(value) if value > 0 else -math.inf
