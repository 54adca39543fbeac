"""Another tool's results → what enters a comparison: one value per metric, from a file that speaks of one measurement."""

from __future__ import annotations

import re
from collections.abc import Mapping

from touchstone.claim import FIGURE_UNITS, Claim
from touchstone.judge.compare.conditions import digest, result_conditions
from touchstone.judge.compare.measured import Measured, Sample
from touchstone.judge.foreign.result import ForeignResult

METRICS_OF_RESULTS = ("ttft", "tpot", "itl", "e2e", "decode_speed", "user_throughput", "output_throughput", "total_throughput", "throughput",
                      "request_throughput", "peak_memory")
_QUANTILE = re.compile(r"p[0-9.]+")


def measured_results(result: ForeignResult, path: str) -> Measured:
    """One replicate per claim of ``result``, which was read from ``path``. A result's notes on its definitions come along."""
    samples = {(claim.label, figure): Sample({0: value}) for claim in result.claims.claims for figure, value in _values(claim).items()}
    lengths = {claim.label: {name: value for name in ("input_tokens", "output_tokens") if (value := claim.value(name)) is not None}
               for claim in result.claims.claims}
    content = [(claim.label, sorted((name, figure.value) for name, figure in claim.figures.items())) for claim in result.claims.claims]
    conditions = result_conditions(result)
    identity = digest([content, sorted(str(fact) for fact in conditions.facts.items())])
    return Measured(path, f"{result.tool} {identity}", result.conditions.get("date", ""), "result", conditions, samples, lengths=lengths, notes=result.notes)


def _values(claim: Claim) -> Mapping[str, float]:
    """The means and quantiles of results; spreads and extremes say little of a single measurement."""
    kept = {}
    for figure, one in claim.figures.items():
        base, _, statistic = figure.partition(".")
        if base in METRICS_OF_RESULTS and base in FIGURE_UNITS and (not statistic or _QUANTILE.fullmatch(statistic)):
            kept[figure] = one.value
    return kept
