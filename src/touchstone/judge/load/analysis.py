"""One sentence per metric on what the cases of a load run show together; nothing where they show nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.finding import CaseFinding
from touchstone.message import Message, say
from touchstone.units import significant

_STALL = 5.0
_RISE = 1.1


def analyse_load(cases: Sequence[CaseFinding]) -> tuple[tuple[str, Message], ...]:
    """``(metric, sentence)`` pairs from the cases of which any request ended well, in the order they were offered."""
    served = [case for case in cases if case.ok]
    return tuple(pair for part in (_first_token, _stalls, _throughput, _goodput) for pair in part(served))


def _first_token(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    known = [(value, case) for case in cases if (value := case.metrics["ttft"].value)]
    if len(known) > 1:
        low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
        if high[0] < _RISE * low[0]:
            return
        yield "ttft", say("from {low} ms ({low_case}) to {high} ms ({high_case}) on average, {ratio} times as long", low=significant(1e3 * low[0]),
                          low_case=low[1].name, high=significant(1e3 * high[0]), high_case=high[1].name, ratio=significant(high[0] / low[0], 3))


def _stalls(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    """The longest gap, where it is many times the usual one: what the user of a stream feels."""
    stalled = [(longest, median, case) for case in cases if (longest := case.metrics["itl"].quantiles.get("max"))
               and (median := case.metrics["itl"].quantiles.get("p50")) and longest > _STALL * median]
    if stalled:
        longest, median, case = max(stalled, key=lambda one: one[0] / one[1])
        yield "itl", say("the longest gap is {longest} ms ({case}), {ratio} times the median", longest=significant(1e3 * longest),
                         case=case.name, ratio=significant(longest / median, 3))


def _throughput(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    known = [(value, case) for case in cases if (value := case.metrics["output_throughput"].value)]
    if len(known) > 1:
        best, first = max(known, key=lambda pair: pair[0]), known[0]
        yield "output_throughput", say("highest at {case}: {rate} tokens/s, {gain} times that of {first}", case=best[1].name,
                                       rate=significant(best[0]), gain=significant(best[0] / first[0], 3), first=first[1].name)


def _goodput(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    known = [(value, case) for case in cases if (value := case.metrics["goodput"].value) is not None]
    if len(known) > 1:
        best = max(known, key=lambda pair: pair[0])
        yield "goodput", say("highest at {case}: {rate} requests/s inside every service level", case=best[1].name, rate=significant(best[0]))
