"""Deployment advice: sentences that follow from cases that stand, each naming its evidence; silence, with the reason, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.finding import Advice, CaseFinding, Trust
from touchstone.judge.series import batch_series
from touchstone.message import Message, say
from touchstone.units import gigabytes, significant

NEARLY = 0.95
"""Throughput that is this share of the best is as good, where the two cannot be told apart."""
INTERACTIVE_TTFT_S = 0.5
INTERACTIVE_TPOT_S = 0.05
"""Limits of an interactive service when none are given: first token within 500 ms, then 20 tokens/s (50 ms each)."""


def advise(cases: Sequence[CaseFinding]) -> tuple[tuple[Advice, ...], tuple[Message, ...]]:
    """Advice, and the questions on which the evidence is silent, with reasons."""
    standing = [case for case in cases if case.ok and case.speed and case.trust is not Trust.REJECTED]
    advice: list[Advice] = []
    silent: list[Message] = []
    series = [group for group in batch_series(standing) if len(group) > 1]
    if series:
        for group in series:
            found = _best_batch(group)
            if isinstance(found, Advice):
                advice.append(found)
            else:
                silent.append(found)
    else:
        silent.append(say("which batch size to use: no shape was measured soundly at two batch sizes"))
    advice += _memory(standing)
    advice += [_interactive(group) for group in series or batch_series(standing)]
    if not standing:
        silent.append(say("memory and latency: no case of fixed length passed the audit"))
    return tuple(advice), tuple(silent)


def _best_batch(series: Sequence[CaseFinding]) -> Advice | Message:
    """The smallest batch whose throughput is the best one's, or why that cannot be told: a wide interval makes no batch as good as another."""
    best = max(series, key=lambda case: case.metrics["output_throughput"].value or 0.0)
    floor = best.metrics["output_throughput"].low or best.metrics["output_throughput"].value or 0.0
    tied = [case for case in series if (case.metrics["output_throughput"].high or 0.0) >= floor]
    least = NEARLY * (best.metrics["output_throughput"].value or 0.0)
    chosen = next((case for case in tied if (case.metrics["output_throughput"].value or 0.0) >= least), best)
    if tied and tied[0] is not chosen:
        return say("which batch size to use: the throughputs of batch {smaller} and batch {larger} are known too widely to tell them apart",
                   smaller=tied[0].batch_size, larger=best.batch_size)
    single = series[0]
    gain = (chosen.metrics["output_throughput"].value or 0.0) / (single.metrics["output_throughput"].value or 1.0)
    text = say(
        "for {tokens} input and {output} output tokens use batch {batch}: {throughput} tokens/s, {gain} times batch {single}; "
        "each request then decodes at {speed} tokens/s and waits {ttft} ms for its first token{limit}",
        tokens=significant(chosen.input_tokens or 0), output=significant(chosen.output_tokens or 0), batch=chosen.batch_size,
        throughput=significant(chosen.metrics["output_throughput"].value or 0.0), gain=significant(gain, 3),
        single=single.batch_size, speed=significant(chosen.metrics["decode_speed"].value or 0.0),
        ttft=significant(1e3 * (chosen.metrics["ttft"].value or 0.0)),
        limit=say(" (the largest batch tried; a larger one may do better)") if chosen is series[-1] else say(""))
    return Advice(say("offline and batch work"), text, ", ".join(case.name for case in series))


def _memory(cases: Sequence[CaseFinding]) -> Iterator[Advice]:
    peaks = [(case.metrics["peak_memory"].value, case) for case in cases if case.metrics["peak_memory"].value is not None]
    if peaks:
        value, case = max(peaks, key=lambda pair: pair[0] or 0.0)
        yield Advice(say("memory"), say("plan at least {peak}: the highest peak measured, in {case}; longer contexts and larger "
                                        "batches were not measured", peak=gigabytes(value or 0.0), case=case.name),
                     case.name)


def _interactive(series: Sequence[CaseFinding]) -> Advice:
    """Where the upper ends of TTFT and TPOT stop being inside the interactive limits."""
    inside = [case for case in series if _is_interactive(case)]
    first = series[0]
    shape = {"tokens": significant(first.input_tokens or 0), "output": significant(first.output_tokens or 0),
             "ttft": round(1e3 * INTERACTIVE_TTFT_S), "tpot": round(1e3 * INTERACTIVE_TPOT_S)}
    evidence = ", ".join(case.name for case in series)
    if not inside:
        text = say("for {tokens} input and {output} output tokens no batch tried keeps TTFT <= {ttft} ms and TPOT <= {tpot} ms", **shape)
    elif inside[-1] is series[-1]:
        text = say("for {tokens} input and {output} output tokens TTFT stays <= {ttft} ms and TPOT <= {tpot} ms up to batch {batch}, "
                   "the largest tried", batch=inside[-1].batch_size, **shape)
    else:
        after = series[series.index(inside[-1]) + 1]
        text = say("for {tokens} input and {output} output tokens TTFT <= {ttft} ms and TPOT <= {tpot} ms hold up to batch {batch} "
                   "and no longer at batch {after}", batch=inside[-1].batch_size, after=after.batch_size, **shape)
    return Advice(say("interactive work"), text, evidence)


def _is_interactive(case: CaseFinding) -> bool:
    ttft, tpot = case.metrics["ttft"], case.metrics["tpot"]
    ends = (ttft.high if ttft.high is not None else ttft.value, tpot.high if tpot.high is not None else tpot.value)
    return ends[0] is not None and ends[1] is not None and ends[0] <= INTERACTIVE_TTFT_S and ends[1] <= INTERACTIVE_TPOT_S
