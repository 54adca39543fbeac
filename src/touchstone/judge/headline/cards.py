"""The numbers that are read first, each with its case, its proof and its share of what physics allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.finding import Card, CaseFinding, Findings, Trust
from touchstone.judge.headline.chosen import batches_of_best, best_load, highest, measured, reference, standing, trust_of, value
from touchstone.judge.limits.shares import Limits, Share
from touchstone.message import Message, say
from touchstone.record import Run
from touchstone.units import significant

_OF_ONE = ("ttft", "tpot", "decode_speed")
_OF_A_LOAD = (*_OF_ONE, "output_throughput", "goodput")


def cards_of_run(run: Run, findings: Findings) -> Iterator[Card]:
    """The cards of an engine run: latency of the reference case, the best throughput, the best batch, the highest memory."""
    cases, limits = measured(findings.cases), Limits(run)
    single = reference(cases)
    for metric in _OF_ONE if single else ():
        assert single is not None
        yield from _card(findings, single, metric, limits.prefill_share(single) if metric == "ttft" else limits.decode_share(single))
    most = highest(cases, "output_throughput")
    if most:
        yield from _card(findings, most, "output_throughput", limits.throughput_share(most))
    yield from _best_batch(findings, cases, limits)
    yield from _memory(findings, limits)


def _card(findings: Findings, case: CaseFinding, metric: str, share: Share, name: str | None = None) -> Iterator[Card]:
    estimate = case.metrics[metric]
    if estimate.value is not None:
        yield Card(name or metric, case.name, estimate, trust_of(findings, case), share.limit, share.value, share.note)


def _best_batch(findings: Findings, cases: Sequence[CaseFinding], limits: Limits) -> Iterator[Card]:
    batches = batches_of_best(cases)
    if not batches:
        return
    best = batches[0]
    share = limits.throughput_share(best)
    yield from _card(findings, best, "output_throughput", Share(share.value, share.limit, _batch_note(batches)), "best_batch")


def _batch_note(batches: Sequence[CaseFinding]) -> Message:
    """The batch, of those tried, and those that may be as good as far as their intervals tell."""
    best, floor = batches[0], batches[0].metrics["output_throughput"].low or 0.0
    rivals = [case.batch_size for case in batches[1:] if (case.metrics["output_throughput"].high or case.metrics["output_throughput"].value or 0.0) >= floor]
    tried = ", ".join(str(size) for size in sorted({case.batch_size for case in batches}))
    if rivals:
        return say("batch {batch} of {tried}; not told apart from batch {rivals}", batch=best.batch_size, tried=tried,
                   rivals=", ".join(map(str, sorted(set(rivals)))))
    return say("batch {batch} of {tried}; each request then decodes at {speed} tokens/s", batch=best.batch_size, tried=tried,
               speed=significant(best.metrics["decode_speed"].value or 0.0, 3))


def _memory(findings: Findings, limits: Limits) -> Iterator[Card]:
    """The highest peak of any case that stands: what has to be there."""
    for metric in ("device_memory", "peak_memory"):
        cases = [case for case in standing(findings.cases) if value(case, metric)]
        if cases:
            case = max(cases, key=lambda case: (value(case, metric), case.trust is Trust.TRUSTED))
            yield from _card(findings, case, metric, limits.memory_share(case.metrics[metric]))
            return


def cards_of_load(findings: Findings) -> Iterator[Card]:
    """The cards of a server under load, all of the one load that is worth knowing."""
    case = best_load(findings.cases)
    unknown = Share(None, say("the server does not say what it runs on"))
    for metric in _OF_A_LOAD if case else ():
        assert case is not None
        yield from _card(findings, case, metric, unknown)
