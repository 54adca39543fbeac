"""Rules of algebra: figures of one row that must agree, whatever the hardware.

A batch that starts and ends together makes them equations. Under load they are inequalities between means of requests that differ, so
there they only raise suspicion, and from a wide margin on.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator

from touchstone.claim import Figure
from touchstone.finding import Judgement
from touchstone.judge.audit.rules.boxes import exact, meets, span
from touchstone.judge.audit.rules.readings import MARGIN, TEMPLATE_TOKENS, rate
from touchstone.judge.audit.rules.row import ClaimRule, Row, Ruling
from touchstone.judge.audit.rules.shown import Shown
from touchstone.message import Message, say

SERVED_MARGIN = 0.10
_SERVED_SUM_MARGIN = 0.25
_RATES = ("output_throughput", "total_throughput", "user_throughput")


def percent(observed: Figure, expected: Figure) -> str:
    """By how much a printed value differs from what it should be, in percent with a sign."""
    return f"{100 * (observed.value / expected.value - 1):+.1f}"


def _equation(observed: Figure, candidates: list[Figure], message: Message, unit: str, margin: float = MARGIN) -> Ruling:
    fits = any(meets(observed, candidate, margin) for candidate in candidates)
    return Ruling(Judgement.PASS if fits else Judgement.INCONSISTENT, message, observed, candidates[0].value, unit)


def _ceiling(observed: Figure, ceiling: Figure, message: Message, unit: str, terms: tuple[float, Judgement]) -> Ruling:
    margin, over = terms
    status = Judgement.PASS if observed.low <= ceiling.high * (1 + margin) else over
    return Ruling(status, message, observed, ceiling.value, unit)


def _served_margin(row: Row) -> tuple[float, Judgement]:
    """By how much means of a load may miss, and what follows beyond."""
    return SERVED_MARGIN + row.vagueness, Judgement.SUSPECT


def _tokens_of(row: Row, name: str) -> float | None:
    """Tokens of the whole batch or of all streams together that throughput ``name`` counts."""
    output, prompt, batch = row.count("output_tokens"), row.count("input_tokens"), row.batch
    if output is None or batch is None or (name == "total_throughput" and prompt is None):
        return None
    each = output.value + (prompt.value if prompt and name == "total_throughput" else 0.0)
    return each if name == "user_throughput" else batch.value * each


def _throughput_composed(row: Row) -> Iterator[Ruling]:
    times = row.composed
    for name in _RATES:
        tokens, found = _tokens_of(row, name), row.find(name)
        if not times or tokens is None or found is None:
            continue
        expected = [rate(tokens, time) for time in times]
        message = say("TTFT and decode speed give {expected} tokens/s; {printed} differs by {gap} %", expected=Shown(expected[0].value),
                      printed=Shown(found[0].value), gap=percent(found[0], expected[0]))
        yield _equation(found[0], expected, message, "tokens/s", MARGIN + row.vagueness) if row.static else \
            _ceiling(found[0], max(expected, key=lambda one: one.high), message, "tokens/s", _served_margin(row))


def _throughput_ceiling(row: Row) -> Iterator[Ruling]:
    found, batch, output = row.find("output_throughput"), row.batch, row.count("output_tokens")
    speed = row.find("decode_speed")
    if speed is None and (tpot := row.find("tpot")):
        speed = [span(lambda step: 1 / step, tpot[0])]
    if found is None or batch is None or output is None or speed is None or output.value <= 1:
        return
    ceiling = span(lambda one, size, n: size * one * n / (n - 1), speed[0], batch, output)
    first = batch.value * output.value / found[0].value - (output.value - 1) / speed[0].value
    yield _ceiling(found[0], ceiling, say(
        "{batch} sequences at {speed} tokens/s each cannot give more than {ceiling} tokens/s; {printed} would need a TTFT of {first} ms",
        batch=Shown(batch.value), speed=Shown(speed[0].value), ceiling=Shown(ceiling.value),
        printed=Shown(found[0].value), first=f"{1e3 * first:.0f}"), "tokens/s",
        (MARGIN / 2 + row.vagueness, Judgement.INCONSISTENT) if row.static else _served_margin(row))


def _throughput_by_latency(row: Row) -> Iterator[Ruling]:
    latency = row.find("e2e")
    for name in _RATES:
        tokens, found = _tokens_of(row, name), row.find(name)
        if latency is None or tokens is None or found is None:
            continue
        expected = rate(tokens, latency[0])
        message = say("{tokens} tokens in {latency} s are {expected} tokens/s; {printed} differs by {gap} %", tokens=Shown(tokens),
                      latency=Shown(latency[0].value), expected=Shown(expected.value), printed=Shown(found[0].value),
                      gap=percent(found[0], expected))
        yield _equation(found[0], [expected], message, "tokens/s", MARGIN + row.vagueness) if row.static else \
            _ceiling(found[0], expected, message, "tokens/s", _served_margin(row))


def _throughput_by_requests(row: Row) -> Iterator[Ruling]:
    """tokens/s = requests/s · tokens of a request.

    An output length may be a limit, so less than it is not against the algebra; nor is an input longer by a chat template.
    """
    requests, prompt, output = row.find("request_throughput"), row.count("input_tokens"), row.count("output_tokens")
    if requests is None:
        return
    least_most = {
        "output_throughput": (exact(0.0), output), "prompt_throughput": (prompt, prompt),
        "total_throughput": (prompt, span(operator.add, prompt, output) if prompt and output else None),
    }
    for name, (least, most) in least_most.items():
        found = row.find(name)
        if found is None or least is None or most is None:
            continue
        low, high = (span(lambda one, each: one * each, requests[0], bound) for bound in (least, most))
        message = say("{requests} requests/s of {tokens} tokens each are {expected} tokens/s; {printed} differs by {gap} %",
                      requests=Shown(requests[0].value), tokens=Shown(most.value), expected=Shown(high.value),
                      printed=Shown(found[0].value), gap=percent(found[0], high))
        template = 0.0 if name == "output_throughput" else requests[0].high * TEMPLATE_TOKENS
        outside = found[0].low > (high.high + template) * (1 + MARGIN) or found[0].high < low.low * (1 - MARGIN)
        off = not outside and not meets(found[0], high, MARGIN)
        yield Ruling(Judgement.INCONSISTENT if outside else Judgement.SUSPECT if off else Judgement.PASS, message, found[0], high.value, "tokens/s")


def _implied_tokens(row: Row) -> Iterator[Ruling]:
    """One request's time · speed are its tokens: were there as many as declared?"""
    latency, declared = row.find("e2e"), row.count("output_tokens")
    speed = row.find("user_throughput") or row.find("output_throughput")
    if latency is None or declared is None or speed is None or row.batch is not None:
        return
    implied = span(lambda time, one: time * one, latency[0], speed[0])
    if row.find("user_throughput") is None and not _of_one_stream(row, implied, declared):
        return
    yield _equation(implied, [declared], say(
        "{latency} s at {speed} tokens/s are {implied} tokens; {declared} are declared (a limit is not a length)",
        latency=Shown(latency[0].value), speed=Shown(speed[0].value), implied=Shown(implied.value),
        declared=Shown(declared.value)), "tokens", margin=2 * MARGIN)


def _of_one_stream(row: Row, implied: Figure, declared: Figure) -> bool:
    """Whether a system's throughput may be held to one request: on a server, and from two requests in flight on, it is of several."""
    return row.static and implied.low < 2 * declared.value * (1 - MARGIN)


def _times_add_up(row: Row) -> Iterator[Ruling]:
    latency, times = row.find("e2e"), row.composed
    if latency is None or not times:
        return
    message = say("TTFT and decoding add up to {expected} s; the latency printed is {printed} s ({gap} %)", expected=Shown(times[0].value),
                  printed=Shown(latency[0].value), gap=percent(latency[0], times[0]))
    if row.static:
        yield _equation(latency[0], times, message, "s", MARGIN + row.vagueness)
    else:
        status = Judgement.PASS if any(meets(latency[0], time, _SERVED_SUM_MARGIN) for time in times) else Judgement.SUSPECT
        yield Ruling(status, message, latency[0], times[0].value, "s")


def _reciprocal(row: Row) -> Iterator[Ruling]:
    """A decode speed is 1 / TPOT of one sequence, or of the batch."""
    found = row.find("tpot", "decode_speed")
    if found is None:
        return
    tpot, speed = found
    candidates = [span(lambda step: 1 / step, tpot), *([span(lambda step, size: size / step, tpot, row.batch)] if row.batch else [])]
    message = say("a TPOT of {tpot} ms is {expected} tokens/s; {printed} differs by {gap} %", tpot=Shown(1e3 * tpot.value),
                  expected=Shown(candidates[0].value), printed=Shown(speed.value), gap=percent(speed, candidates[0]))
    margin = 2 * MARGIN if row.static else SERVED_MARGIN
    status = Judgement.PASS if any(meets(speed, one, margin) for one in candidates) else \
        Judgement.INCONSISTENT if row.static else Judgement.SUSPECT
    yield Ruling(status, message, speed, candidates[0].value, "tokens/s")


def _little(row: Row) -> Iterator[Ruling]:
    """Requests in flight = rate · latency (Little's law); no more can be in flight than are allowed to be."""
    found, limit = row.find("request_throughput", "e2e"), row.count("concurrency")
    if found is None or limit is None:
        return
    flying = span(lambda one, time: one * time, *found)
    status = Judgement.PASS if flying.low <= limit.value * (1 + 2 * MARGIN) else Judgement.INCONSISTENT
    yield Ruling(status, say("{requests} requests/s of {latency} s each are {flying} in flight, and {limit} are allowed",
                             requests=Shown(found[0].value), latency=Shown(found[1].value), flying=Shown(flying.value),
                             limit=Shown(limit.value)), flying, limit.value, "requests")


def _requests_by_duration(row: Row) -> Iterator[Ruling]:
    found, requests = row.find("request_throughput", "duration"), row.count("requests")
    if found is None or requests is None:
        return
    expected = span(lambda one, time: one * time, *found)
    yield _equation(requests, [expected], say("{rate} requests/s over {duration} s are {expected} requests; {printed} are printed",
                                              rate=Shown(found[0].value), duration=Shown(found[1].value),
                                              expected=Shown(expected.value), printed=Shown(requests.value)), "requests")


ALGEBRA = (
    ClaimRule("AL1", Judgement.INCONSISTENT, "T = B*G / (TTFT + (G-1)/v)", MARGIN,
              "under load only an upper bound, margin 10 %, suspect", _throughput_composed, ("ttft", "output_tokens")),
    ClaimRule("AL2", Judgement.INCONSISTENT, "T <= B*v*G/(G-1)", MARGIN / 2, "under load margin 10 %, suspect", _throughput_ceiling, ("output_tokens",)),
    ClaimRule("AL3", Judgement.INCONSISTENT, "T * latency = B*G", MARGIN, "under load only an upper bound, margin 10 %, suspect",
              _throughput_by_latency, ("e2e", "output_tokens")),
    ClaimRule("AL4", Judgement.INCONSISTENT, "tokens/s = requests/s * tokens per request, of input, output and total", MARGIN,
              "an output length that is a limit, a chat template that is not counted: then suspect", _throughput_by_requests, ("request_throughput",)),
    ClaimRule("AL5", Judgement.INCONSISTENT, "G = mean time * mean speed of one request", 2 * MARGIN, "answers that ended early", _implied_tokens, ("e2e", "output_tokens")),
    ClaimRule("AL9", Judgement.INCONSISTENT, "E2E = TTFT + (G-1) * TPOT", MARGIN, "under load margin 25 %, suspect", _times_add_up, ("e2e", "ttft")),
    ClaimRule("AL10", Judgement.INCONSISTENT, "v = 1 / TPOT", 2 * MARGIN, "under load margin 10 %, suspect", _reciprocal, ("tpot", "decode_speed")),
    ClaimRule("AL11", Judgement.INCONSISTENT, "requests/s * E2E <= concurrency", 2 * MARGIN, "", _little, ("request_throughput", "e2e")),
    ClaimRule("AL12", Judgement.INCONSISTENT, "requests/s * duration = requests", MARGIN, "", _requests_by_duration, ("request_throughput", "duration")),
)
