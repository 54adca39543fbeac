"""One sentence per metric on what the cases show together; nothing where they show nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.finding import CaseFinding
from touchstone.message import Message, say
from touchstone.units import gigabytes, significant


def analyse(cases: Sequence[CaseFinding]) -> tuple[tuple[str, Message], ...]:
    """``(metric, sentence)`` pairs from the speed cases that succeeded."""
    speed = [case for case in cases if case.ok and case.speed]
    return tuple(pair for part in (_first_token, _decoding, _batching, _memory, _energy) for pair in part(speed))


def _first_token(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    single = sorted((case for case in cases if case.batch_size == 1 and case.metrics["ttft"].value), key=lambda case: case.input_tokens or 0)
    if len(single) > 1 and (single[-1].input_tokens or 0) > (single[0].input_tokens or 0):
        short, long = single[0], single[-1]
        ratio = (long.metrics["ttft"].value or 0.0) / (short.metrics["ttft"].value or 1.0)
        yield "ttft", say("{short} ms for {few} input tokens and {long} ms for {many}: {ratio} times the time for {length} times the prompt",
                          short=significant(1e3 * (short.metrics["ttft"].value or 0)), few=significant(short.input_tokens or 0),
                          long=significant(1e3 * (long.metrics["ttft"].value or 0)), many=significant(long.input_tokens or 0),
                          ratio=significant(ratio, 3), length=significant((long.input_tokens or 0) / (short.input_tokens or 1), 3))


def _decoding(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    single = [case for case in cases if case.batch_size == 1 and case.metrics["decode_speed"].value]
    if len(single) == 1:
        yield "decode_speed", say("one request decodes at {speed} tokens/s", speed=significant(single[0].metrics["decode_speed"].value or 0))
    elif single:
        slow = min(single, key=lambda case: case.metrics["decode_speed"].value or 0.0)
        fast = max(single, key=lambda case: case.metrics["decode_speed"].value or 0.0)
        yield "decode_speed", say("one request decodes at {slow} ({slow_case}) to {fast} ({fast_case}) tokens/s",
                                  slow=significant(slow.metrics["decode_speed"].value or 0), slow_case=slow.name,
                                  fast=significant(fast.metrics["decode_speed"].value or 0), fast_case=fast.name)


def _batching(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    for large in cases:
        single = next((case for case in cases if case.batch_size == 1 and case.output_tokens == large.output_tokens
                       and case.input_tokens == large.input_tokens), None)
        if single is None or large.batch_size == 1:
            continue
        gain = (large.metrics["output_throughput"].value or 0.0) / (single.metrics["output_throughput"].value or 1.0)
        kept = (large.metrics["decode_speed"].value or 0.0) / (single.metrics["decode_speed"].value or 1.0)
        yield "output_throughput", say("batch {batch} ({case}) gives {gain} times the throughput of one request, each at {kept} % of its speed",
                                       batch=large.batch_size, case=large.name, gain=significant(gain, 3), kept=significant(100 * kept, 3))


def _memory(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    peaks = [(case.metrics["peak_memory"].value or 0.0, case) for case in cases if case.metrics["peak_memory"].value]
    if peaks:
        low, high = min(peaks, key=lambda pair: pair[0]), max(peaks, key=lambda pair: pair[0])
        if gigabytes(low[0]) == gigabytes(high[0]):
            yield "peak_memory", say("{peak} in every case", peak=gigabytes(high[0]))
            return
        yield "peak_memory", say("peaks from {low} ({low_case}) to {high} ({high_case})", low=gigabytes(low[0]), low_case=low[1].name,
                                 high=gigabytes(high[0]), high_case=high[1].name)


def _energy(cases: Sequence[CaseFinding]) -> Iterator[tuple[str, Message]]:
    known = [(value, case) for case in cases if "energy_per_token" in case.metrics and (value := case.metrics["energy_per_token"].value)]
    if len(known) == 1:
        value, case = known[0]
        yield "energy_per_token", say("{energy} J/token at {power} W", energy=significant(value, 3),
                                      power=significant(case.metrics["power"].value or 0.0, 3))
    elif known:
        low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
        yield "energy_per_token", say("{low} J/token ({low_case}) to {high} J/token ({high_case})", low=significant(low[0], 3),
                                      low_case=low[1].name, high=significant(high[0], 3), high_case=high[1].name)
