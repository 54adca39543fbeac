"""The one sentence that answers a comparison: what the headline metric did, what else changed, what is open, and whether to believe it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from touchstone.comparison import Comparison, MetricComparison, NoiseFloor, Outcome, Unit
from touchstone.finding import Trust
from touchstone.message import Message, Translate, say
from touchstone.report.compare_words import MOST_MORE, UNIT_WORDS, metric_word
from touchstone.units import significant

_CLEARLY_MORE = 1.5
_MOST_CLAUSES, _MOST_CASES = 3, 4
_TOO_NOISY = 0.25


def answer(comparison: Comparison) -> Message:
    """The one sentence, of either kind of comparison."""
    return sentence(comparison) if comparison.floor is None else same_sentence(comparison, comparison.floor)


class _Inside(Message):
    """A word that stands inside a sentence: its first letter is small, unless it is an abbreviation's."""

    def render(self, translate: Translate) -> str:
        """The word in the language of ``translate``."""
        text = super().render(translate)
        return text[:1].lower() + text[1:] if text[1:2].islower() else text


def inside(metric: str) -> Message:
    """A metric's name inside a sentence: ``throughput``, ``TTFT P99``."""
    word = metric_word(metric)
    return _Inside(word.template, word.fields)


def sentence(comparison: Comparison) -> Message:
    """The answer: the headline metric first, then what else changed, then what is still open and what is not to be believed."""
    one = comparison.headline
    if one is None:
        return say("nothing that both sides measured can be compared")
    words = _headline(comparison, one)
    for clause in (*_changed(comparison, one), *_open(comparison, one), *_rejected(comparison)):
        words = say("{one}; {other}", one=words, other=clause)
    return words


def _headline(comparison: Comparison, one: MetricComparison) -> Message:
    facts = {"metric": inside(one.metric), "more": _more(one.more or 0, comparison), "margin": _percent(comparison.margin)}
    if one.ratio is None:
        return say("{metric} cannot be compared", **facts)
    if one.low is None or one.high is None:
        return say("inconclusive: {metric} of B was {ratio} times that of A, once; {more}", ratio=significant(one.ratio, 3), **facts)
    facts |= {"ratio": _times(one.ratio), "low": _times(one.low), "high": _times(one.high), "half": significant((one.high - one.low) / 2, 2)}
    if one.outcome is Outcome.CHANGED and not comparison.confounded:
        return _faster(one, facts["metric"])
    if one.outcome is Outcome.EQUIVALENT:
        return _equal(comparison, one)
    if one.outcome is Outcome.INCONCLUSIVE and not one.low <= 1 <= one.high:
        return say("inconclusive: {metric} of B is {low} to {high} times that of A, but among so many comparisons chance may give that; {more}", **facts)
    return {
        Outcome.CHANGED: say("{metric} of B is {ratio}× ± {half} that of A, and too much else differs to say why", **facts),
        Outcome.TRIVIAL: say("{metric} of B is {ratio} times that of A: a difference, but less than the {margin} % that count", **facts),
        Outcome.INCONCLUSIVE: say("inconclusive: {metric} of B is {low} to {high} times that of A; {more}", **facts),
        Outcome.WITHIN: say("within one launch, {metric} of B was {ratio}× ± {half} that of A, which says nothing of another launch: {more}", **facts),
    }[one.outcome]


def _faster(one: MetricComparison, metric: object) -> Message:
    """A change of a speed or a time, as how many times faster or slower, and as the table has it."""
    assert one.ratio is not None
    assert one.low is not None
    assert one.high is not None
    ratio, low, high = (one.ratio, one.low, one.high) if one.ratio >= 1 else (1 / one.ratio, 1 / one.high, 1 / one.low)
    half = (high - low) / 2
    digits = 2 if half >= 0.01 else 3
    facts = {"times": f"{ratio:.{digits}f}", "half": f"{half:.{digits}f}", "metric": metric, "change": f"{100 * (one.ratio - 1):+.1f}"}
    if one.better:
        return say("B is {times}× ± {half} faster ({metric} {change} %)", **facts)
    return say("B is {times}× ± {half} slower ({metric} {change} %)", **facts)


def _equal(comparison: Comparison, one: MetricComparison) -> Message:
    assert one.low is not None
    assert one.high is not None
    facts = {"margin": _percent(comparison.margin), "metric": inside(one.metric), "low": f"{100 * (one.low - 1):+.2f}", "high": f"{100 * (one.high - 1):+.2f}"}
    if all(row.outcome is Outcome.EQUIVALENT for row in comparison.metrics):
        return say("no difference beyond {margin} % in anything measured ({metric} {low} to {high} %)", **facts)
    return say("no difference beyond {margin} % in {metric} ({low} to {high} %)", **facts)


def _changed(comparison: Comparison, headline: MetricComparison) -> Iterator[Message]:
    """What else got worse, then what got better, the largest first; what went the way of the headline only if it went clearly further."""
    if comparison.confounded:
        return
    rows = [row for row in comparison.metrics if row.outcome is Outcome.CHANGED and row.metric != headline.metric
            and (headline.outcome is not Outcome.CHANGED or row.better is not headline.better or _size(row) > _CLEARLY_MORE * _size(headline))]
    families: dict[tuple[bool, str], list[MetricComparison]] = {}
    for row in sorted(rows, key=_size, reverse=True):
        families.setdefault((row.better is True, row.metric.partition(".")[0]), []).append(row)
    for (better, _), found in sorted(families.items(), key=lambda pair: pair[0][0])[:_MOST_CLAUSES]:
        yield _clause(found[0], [row.case for row in comparison.metrics if row in found and row.metric == found[0].metric], better=better)


def _clause(most: MetricComparison, cases: Sequence[str], *, better: bool) -> Message:
    facts = {"metric": inside(most.metric), "percent": significant(100 * abs((most.ratio or 1.0) - 1), 3),
             "cases": ", ".join(cases[:_MOST_CASES]) + (", …" if len(cases) > _MOST_CASES else "")}
    if len(cases) > 1:
        return say("{metric} up to {percent} % better in {cases}", **facts) if better else say("{metric} up to {percent} % worse in {cases}", **facts)
    return say("{metric} {percent} % better in {cases}", **facts) if better else say("{metric} {percent} % worse in {cases}", **facts)


def _size(row: MetricComparison) -> float:
    return 0.0 if row.ratio is None else abs(math.log(row.ratio))


def _open(comparison: Comparison, headline: MetricComparison) -> Iterator[Message]:
    """Metrics of which nothing can be said yet; if everything is open the headline has said so."""
    if headline.outcome in {Outcome.INCONCLUSIVE, Outcome.WITHIN}:
        return
    rows = [row for row in comparison.metrics if row.outcome is Outcome.INCONCLUSIVE and row.more and row.metric != headline.metric]
    if rows:
        first, *others = (inside(metric) for metric in dict.fromkeys(row.metric for row in rows))
        for other in others:
            first = say("{one}, {other}", one=first, other=other)
        yield say("{metric} inconclusive, {more}", metric=first, more=_more(max(row.more or 0 for row in rows), comparison))


def _rejected(comparison: Comparison) -> Iterator[Message]:
    """The sides that their own audit rejects: no comparison is better than what it compares."""
    for letter, side in (("A", comparison.old), ("B", comparison.new)):
        if side.trust is Trust.REJECTED:
            yield say("but {side} is rejected by its own audit, so believe none of this", side=letter)


def _times(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 10 else significant(ratio, 4)


def _more(more: int, comparison: Comparison) -> Message:
    """What it takes to decide, unless that is more than anybody would do."""
    if more > MOST_MORE:
        return say("the {unit} vary too much for a margin of {margin} %", unit=UNIT_WORDS[_unit(comparison)][1], margin=_percent(comparison.margin))
    return say("{more} more {unit} per side", more=more, unit=UNIT_WORDS[_unit(comparison)][more != 1])


def _unit(comparison: Comparison) -> Unit:
    return comparison.old.unit if comparison.old.unit is comparison.new.unit else Unit.RUN


def _percent(share: float) -> str:
    return significant(100 * share, 3)


# ── A/A ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def same_sentence(comparison: Comparison, floor: NoiseFloor) -> Message:
    """The answer of an A/A comparison, and what it means for the next one."""
    return say("{one}; {other}", one=_same(comparison), other=_floor(floor))


def _same(comparison: Comparison) -> Message:
    changed = [row for row in comparison.metrics if row.outcome in {Outcome.CHANGED, Outcome.TRIVIAL, Outcome.WITHIN}]
    if comparison.metrics and all(row.outcome is Outcome.EQUIVALENT for row in comparison.metrics):
        return say("equivalent: measured twice, the same thing agrees")
    if changed:
        worst = max(changed, key=_size)
        return say("not equivalent: measured twice, {metric} in {case} differs by {change} %", metric=inside(worst.metric), case=worst.case,
                   change=significant(100 * abs((worst.ratio or 1.0) - 1.0), 2))
    more = max((row.more or 0 for row in comparison.metrics), default=0)
    return say("undecided: nothing differs, but not everything was shown to be equal ({more})", more=_more(more, comparison))


def _floor(floor: NoiseFloor) -> Message:
    facts = {"floor": _percent(floor.floor), "margin": _percent(floor.margin)}
    if floor.margin > _TOO_NOISY:
        return say("the noise floor is {floor} %, so no smaller change would be seen here: quieten the host, or measure for longer", **facts)
    return say("the noise floor is {floor} %, so compare with a margin of {margin} %", **facts)
