"""Service levels: read as people type them, and decided by exact binomial bounds.

"p99 of the TTFT is at most 500 ms" means: at least 99 % of the requests have a TTFT of at most 500 ms. So a level is judged by
counting: ``within`` of ``issued`` requests kept the limit, a request that failed kept none. Whether the true share is at least
99 % is then the question that MLPerf's early stopping asks. The bounds take requests as independent; where neighbours resemble each
other they are too narrow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import get_args

from touchstone.errors import UsageError, unknown_name
from touchstone.judge.stats import CONFIDENCE, chance_of_at_most, least_issued, lower_bound, passes, upper_bound
from touchstone.load_plan import Slo
from touchstone.message import say

METRICS: tuple[str, ...] = get_args(Slo.model_fields["metric"].annotation)
_ALIASES = {"e2el": "e2e", "latency": "e2e"}
_UNITS_S = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0}
_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_LEVEL = re.compile(rf"\s*(?P<metric>[a-z0-9_]+)\s+p(?P<percent>{_NUMBER})\s*(?:<=|<|≤|=<)\s*(?P<limit>{_NUMBER})\s*(?P<unit>us|µs|μs|ms|s)\s*",
                    re.IGNORECASE | re.ASCII)
_LIMIT = re.compile(rf"(?P<metric>[a-z0-9_]+)[:=](?P<limit>{_NUMBER})", re.IGNORECASE | re.ASCII)


# ── what people type ─────────────────────────────────────────────────────────────────────────────────────────────────────


def parse_slo(text: str) -> Slo:
    """``ttft p99<=500ms`` as a level. Units are us, ms and s; ``<`` and ``≤`` mean the same as ``<=``.

    Raises :class:`UsageError` for anything else, a mean among it: it hides the requests that a level is about.
    """
    found = _LEVEL.fullmatch(text)
    if not found:
        if re.search(r"\b(mean|avg|average)\b", text, re.IGNORECASE):
            raise UsageError("A service level cannot be a mean: {text}.",
                             'A mean hides the requests that are late. Use a percentile: --slo "ttft p99<=500ms"', text=text)
        raise UsageError("The service level {text} cannot be read.",
                         'Give a metric, a percentile and a limit with its unit: --slo "ttft p99<=500ms"', text=text)
    quantile = float(found["percent"]) / 100
    limit_s = float(found["limit"]) * _UNITS_S[found["unit"].lower()]
    if not 0 < quantile < 1 or not 0 < limit_s < math.inf:
        raise UsageError("The service level {text} can never be decided.",
                         "A percentile lies between 0 and 100, and a limit above 0, both excluded.", text=text)
    return _slo(_metric(found["metric"]), limit_s, quantile)


def parse_goodput(texts: Iterable[str]) -> tuple[Slo, ...]:
    """``ttft:500 tpot:50`` (milliseconds, as in vLLM; ``e2el`` is ``e2e``) as levels that each request keeps by itself.

    Raises :class:`UsageError` for what is not ``metric:milliseconds``, for a metric given twice, and for ``itl``, of which a
    request has many.
    """
    levels: dict[str, Slo] = {}
    for text in (word for one in texts for word in one.replace(",", " ").split()):
        found = _LIMIT.fullmatch(text)
        limit_s = float(found["limit"]) / 1000 if found else 0.0
        if not found or not 0 < limit_s < math.inf:
            raise UsageError("The goodput limit {text} cannot be read.",
                             "Give metric:milliseconds, for example: --goodput ttft:500 tpot:50", text=text)
        metric = _metric(found["metric"])
        if metric == "itl":
            raise UsageError("Goodput cannot be asked of itl: a request has many gaps.", "Use tpot, its mean gap: --goodput tpot:50")
        if metric in levels:
            raise UsageError("The goodput limit of {metric} is given twice.", "Keep one of them.", metric=metric)
        levels[metric] = _slo(metric, limit_s, None)
    return tuple(levels.values())


def slo_text(slo: Slo) -> str:
    """The level as it would be typed: ``ttft p99<=500ms``, or ``ttft<=500ms`` where each request keeps it by itself."""
    quantile = "" if slo.quantile is None else f" p{_tidy(slo.quantile * 100):.12g}"
    unit = "s" if slo.limit_s >= 1 else "ms" if slo.limit_s >= 1e-3 else "us"
    return f"{slo.metric}{quantile}<={_tidy(slo.limit_s / _UNITS_S[unit]):.12g}{unit}"


def _metric(name: str) -> str:
    metric = _ALIASES.get(name.lower(), name.lower())
    if metric not in METRICS:
        raise unknown_name(say("metric"), name, METRICS)
    return metric


def _slo(metric: str, limit_s: float, quantile: float | None) -> Slo:
    tidied = None if quantile is None else _tidy(quantile)
    return Slo.model_validate({"metric": metric, "limit_s": _tidy(limit_s), "quantile": tidied})


def _tidy(value: float) -> float:
    """Without the noise of the scaling: 99.9 / 100 is 0.999."""
    return float(f"{value:.12g}")


# ── what the counts say ──────────────────────────────────────────────────────────────────────────────────────────────────


class Outcome(str, Enum):
    """What may be said of a level with the confidence asked."""

    PASSES = "passes"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Attainment:
    """How many requests kept a limit, and what that says about the share that would.

    ``low`` and ``high`` are one-sided bounds, each at ``confidence``. ``more`` is how many further requests, all within the limit,
    would make the level pass; None where it is decided.
    """

    within: int
    issued: int
    quantile: float
    confidence: float
    low: float
    high: float
    outcome: Outcome
    more: int | None

    @property
    def share(self) -> float | None:
        """The share that kept the limit; None of no requests."""
        return self.within / self.issued if self.issued else None


def attained(within: int, issued: int, quantile: float, confidence: float = CONFIDENCE) -> Attainment:
    """Whether at least a share ``quantile`` of all requests keeps a limit that ``within`` of ``issued`` kept.

    It passes if so many could be within by chance with probability 1 - ``confidence`` at most were the true share just ``quantile``,
    and fails if so few could. Raises :class:`ValueError` for counts that cannot be.
    """
    if not 0 <= within <= issued:
        raise ValueError(f"{within} of {issued} requests")
    outcome = Outcome.UNDECIDED
    if passes(issued - within, issued, quantile, confidence):
        outcome = Outcome.PASSES
    elif chance_of_at_most(within, issued, quantile) <= 1 - confidence:
        outcome = Outcome.FAILS
    more = least_issued(quantile, issued - within, confidence) - issued if outcome is Outcome.UNDECIDED else None
    low, high = lower_bound(within, issued, confidence), upper_bound(within, issued, confidence)
    return Attainment(within, issued, quantile, confidence, low, high, outcome, more)
