"""The one table of what each word means. Everything downstream iterates it.

Times come in as integer nanoseconds and go out in seconds. A metric that a record cannot carry is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from touchstone.record import Record, Status, Trial
from touchstone.units import seconds


@dataclass(frozen=True)
class Metric:
    """A definition. ``of`` gives every value that one record (or trial) contributes; none is a legal answer."""

    id: str
    unit: str
    level: str
    better: str
    formula: str
    of: Callable[[Record], Sequence[float]] | Callable[[Trial], Sequence[float]]


def ttft(record: Record) -> float | None:
    """First event that carries a generated token − sent, in seconds."""
    return seconds(record.event_ns[0] - record.sent_ns) if record.event_ns else None


def e2e(record: Record) -> float | None:
    """Last token − sent, in seconds."""
    return seconds(record.event_ns[-1] - record.sent_ns) if record.event_ns else None


def later_tokens(record: Record) -> int:
    """Tokens after those of the first event: n − n₁. Events that share the first stamp are one event with it."""
    return sum(tokens for at_ns, tokens in zip(record.event_ns, record.event_tokens, strict=True) if at_ns > record.event_ns[0])


def tpot(record: Record) -> float | None:
    """(Last token − first token) / (n − n₁), in seconds; None below two tokens."""
    count = later_tokens(record)
    return seconds(record.event_ns[-1] - record.event_ns[0]) / count if count else None


def gaps(record: Record) -> list[float]:
    """Gaps between token-bearing events, in seconds. Events that share one stamp are one event, never a gap of 0."""
    return [seconds(later - earlier) for earlier, later in pairwise(record.event_ns) if later > earlier]


def window_s(trial: Trial) -> float | None:
    """From handing over the batch to its last token, in seconds."""
    last = max((record.event_ns[-1] for record in trial.records if record.event_ns), default=None)
    return None if last is None else seconds(last - trial.sent_ns)


def output_tokens(trial: Trial) -> int:
    """Tokens of the trial's good requests, by the engine's count."""
    return sum(record.output_tokens or 0 for record in trial.records if record.status is Status.OK)


def output_throughput(trial: Trial) -> float | None:
    """Output tokens of the batch / window, in tokens per second."""
    window = window_s(trial)
    return output_tokens(trial) / window if window else None


def peak_memory(trial: Trial) -> int | None:
    """Peak bytes of the trial: allocated on an accelerator, resident where the host's memory is the device's."""
    memory = trial.memory
    return memory.allocated_bytes if memory.allocated_bytes is not None else memory.resident_bytes


def _listed(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _inverse(value: float | None) -> list[float]:
    return [1 / value] if value else []


METRICS: Mapping[str, Metric] = {metric.id: metric for metric in (
    Metric("ttft", "s", "request", "lower", "t(first token) - t(sent)", lambda record: _listed(ttft(record))),
    Metric("tpot", "s", "request", "lower", "(t(last token) - t(first token)) / (n - n1)", lambda record: _listed(tpot(record))),
    Metric("itl", "s", "token", "lower", "gaps between token-bearing events", gaps),
    Metric("e2e", "s", "request", "lower", "t(last token) - t(sent) = ttft + (n - n1) * tpot", lambda record: _listed(e2e(record))),
    Metric("decode_speed", "tokens/s/req", "request", "higher", "1 / tpot", lambda record: _inverse(tpot(record))),
    Metric("output_throughput", "tokens/s", "trial", "higher", "sum of output tokens / sum of windows (sent to last token)",
           lambda trial: _listed(output_throughput(trial))),
    Metric("peak_memory", "B", "trial", "lower", "largest peak of the trials: allocated on an accelerator, else resident",
           lambda trial: _listed(peak_memory(trial))),
)}
