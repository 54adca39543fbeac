"""The one table of what each word means, over columns. Everything downstream iterates it.

Times come in as integer nanoseconds and go out in seconds, one value per row; a value that a row cannot carry is masked, never 0.
The same functions serve an engine in this process (:mod:`touchstone.judge.columns`) and a server at the end of a wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from touchstone.message import Message, say
from touchstone.record import MemoryPeaks
from touchstone.served import TOKEN_KINDS, Column, Ending, Events, Requests
from touchstone.units import NS_PER_S

Values = np.ma.MaskedArray[Any, np.dtype[np.float64]]
"""Numbers with a mask; masked is unknown."""
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Window:
    """What a measured stretch of time held. ``good`` are the completed requests inside every service level; None without any."""

    seconds: float
    output_tokens: float
    prompt_tokens: float | None = None
    completed: int = 0
    good: int | None = None


@dataclass(frozen=True)
class Metered:
    """What the meters of a run's devices say of measured time: the energy of all of them together, or the memory above the idle ones'."""

    seconds: float = 0.0
    output_tokens: float = 0.0
    energy_j: float | None = None
    memory_above_idle_bytes: int | None = None


@dataclass(frozen=True)
class Metric:
    """A definition. ``of`` takes requests, events, a window, memory peaks or what a device's meters say, as ``level`` says."""

    id: str
    unit: str
    level: str
    better: str
    formula: Message
    of: (Callable[[Requests], Values] | Callable[[Events], Values] | Callable[[Window], float | None] | Callable[[MemoryPeaks], int | None]
         | Callable[[Metered], float | None])


# ── of a request ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _between(start: Column, end: Column, kept: Flags) -> Values:
    """``end`` − ``start`` in seconds, for the rows that are ``kept`` and have both."""
    mask = ~kept | np.ma.getmaskarray(start) | np.ma.getmaskarray(end)
    return np.ma.array((end.data - start.data) / NS_PER_S, mask=mask)


def succeeded(requests: Requests) -> Flags:
    """The rows that may enter a latency: those that ended well."""
    return np.asarray(requests.ending.filled(Ending.STOPPED) == Ending.OK)


def ttfe(requests: Requests) -> Values:
    """First event of any kind − sent, in seconds."""
    return _between(requests.sent_ns, requests.first_event_ns, succeeded(requests))


def ttft(requests: Requests) -> Values:
    """First event that carries a generated token, on any channel − sent, in seconds."""
    return _between(requests.sent_ns, requests.first_token_ns, succeeded(requests))


def ttfo(requests: Requests) -> Values:
    """First event with text that a user sees − sent, in seconds."""
    return _between(requests.sent_ns, requests.first_output_ns, succeeded(requests))


def e2e(requests: Requests) -> Values:
    """Last token − sent, in seconds."""
    return _between(requests.sent_ns, requests.last_token_ns, succeeded(requests))


def stream_end(requests: Requests) -> Values:
    """End of the answer − sent, in seconds: the last token, then usage and whatever else the server still sends."""
    return _between(requests.sent_ns, requests.ended_ns, succeeded(requests))


def due_ns(requests: Requests) -> Column:
    """When each request should have been sent: as planned, or when its slot was free; where that is unknown, when it was sent."""
    planned = np.ma.getmaskarray(requests.scheduled_ns)
    if not planned.any():
        return requests.scheduled_ns
    return np.ma.array(np.where(planned, requests.sent_ns.data, requests.scheduled_ns.data),
                       mask=planned & np.ma.getmaskarray(requests.sent_ns))


def response_ttft(requests: Requests) -> Values:
    """First token − when the request was due, in seconds, so that a late client cannot hide a queue."""
    return _between(due_ns(requests), requests.first_token_ns, succeeded(requests))


def response_e2e(requests: Requests) -> Values:
    """Last token − when the request was due, in seconds."""
    return _between(due_ns(requests), requests.last_token_ns, succeeded(requests))


def send_lag(requests: Requests) -> Values:
    """Sent − due, in seconds, of every request that was sent, however it ended."""
    return _between(requests.scheduled_ns, requests.sent_ns, np.ones(len(requests), dtype=bool))


def output_tokens(requests: Requests) -> Column:
    """n: the server's count, or where it sent none our count of its text; masked without either. Never the number asked for."""
    mine = np.ma.getmaskarray(requests.output_tokens)
    if not mine.any():
        return requests.output_tokens
    return np.ma.array(np.where(mine, requests.output_tokens_text.data, requests.output_tokens.data),
                       mask=mine & np.ma.getmaskarray(requests.output_tokens_text))


def later_tokens(requests: Requests) -> Column:
    """Tokens after those of the first token event: n − n₁, where n₁ is 1 if the event does not say. Masked below one."""
    count = output_tokens(requests)
    later = count.data - requests.first_tokens.filled(1)
    return np.ma.array(later, mask=np.ma.getmaskarray(count) | (later < 1))


def tpot(requests: Requests) -> Values:
    """(Last token − first token) / (n − n₁), in seconds; masked where nothing came after the first event."""
    later = later_tokens(requests)
    span = _between(requests.first_token_ns, requests.last_token_ns, succeeded(requests))
    mask = span.mask | np.ma.getmaskarray(later) | (span.data <= 0)
    return np.ma.array(span.data / np.where(mask, 1, later.data), mask=mask)


def decode_speed(requests: Requests) -> Values:
    """1 / TPOT, in tokens per second of one request."""
    time = tpot(requests)
    return np.ma.array(1 / np.where(time.mask, 1.0, time.data), mask=time.mask)


# ── of the events of answers ─────────────────────────────────────────────────────────────────────────────────────────────


def token_events(events: Events) -> Events:
    """The events that carry generated tokens."""
    bears = np.isin(events.kind.data, TOKEN_KINDS) & ~np.ma.getmaskarray(events.at_ns)
    return events if bears.all() else Events(**{one.name: getattr(events, one.name)[bears] for one in fields(Events)})


def answer_starts(events: Events) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The place of each answer's first event."""
    if not len(events):
        return np.zeros(0, dtype=np.intp)
    request, point = events.request.data, events.point.data
    changes = (request[1:] != request[:-1]) | (point[1:] != point[:-1])
    return np.concatenate([np.zeros(1, dtype=np.intp), np.flatnonzero(changes) + 1])


def steps_ns(events: Events) -> Column:
    """Nanoseconds since the token event before in the same answer, for each of ``events`` (token events only).

    Masked for an answer's first event, and for one that came together with the event before it: they are one event, not a gap of 0.
    """
    steps = np.zeros(len(events), dtype=np.int64)
    np.subtract(events.at_ns.data[1:], events.at_ns.data[:-1], out=steps[1:])
    steps[answer_starts(events)] = 0
    return np.ma.array(steps, mask=steps <= 0)


def itl(events: Events) -> Values:
    """Gaps between token-bearing events of one answer, in seconds."""
    steps = steps_ns(token_events(events))
    return np.ma.array(steps.data / NS_PER_S, mask=steps.mask)


# ── of a window ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rate(count: float | None, window: Window) -> float | None:
    return None if count is None or not window.seconds else count / window.seconds


def output_throughput(window: Window) -> float | None:
    """Generated tokens that came inside the window / window, in tokens per second."""
    return _rate(window.output_tokens, window)


def prompt_throughput(window: Window) -> float | None:
    """Prompt tokens of the requests whose first token came inside the window / window, in tokens per second."""
    return _rate(window.prompt_tokens, window)


def total_throughput(window: Window) -> float | None:
    """Prompt and generated tokens / window, in tokens per second."""
    return None if window.prompt_tokens is None else _rate(window.prompt_tokens + window.output_tokens, window)


def request_throughput(window: Window) -> float | None:
    """Requests that ended well inside the window / window, in requests per second."""
    return _rate(window.completed, window)


def goodput(window: Window) -> float | None:
    """Requests that ended well inside the window and inside every service level / window, in requests per second."""
    return _rate(window.good, window)


def peak_memory(memory: MemoryPeaks) -> int | None:
    """Peak bytes of a trial: allocated on an accelerator, resident where the host's memory is the device's."""
    return memory.allocated_bytes if memory.allocated_bytes is not None else memory.resident_bytes


# ── of the meters of devices ─────────────────────────────────────────────────────────────────────────────────────────────


def device_memory(metered: Metered) -> int | None:
    """Bytes in use on the devices, above what they used before anything was loaded."""
    return metered.memory_above_idle_bytes


def power(metered: Metered) -> float | None:
    """Energy / time, in watts. Nothing is subtracted: what an idle device draws is in it."""
    return None if metered.energy_j is None or not metered.seconds else metered.energy_j / metered.seconds


def energy_per_token(metered: Metered) -> float | None:
    """Energy / generated tokens, in joules per token; that of the prompt is in it."""
    return None if metered.energy_j is None or not metered.output_tokens else metered.energy_j / metered.output_tokens


METRICS: Mapping[str, Metric] = {metric.id: metric for metric in (
    Metric("ttft", "s", "request", "lower", say("t(first token, on any channel) - t(sent)"), ttft),
    Metric("ttfo", "s", "request", "lower", say("t(first visible text) - t(sent)"), ttfo),
    Metric("ttfe", "s", "request", "lower", say("t(first event of any kind) - t(sent)"), ttfe),
    Metric("tpot", "s", "request", "lower", say("(t(last token) - t(first token)) / (n - n1)"), tpot),
    Metric("itl", "s", "event", "lower", say("gaps between token-bearing events"), itl),
    Metric("e2e", "s", "request", "lower", say("t(last token) - t(sent) = ttft + (n - n1) * tpot"), e2e),
    Metric("stream_end", "s", "request", "lower", say("t(end of the answer) - t(sent)"), stream_end),
    Metric("response_ttft", "s", "request", "lower", say("t(first token) - t(due): as planned, or in a closed loop when the slot was free"), response_ttft),
    Metric("response_e2e", "s", "request", "lower", say("t(last token) - t(due)"), response_e2e),
    Metric("send_lag", "s", "request", "lower", say("t(sent) - t(due), of every request sent"), send_lag),
    Metric("decode_speed", "tokens/s/req", "request", "higher", say("1 / tpot"), decode_speed),
    Metric("output_throughput", "tokens/s", "window", "higher", say("sum of output tokens / sum of windows (of a batch: sent to last token)"), output_throughput),
    Metric("prompt_throughput", "tokens/s", "window", "higher", say("prompt tokens of first tokens inside the windows / sum of windows"), prompt_throughput),
    Metric("total_throughput", "tokens/s", "window", "higher", say("prompt_throughput + output_throughput"), total_throughput),
    Metric("request_throughput", "requests/s", "window", "higher", say("requests that ended well inside the windows / sum of windows"), request_throughput),
    Metric("goodput", "requests/s", "window", "higher",
           say("requests that ended well and inside every service level / sum of windows; share = of all issued requests"), goodput),
    Metric("peak_memory", "B", "trial", "lower", say("largest peak of the trials: allocated on an accelerator, else resident"), peak_memory),
    Metric("device_memory", "B", "device", "lower", say("largest sample in the trials - smallest sample before loading; sum over the devices"), device_memory),
    Metric("power", "W", "device", "lower", say("energy of the devices / time, of the measured trials; idle power is not subtracted"), power),
    Metric("energy_per_token", "J/token", "device", "lower",
           say("energy of the devices from sending to last token / output tokens; the prompt's is in it, idle power is not subtracted"), energy_per_token),
)}
