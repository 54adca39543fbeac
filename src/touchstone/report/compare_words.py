"""What the faces of a comparison share: its words, the differences, and the table, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping

from touchstone.comparison import COUNTED, FACTOR_WORDS, Comparison, Difference, MetricComparison, Outcome, SideFinding, Unit
from touchstone.finding import Trust
from touchstone.message import Message, say
from touchstone.report.table import METRIC_WORDS, NOTHING, SCALES, TRUST_WORDS, Scaled, number
from touchstone.units import significant

COLUMNS: tuple[Message, ...] = (say("Scenario"), say("A"), say("B"), say("Change"), say("p"), say("n"), say("Outcome"))
OUTCOME_WORDS: Mapping[Outcome, Message] = {
    Outcome.CHANGED: say("changed"), Outcome.TRIVIAL: say("changed, but less than the margin"), Outcome.EQUIVALENT: say("equivalent"),
    Outcome.INCONCLUSIVE: say("inconclusive"), Outcome.WITHIN: say("differs within this launch"),
}
UNIT_WORDS: Mapping[Unit, tuple[Message, Message]] = {
    Unit.LAUNCH: (say("launch"), say("launches")), Unit.REPEAT: (say("repeat"), say("repeats")), Unit.RUN: (say("run"), say("runs")),
}
"""One of them, and several."""
_FOREIGN_WORDS: Mapping[str, Message] = {"throughput": say("Throughput, of unsaid tokens"), "user_throughput": say("Throughput of one user")}
_UNSCALED = {"s": Scaled("ms", 1e3), "B": Scaled("GB", 1e-9)}
NOT_CHANGED = "~"
MOST_MORE = 100
"""Nobody starts more launches than this to settle a question."""


def metric_word(metric: str) -> Message:
    """A metric's name, with its statistic: ``TTFT P99``."""
    base, _, statistic = metric.partition(".")
    word = METRIC_WORDS.get(base) or _FOREIGN_WORDS.get(base) or say("{metric}", metric=base)
    return say("{metric} {statistic}", metric=word, statistic=statistic.upper()) if statistic else word


def scale_of(metric: str, unit: str) -> Scaled:
    """How the faces show a metric."""
    return SCALES.get(metric.partition(".")[0]) or _UNSCALED.get(unit) or Scaled(unit, 1.0)


def trust_word(trust: Trust | None) -> Message:
    """How far to believe a run, or that nobody has looked."""
    return say("not audited") if trust is None else TRUST_WORDS[trust]


def replicates(side: SideFinding) -> Message:
    """How many replicates a side rests on."""
    return say("{count} {unit}", count=side.replicates, unit=UNIT_WORDS[side.unit][side.replicates != 1])


# ── differences ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def difference_title(comparison: Comparison) -> Message:
    """What the differences amount to."""
    factors = [factor for factor in COUNTED if any(one.factor is factor for one in comparison.differences)]
    if comparison.confounded:
        return say("Confounded, by what differs")
    if len(factors) == 1:
        return say("The one difference: the {factor}", factor=FACTOR_WORDS[factors[0]])
    return say("Differences, none of which should matter") if comparison.differences else say("No difference in conditions")


def difference_line(one: Difference) -> Message:
    """One condition on both sides."""
    return say("{factor}: {name} {old} → {new}", factor=FACTOR_WORDS[one.factor], name=one.name, old=one.old or NOTHING, new=one.new or NOTHING)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def metric_title(row: MetricComparison) -> Message:
    """The heading of a metric's table."""
    return say("{metric} ({unit})", metric=metric_word(row.metric), unit=scale_of(row.metric, row.unit).unit)


def metrics_of(comparison: Comparison) -> list[list[MetricComparison]]:
    """The rows, metric by metric as benchstat prints them; the geometric mean of the cases last, where there is one."""
    names = dict.fromkeys(row.metric for row in comparison.metrics)
    extra = [comparison.headline] if comparison.headline is not None and not comparison.headline.case else []
    return [[row for row in (*comparison.metrics, *extra) if row.metric == name] for name in names]


def case_word(row: MetricComparison) -> Message:
    """The case, or what stands for all of them."""
    return say("{case}", case=row.case) if row.case else say("geometric mean")


def cells(row: MetricComparison) -> list[str]:
    """Everything between the case and the outcome."""
    factor = scale_of(row.metric, row.unit).factor
    return [_value(row.old, row.half_old, factor), _value(row.new, row.half_new, factor), delta(row), NOTHING if row.p_adjusted is None else p_text(row.p_adjusted),
            f"{row.n_old}+{row.n_new}"]


def delta(row: MetricComparison) -> str:
    """The change in percent with half its interval; a tilde where none was shown."""
    if row.outcome in {Outcome.INCONCLUSIVE, Outcome.EQUIVALENT} or row.ratio is None or row.low is None or row.high is None:
        return NOT_CHANGED
    half = 50 * (row.high - row.low)
    return f"{100 * (row.ratio - 1):+.1f}% ± {significant(half, 2)}" if half < 1000 else f"{100 * (row.ratio - 1):+.1f}% ± >999"


def p_text(p: float) -> str:
    """A p with three decimals, or below what they can show."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def outcome_word(row: MetricComparison, comparison: Comparison) -> Message:
    """The outcome, with its direction or with what is still needed."""
    word = OUTCOME_WORDS[row.outcome]
    if row.outcome is Outcome.CHANGED and not comparison.confounded:
        return say("better") if row.better else say("worse")
    if row.more is None or row.outcome is not Outcome.INCONCLUSIVE:
        return word
    return say("{outcome}, {more} more", outcome=word, more=row.more) if row.more <= MOST_MORE else say("{outcome}, too noisy", outcome=word)


def _value(value: float | None, half: float | None, factor: float) -> str:
    if value is None:
        return NOTHING
    return with_half(number(value, factor), half)


def with_half(text: str, half: float | None) -> str:
    """A number with half its interval as a share of it, where there is one."""
    return text if not half else f"{text} ±{significant(100 * half, 2)}%" if half < 10 else f"{text} ±>999%"
