"""Two sides measured alike → what changed, what did not, and what cannot be said yet. One thing measured again and again → its history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from touchstone.comparison import COUNTED, FACTOR_WORDS, Attribution, Comparison, Difference, Factor, Outcome, foremost
from touchstone.errors import UsageError
from touchstone.finding import GRAVITY, Judgement, Trust
from touchstone.judge.compare.attribution import attribute, notes_of, overrun
from touchstone.judge.compare.conditions import OURS, confounds, engines_differ
from touchstone.judge.compare.margin import Margin, usual, with_floor
from touchstone.judge.compare.measured import Measured
from touchstone.judge.compare.rows import Compared, case_label, compare_metrics
from touchstone.judge.compare.sides import Pairs, Side, differences_of, pairs_of, refuse_same, side_of, unequal_lengths
from touchstone.message import Message, say

_MOST_NAMED = 12
Refusal = Callable[[Sequence[Difference]], "UsageError | None"]


def compare(old: Sequence[Measured], new: Sequence[Measured], margin: Margin, *, allow_differences: bool = False) -> Comparison:
    """Compare two sides, each of one run or several.

    Raises :class:`UsageError` where the work differs, or more than one other thing does, unless ``allow_differences``; then the comparison
    is marked as confounded. Raises it in any case where the two have nothing in common, or are the same measurement.
    """
    return _compare(old, new, margin, None if allow_differences else _no_one_cause)


def compare_same(old: Sequence[Measured], new: Sequence[Measured], *, allow_differences: bool = False) -> Comparison:
    """Compare two measurements of one and the same thing (A/A): no condition may differ unless ``allow_differences``.

    Raises as :func:`compare`.
    """
    return with_floor(_compare(old, new, usual(), None if allow_differences else _not_the_same), old[0], new[0])


def _compare(old: Sequence[Measured], new: Sequence[Measured], margin: Margin, refusal: Refusal | None) -> Comparison:
    sides = side_of(old), side_of(new)
    refuse_same(*sides)
    pairs = pairs_of(*sides, forced=refusal is None)
    found = differences_of(*sides, pairs)
    error = refusal(found) if refusal else None
    if error:
        raise error
    if not pairs:
        raise UsageError("The two sides have no case in common: {old} | {new}.", "Measure the same cases on both.",
                         old=_names(sides[0].case_names), new=_names(sides[1].case_names))
    compared = compare_metrics(*sides, pairs, margin.value, _left_out(*sides, pairs, found))
    attributions = tuple(_attributions(*sides, pairs, compared)) if engines_differ(found) and not confounds(found) else ()
    notes = (*_notes(*sides, pairs, found, compared), *_clocks(*sides, attributions))
    return Comparison(sides[0].finding, sides[1].finding, margin.value, found, confounds(found), compared.rows, compared.headline,
                      (say("margin {margin} %: {source}", margin=f"{100 * margin.value:.3g}", source=margin.source), *notes), attributions=attributions, device=_device(*sides))


def _device(*sides: Side) -> str | None:
    kinds = {run.conditions.value(Factor.MACHINE, "device") for side in sides for run in side.runs}
    return kinds.pop() if len(kinds) == 1 else None


def _no_one_cause(found: Sequence[Difference]) -> UsageError | None:
    if not confounds(found):
        return None
    return UsageError("These are not measurements of the same thing, and nothing could be said of why the numbers differ.",
                      "Measure them alike but for one thing, or say --allow-differences. What differs:{differences}", differences=_listed(found))


def _not_the_same(found: Sequence[Difference]) -> UsageError | None:
    if not any(one.factor in {Factor.WORK, *COUNTED} for one in found):
        return None
    return UsageError("These are not two measurements of the same thing.",
                      "Run the same command twice, or say --allow-differences. What differs:{differences}", differences=_listed(found))


def _listed(found: Sequence[Difference]) -> Message | str:
    """A line for each of what stands in the way, gravest first, and how many more there are."""
    grave = [one for one in found if one.factor in {Factor.WORK, *COUNTED}]
    named = foremost(grave, _MOST_NAMED)
    lines: Message | str = ""
    for one in named:
        lines = say("{before}\n  {factor}: {difference}", before=lines, factor=FACTOR_WORDS[one.factor], difference=one)
    more = len(grave) - len(named)
    return say("{before}\n  … and {count} more", before=lines, count=more) if more else lines


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "") if names else "-"


def _left_out(old: Side, new: Side, pairs: Pairs, found: Sequence[Difference]) -> dict[str, set[str]]:
    """Metrics that would not be of the same work: E2E of answers of other lengths, goodput under other service levels."""
    goodput = {"goodput"} if any(one.name.startswith("slos") for one in found) else set()
    longer = {"e2e", "e2e.p99", "request_throughput"}
    return {mine: goodput | (longer if _answers(old, new, mine, yours) else set()) for mine, yours in pairs}


def _answers(old: Side, new: Side, mine: str, yours: str) -> list[tuple[float, float]]:
    return [(one, other) for name, one, other in unequal_lengths(old, new, mine, yours) if name == "output_tokens"]


# ── where the difference comes from ──────────────────────────────────────────────────────────────────────────────────────


def _attributions(old: Side, new: Side, pairs: Pairs, compared: Compared) -> Iterator[Attribution]:
    shown = {row.case for row in compared.rows if row.metric == "e2e" and row.outcome in {Outcome.CHANGED, Outcome.TRIVIAL}}
    for mine, yours in pairs:
        name = case_label(mine, yours)
        found = attribute(name, old.costs(mine), new.costs(yours), shown=name in shown)
        if found is not None:
            yield found


def _clocks(old: Side, new: Side, attributions: Sequence[Attribution]) -> Iterator[Message]:
    """What the parts of a difference rest on."""
    for letter, side in (("A", old), ("B", new)):
        setup = side.runs[0].setup
        if setup is not None:
            yield from notes_of(letter, setup, attributions)
    for one in attributions:
        yield from overrun(one)


# ── notes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _notes(old: Side, new: Side, pairs: Pairs, found: Sequence[Difference], compared: Compared) -> Iterator[Message]:
    for letter, side in (("A", old), ("B", new)):
        for run in side.runs:
            yield from _trust(letter, run)
    yield from _failures(old, new, pairs)
    for mine, yours in pairs:
        for one, other in _answers(old, new, mine, yours):
            yield say("{case}: answers of {old} and {new} tokens on average, so E2E latency is not compared", case=mine, old=f"{one:.4g}", new=f"{other:.4g}")
    if any(one.name.startswith("slos") for one in found):
        yield say("the service levels differ, so goodput is not compared")
    for letter, side, names in (("A", old, {mine for mine, _ in pairs}), ("B", new, {yours for _, yours in pairs})):
        alone = [name for name in side.case_names if name not in names]
        if alone:
            yield say("only {side} has {cases}", side=letter, cases=_names(alone))
    yield from _replicates(old, new)
    if len(compared.rows) > 1 and any(row.p_adjusted is not None for row in compared.rows):
        yield say("p is adjusted for {count} comparisons (Holm)", count=len(compared.rows) + (compared.headline not in compared.rows))
    yield from _definitions(old, new)


def _trust(letter: str, run: Measured) -> Iterator[Message]:
    """The gravest verdict of a run that is not trusted."""
    if run.trust in {Trust.TRUSTED, None}:
        return
    gravest = min((one for one in run.verdicts if one.status not in {Judgement.PASS, Judgement.CANNOT_TELL}), key=lambda one: GRAVITY.index(one.status))
    where = f" [{gravest.case}]" if gravest.case else ""
    if run.trust is Trust.REJECTED:
        yield say("{side} is rejected{case}: {verdict}", side=letter, case=where, verdict=gravest.message)
    else:
        yield say("{side} is suspect{case}: {verdict}", side=letter, case=where, verdict=gravest.message)


def _failures(old: Side, new: Side, pairs: Pairs) -> Iterator[Message]:
    for mine, yours in pairs:
        shares = [_failed(old, mine), _failed(new, yours)]
        if any(shares):
            yield say("{case}: {old} % of A's requests failed and {new} % of B's; the numbers are of those that ended well", case=mine,
                      old=f"{100 * (shares[0] or 0):.3g}", new=f"{100 * (shares[1] or 0):.3g}")


def _failed(side: Side, name: str) -> float | None:
    cases = [case for run in side.runs for case in run.cases if case.name == name]
    issued = sum(case.issued for case in cases)
    return 1 - sum(case.ok for case in cases) / issued if issued else None


def _replicates(old: Side, new: Side) -> Iterator[Message]:
    """What the intervals do not speak of."""
    kinds = {run.kind for side in (old, new) for run in side.runs}
    if old.replicates == new.replicates == 1:
        yield say("one replicate on each side: intervals are of this one alone, and make no claim about re-runs")
    elif "load" in kinds and min(len(old.runs), len(new.runs)) == 1:
        yield say("repeats of a load meet one start of the server: they make no claim about another start of it")


def _definitions(old: Side, new: Side) -> Iterator[Message]:
    """What other tools mean by the same words."""
    tools = {str(side.conditions.facts.get(key)) for side in (old, new) for key in side.conditions.facts if key[1] == "measured_by"}
    if len(tools) > 1 and tools != {OURS}:
        yield say("the two sides were measured by tools whose definitions differ: {tools}", tools=", ".join(sorted(tools)))
        yield from dict.fromkeys(note for side in (old, new) for run in side.runs for note in run.notes)
