"""Every metric of every case that two sides share: the ratio, its interval, and one outcome for each, adjusted for how many there are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, geometric_mean, variance

from touchstone.claim import FIGURE_UNITS
from touchstone.comparison import MetricComparison, Outcome
from touchstone.judge import stats
from touchstone.judge.compare.measured import Sample
from touchstone.judge.compare.sides import Pairs, Side
from touchstone.judge.metrics import METRICS
from touchstone.message import Message, say

BETWEEN = "Welch on logarithms of one value per replicate"
WITHIN = "Welch on logarithms of blocks within one launch or repeat: no claim about re-runs"
HEADLINES = ("output_throughput", "throughput", "total_throughput", "e2e")
"""What the one sentence is about: the first of these that both sides have, or else the first metric they share."""
_ORDER = ("ttft", "tpot", "itl", "e2e", "decode_speed", "user_throughput", "output_throughput", "throughput", "total_throughput", "request_throughput",
          "goodput", "peak_memory")


@dataclass(frozen=True)
class Compared:
    """All rows, case by case, and the row the sentence is about, which may be the geometric mean of several cases."""

    rows: tuple[MetricComparison, ...]
    headline: MetricComparison | None


def compare_metrics(old: Side, new: Side, pairs: Pairs, margin: float, without: Mapping[str, set[str]]) -> Compared:
    """Every metric that both sides have of a pair of cases, but not those that are listed ``without`` for the case on side A."""
    keys = [(mine, yours, metric) for mine, yours in pairs for metric in _metrics(old, mine)
            if (yours, metric) in new.samples and metric not in without.get(mine, set())]
    samples = [(old.samples[mine, metric], new.samples[yours, metric]) for mine, yours, metric in keys]
    rows = [_row(case_label(mine, yours), metric, one, other, margin)
            for (mine, yours, metric), (one, other) in zip(keys, samples, strict=True)]
    known = {metric for _, _, metric in keys}
    named = next((name for name in HEADLINES if name in known), rows[0].metric if rows else None)
    chosen = [place for place, row in enumerate(rows) if row.metric == named]
    if len(chosen) > 1 and named is not None:
        rows.append(_over_cases(named, [samples[place] for place in chosen], margin))
        chosen = [len(rows) - 1]
    judged = _adjusted(rows)
    headline = judged[chosen[0]] if chosen else None
    return Compared(tuple(judged[:len(keys)]), headline)


def case_label(mine: str, yours: str) -> str:
    """What a pair of cases is called: by its name, or by both where they differ."""
    return mine if mine == yours else f"{mine} | {yours}"


def _metrics(side: Side, case: str) -> list[str]:
    """The metrics of a case in the order of the reports, a mean before its quantiles."""
    names = [metric for name, metric in side.samples if name == case]
    return sorted(names, key=lambda name: (_ORDER.index(base) if (base := name.partition(".")[0]) in _ORDER else len(_ORDER), name))


def unit_of(metric: str) -> str:
    """The SI unit of a metric or figure."""
    base = metric.partition(".")[0]
    return METRICS[base].unit if base in METRICS else FIGURE_UNITS.get(base, "1")


def higher_is_better(metric: str) -> bool:
    """Whether more of it is better; of figures that are not metrics of ours, rates are."""
    base = metric.partition(".")[0]
    return METRICS[base].better == "higher" if base in METRICS else unit_of(base).endswith("/s")


def _over_cases(metric: str, samples: Sequence[tuple[Sample, Sample]], margin: float) -> MetricComparison:
    """The geometric mean of the cases, replicate by replicate."""
    old, new = (_mean_sample([pair[side] for pair in samples]) for side in (0, 1))
    return _row("", metric, old, new, margin)


def _mean_sample(samples: Sequence[Sample]) -> Sample:
    shared = set.intersection(*(set(sample.replicates) for sample in samples))
    found = Sample({number: _geometric([sample.replicates[number] for sample in samples]) for number in shared})
    if len(shared) == 1:
        found.blocks = tuple(_geometric(values) for values in zip(*(sample.blocks for sample in samples), strict=False))
    return found


def _geometric(values: Sequence[float]) -> float:
    return geometric_mean(values) if min(values) > 0 else 0.0


def _row(case: str, metric: str, old: Sample, new: Sample, margin: float) -> MetricComparison:
    """One row, before it is adjusted for its family."""
    blank = MetricComparison(case, metric, unit_of(metric), higher_is_better(metric), None, None, len(old.values), len(new.values),
                             Outcome.INCONCLUSIVE)
    if not old.values or not new.values or min(*old.values, *new.values) <= 0:
        reason = say("a ratio needs positive values on both sides")
        blank = replace(blank, **{name: fmean(values) for name, values in (("old", old.values), ("new", new.values)) if values})  # type: ignore[arg-type]
        return replace(blank, reasons=dict.fromkeys(_missing(blank), reason))
    single = stats.compare_samples(old.values, new.values, margin)
    within = len(old.values) == len(new.values) == 1 and all(len(one.blocks) > 1 and min(one.blocks) > 0 for one in (old, new))
    one, other = (list(old.blocks), list(new.blocks)) if within else (old.values, new.values)
    effect = stats.compare_samples(one, other, margin) if within else single
    outcome = Outcome(effect.outcome)
    if within:
        outcome = Outcome.WITHIN if outcome is Outcome.CHANGED else Outcome.INCONCLUSIVE
    row = replace(
        blank, old=geometric_mean(old.values), new=geometric_mean(new.values), outcome=outcome, half_old=_share(one), half_new=_share(other),
        ratio=effect.ratio, low=effect.low, high=effect.high, p=effect.p, p_rank=None if within else effect.p_rank,
        more=single.more or _needed(old.values, new.values, margin), method=WITHIN if within else BETWEEN)
    return replace(row, reasons=_reasons(row))


def _share(values: Sequence[float]) -> float | None:
    width = stats.log_t_half_width(values)
    return None if width is None else math.expm1(min(width, 700.0))


def _adjusted(rows: Sequence[MetricComparison]) -> list[MetricComparison]:
    """Holm's p over all rows. What no longer stands as a difference was not decided; it was not shown to be equal either."""
    judged = []
    for row, p in zip(rows, stats.holm([row.p for row in rows]), strict=True):
        outcome = row.outcome
        if outcome in {Outcome.CHANGED, Outcome.TRIVIAL, Outcome.WITHIN} and (p is None or p >= 1 - stats.CONFIDENCE):
            outcome = Outcome.INCONCLUSIVE
        differs = outcome in {Outcome.CHANGED, Outcome.TRIVIAL, Outcome.WITHIN}
        better = (row.ratio > 1) == row.higher_is_better if differs and row.ratio is not None else None
        judged.append(replace(row, p_adjusted=p, outcome=outcome, better=better,
                              more=row.more if outcome in {Outcome.INCONCLUSIVE, Outcome.WITHIN} else None))
    return [replace(row, reasons={name: reason for name, reason in _reasons(row).items() if getattr(row, name) is None}) for row in judged]


def _needed(old: Sequence[float], new: Sequence[float], margin: float) -> int | None:
    """Replicates per side still missing to find a change as large as the margin; None where one side has a single value."""
    least = min(len(old), len(new))
    if least < 2:
        return None
    cv = math.sqrt(fmean(variance(map(math.log, values)) for values in (old, new)))
    return max(1, stats.launches_needed(cv, margin) - least)


def _missing(row: MetricComparison) -> list[str]:
    return ["ratio", "low", "high", "p", "p_adjusted", "p_rank", "half_old", "half_new", *(name for name in ("old", "new") if getattr(row, name) is None)]


def _reasons(row: MetricComparison) -> dict[str, Message]:
    """Why a value is not there."""
    if row.ratio is None:
        return dict(row.reasons or {})
    few = say("an interval needs two replicates on each side, or the trials of one")
    found = dict.fromkeys([name for name in ("low", "high", "p", "p_adjusted", "half_old", "half_new") if getattr(row, name) is None], few)
    if row.p_rank is None:
        found["p_rank"] = say("ranks need four replicates on each side to tell anything")
    return found
