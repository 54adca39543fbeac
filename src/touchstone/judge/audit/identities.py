"""Rules of algebra: numbers of one run that must agree, whatever the hardware."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from touchstone.finding import Judgement, Verdict
from touchstone.judge import metrics
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.judge.columns import carried_tokens, events_of, requests_of
from touchstone.message import say
from touchstone.record import Record, Status
from touchstone.units import significant

_ROUNDING_S = 1e-6


def _token_counts(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    for case in evidence.cases:
        records = [record for trial in evidence.run.measured(case.name) for record in trial.records
                   if record.status in {Status.OK, Status.TRUNCATED}]
        if not records:
            continue
        wrong = [record for record in records if _miscounted(record, case.speed)]
        if wrong:
            first = wrong[0]
            yield Verdict(rule, Judgement.INCONSISTENT, say(
                "{count} of {total} requests are miscounted; the first asked for {asked} tokens, the engine counted {engine}, the events carried {events}",
                count=len(wrong), total=len(records), asked=first.asked_output_tokens, engine=first.output_tokens,
                events=carried_tokens(first)), case.name)
        else:
            yield Verdict(rule, Judgement.PASS, say("every request's tokens agree by engine and by event"), case.name)


def _miscounted(record: Record, speed: bool) -> bool:
    counted = carried_tokens(record) != record.output_tokens
    return counted or (speed and record.output_tokens != record.asked_output_tokens)


def _input_counts(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    for case in evidence.cases:
        records = [record for trial in evidence.good(case.name) for record in trial.records if record.status is Status.OK]
        wrong = [record for record in records if record.input_tokens != record.input_tokens_built]
        cached = max((record.cached_tokens or 0 for record in records), default=0)
        if wrong:
            yield Verdict(rule, Judgement.INCONSISTENT, say(
                "built a prompt of {built} tokens, the engine processed {engine}", built=wrong[0].input_tokens_built,
                engine=wrong[0].input_tokens), case.name)
        elif cached:
            yield Verdict(rule, Judgement.SUSPECT, say("up to {cached} prompt tokens came from a cache", cached=cached), case.name)
        elif records:
            yield Verdict(rule, Judgement.PASS, say("prompt lengths are as built, none from a cache"), case.name)


def _times_add_up(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """e2e = ttft + (n - n1) * tpot = ttft + sum of gaps, on every record."""
    for case in evidence.cases:
        records = [record for trial in evidence.good(case.name) for record in trial.records if record.event_ns]
        worst = _largest_residue(records)
        if worst is None:
            continue
        if worst <= _ROUNDING_S:
            yield Verdict(rule, Judgement.PASS, say("TTFT + later tokens x TPOT gives back E2E on every request"), case.name)
        else:
            yield Verdict(rule, Judgement.INCONSISTENT, say("TTFT + later tokens x TPOT misses E2E by up to {worst} ms",
                                                            worst=significant(worst * 1e3, 3)), case.name, observed=worst, unit="s")


def _largest_residue(records: Sequence[Record]) -> float | None:
    """By how much the worst record misses, in seconds; None without a record of several events."""
    requests, events = requests_of(records), events_of(records)
    decoding = metrics.e2e(requests) - metrics.ttft(requests)
    by_rate = decoding - metrics.later_tokens(requests) * metrics.tpot(requests)
    if not by_rate.count():
        return None
    gaps = np.add.reduceat(metrics.itl(events).filled(0.0), metrics.answer_starts(events))
    by_gaps = np.ma.array(decoding - gaps, mask=by_rate.mask)
    return float(max(abs(by_rate).max(), abs(by_gaps).max()))


IDENTITIES = (
    Rule("output-tokens", "asked = counted by the engine = carried by events", _token_counts),
    Rule("input-tokens", "built = processed, none cached", _input_counts),
    Rule("times-add-up", "e2e = ttft + (n - n1) * tpot = ttft + sum of gaps", _times_add_up),
)
