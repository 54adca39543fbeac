"""What a latency is of that does not say: of a whole request, or of one token. A throughput beside it decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from touchstone.judge.claims.columns import Column, Remarks, quoted
from touchstone.judge.claims.heading_words import WHOLE
from touchstone.judge.claims.headings import Meaning
from touchstone.message import say

_RATES = ("throughput", "output_throughput", "total_throughput", "user_throughput")
_NEAR, _LEAST_SHARE = 1.05, 0.5
"""What a throughput is of tokens / time at most and, with first tokens and idle streams in it, at least."""
_SHORT_S, _LONG_TOKENS = 0.3, 16
"""A latency that may well be of one token, beside an answer of more tokens than a device makes in that time."""


def settled(columns: Sequence[Column], remarks: Remarks) -> tuple[Column, ...]:
    """``columns`` with a bare latency read as of a request, as of a token, or, where nothing decides and both may be, not at all."""
    return tuple(_settled(column, columns, remarks) if column.meaning and column.meaning.rule.assumption is WHOLE else column for column in columns)


def _settled(column: Column, columns: Sequence[Column], remarks: Remarks) -> Column:
    assert column.meaning is not None
    has_step = any(other.meaning and other.meaning.figure == "tpot" for other in columns)
    whole, token, doubtful, rows = 0, 0, 0, 0
    for latency, size, output, rates, step in _rows(column, columns):
        rows += 1
        whole += step is not None and latency > _LEAST_SHARE * step * output
        whole += any(_LEAST_SHARE < rate * latency / (each * output) < _NEAR for rate in rates for each in (size, 1.0))
        token += any(_LEAST_SHARE < rate * latency / each < _NEAR for rate in rates for each in (size, 1.0))
        doubtful += latency < _SHORT_S and output >= _LONG_TOKENS
    heading = quoted(column.heading)
    if not whole and token * 2 > rows and not has_step:
        remarks.assumptions.pop(say("{heading}: {what}", heading=heading, what=WHOLE), None)
        remarks.assume(say("{heading}: its times and the throughputs agree where it is of one token, so it is read as TPOT.", heading=heading))
        rule = replace(column.meaning.rule, figure="tpot", assumption=None)
        return replace(column, meaning=Meaning("tpot", column.meaning.unit, rule))
    if rows and not whole and doubtful == rows:
        remarks.assumptions.pop(say("{heading}: {what}", heading=heading, what=WHOLE), None)
        remarks.leave_out(say("{heading} may be of a request or of one token, and nothing decides; it is left out.", heading=heading))
        return replace(column, meaning=None, figures=())
    return column


def _rows(column: Column, columns: Sequence[Column]) -> Iterator[tuple[float, float, float, list[float], float | None]]:
    """Latency, sequences at once, output tokens, throughputs and TPOT of each row that has the first and the third."""
    by_name = {other.meaning.figure: other.figures for other in columns if other.meaning}
    sizes = by_name.get("batch_size") or by_name.get("concurrency")
    for at, latency in enumerate(column.figures):
        output = by_name["output_tokens"][at] if "output_tokens" in by_name else None
        if latency is None or output is None or not latency.value or not output.value:
            continue
        size = sizes[at] if sizes else None
        rates = [rate.value for name in _RATES if name in by_name and (rate := by_name[name][at])]
        step = by_name["tpot"][at] if "tpot" in by_name else None
        yield latency.value, size.value if size and size.value else 1.0, output.value, rates, step.value if step else None
