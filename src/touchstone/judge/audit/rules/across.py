"""Rules between rows: the same work twice, a batch against one sequence, raw lines against their summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.claim import Claim
from touchstone.finding import Judgement
from touchstone.judge.audit.rules.readings import OF_THE_SYSTEM
from touchstone.judge.audit.rules.row import ClaimRule, Row, Ruling, work_of
from touchstone.judge.audit.rules.shown import Shown
from touchstone.message import say

SCALING_MARGIN, SERVED_MARGIN = 0.05, 0.15
TWICE_FACTOR = 1.5


def _value(claim: Claim, names: Sequence[str]) -> float | None:
    return next((value for name in names if (value := claim.value(name))), None)


def _batches_do_not_multiply(row: Row) -> Iterator[Ruling]:
    """T(B) <= B·T(1): a step of a batch is no shorter than a step of one sequence, so its latency does not fall. So for streams."""
    batch = row.batch.value if row.batch else None
    if batch is None or batch <= 1:
        return
    single = row.beside.by_work.get(work_of(row.claim, batch=1.0))
    mine, theirs = _value(row.claim, OF_THE_SYSTEM), _value(single, OF_THE_SYSTEM) if single else None
    if mine is None or theirs is None:
        return
    gain = mine / theirs
    margin = SCALING_MARGIN if row.static else SERVED_MARGIN
    yield Ruling(Judgement.PASS if gain <= batch * (1 + margin) else Judgement.SUSPECT, say(
        "batch {batch} gives {gain} times the throughput of one sequence", batch=Shown(batch), gain=Shown(gain, 3)),
        bound=batch, unit="1")


def _twice_the_same(row: Row) -> Iterator[Ruling]:
    """The same work in another table must take about the same time."""
    if not row.beside.elsewhere or row.claim.value("output_tokens") is None or row.claim.value("batch_size") is None:
        return
    for claim in row.beside.elsewhere_by_work.get(work_of(row.claim), ()):
        for name in ("e2e", "ttft", "tpot", "decode_speed", *OF_THE_SYSTEM):
            mine, theirs = row.claim.value(name), claim.value(name)
            if not mine or not theirs or mine <= 0 or theirs <= 0:
                continue
            factor = max(mine / theirs, theirs / mine)
            yield Ruling(Judgement.PASS if factor <= TWICE_FACTOR else Judgement.SUSPECT, say(
                "another table has {theirs} for the same work, where this row has {mine} ({name})", theirs=Shown(theirs), mine=Shown(mine),
                name=name), row.claim.figures[name], theirs)
            break


def _summary_of_raw_lines(row: Row) -> Iterator[Ruling]:
    """A mean lies between the smallest and the largest of the raw values that stand beside it."""
    spread = [name for name in row.claim.figures if name.endswith((".var", ".range", ".std"))]
    output = row.claim.value("output_tokens")
    if not spread or output is None:
        return
    times = row.beside.raw_times.get(output, ())
    mean = row.claim.figures.get("e2e")
    if len(times) < 2 or mean is None:
        return
    inside = min(times) <= mean.high and mean.low <= max(times)
    yield Ruling(Judgement.PASS if inside else Judgement.INCONSISTENT, say(
        "the summary's mean is {mean} s; the {count} raw lines run from {low} to {high} s", mean=Shown(mean.value), count=len(times),
        low=Shown(min(times)), high=Shown(max(times))), mean, max(times), "s")


def _digits(row: Row) -> Iterator[Ruling]:
    """Measured values have no common divisor; those that were multiplied out of one number do."""
    for name in OF_THE_SYSTEM:
        constant = row.beside.constants.get(name)
        if constant is not None and name in row.claim.figures:
            yield Ruling(Judgement.SUSPECT, say("every {name} of the table is a multiple of {constant}: were they computed from one number?",
                                                name=name, constant=Shown(constant)), row.claim.figures[name], constant, "tokens/s")


ACROSS = (
    ClaimRule("AL8", Judgement.INCONSISTENT, "min(raw) <= mean <= max(raw)", 0.0, "", _summary_of_raw_lines, (".",)),
    ClaimRule("PH3", Judgement.SUSPECT, "T(B) <= B * T(1)", SCALING_MARGIN, "a poor kernel for one sequence; under load margin 15 %", _batches_do_not_multiply),
    ClaimRule("DG1", Judgement.SUSPECT, "measured values have no common divisor beyond their rounding", 0.0, "values rounded to 1, 2, 2.5 or 5 of any power",
              _digits),
    ClaimRule("XR1", Judgement.SUSPECT, "same work, same time within a factor", TWICE_FACTOR - 1, "", _twice_the_same),
)
