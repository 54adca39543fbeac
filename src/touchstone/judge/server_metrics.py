"""What a server counted during a load: the difference of two readings of its own metrics, or the reason there is none."""

from __future__ import annotations

from dataclasses import dataclass

from touchstone.message import Message, say
from touchstone.server_names import KINDS, Histogram, Kind, Reading


@dataclass(frozen=True)
class Counted:
    """A number, or the reason why it cannot be had: exactly one of the two."""

    value: float | None = None
    reason: Message | None = None


def counted(before: Reading | None, after: Reading | None, metric: str) -> Counted:
    """How far the counter ``metric`` of :data:`touchstone.server_names.KINDS` rose between two readings.

    A counter that only the later reading has rose from 0: servers show one from its first event on.
    """
    problem = _no_difference(before, after)
    if problem is not None or before is None or after is None:
        return Counted(reason=problem)
    if metric not in after.values:
        return Counted(reason=_not_shown(metric, after))
    return Counted(after.values[metric] - before.values.get(metric, 0.0))


def generated_tokens(before: Reading | None, after: Reading | None) -> Counted:
    """Tokens the server says it generated between two readings."""
    return counted(before, after, "generation_tokens_total")


def prefix_hit_rate(before: Reading | None, after: Reading | None) -> Counted:
    """The share of prompt tokens looked up between two readings that the server's prefix cache held."""
    queries, hits = counted(before, after, "prefix_cache_queries"), counted(before, after, "prefix_cache_hits")
    if queries.value is None or hits.value is None:
        return Counted(reason=queries.reason or hits.reason)
    if not queries.value:
        return Counted(reason=say("The server counted none in this time."))
    return Counted(hits.value / queries.value)


def mean_seconds(before: Reading | None, after: Reading | None, metric: str) -> Counted:
    """The server's own mean of a histogram between two readings (``ttft_seconds``, say): difference of sums ÷ difference of counts."""
    grown = grown_histogram(before, after, metric)
    if not isinstance(grown, Histogram):
        return Counted(reason=grown)
    if grown.sum_s is None:
        return Counted(reason=say("The server's histogram of {metric} has no sum.", metric=metric))
    if not grown.count:
        return Counted(reason=say("The server counted none in this time."))
    return Counted(grown.sum_s / grown.count)


def grown_histogram(before: Reading | None, after: Reading | None, metric: str) -> Histogram | Message:
    """What was added to a histogram between two readings, or the reason why that cannot be said. No sum unless both have one."""
    problem = _no_difference(before, after)
    if problem is not None or before is None or after is None:
        return problem or _no_metrics()
    if metric not in after.histograms:
        return _not_shown(metric, after)
    later, earlier = after.histograms[metric], before.histograms.get(metric, Histogram(0.0, 0.0))
    known = dict(earlier.buckets)
    sum_s = None if later.sum_s is None or earlier.sum_s is None else later.sum_s - earlier.sum_s
    return Histogram(later.count - earlier.count, sum_s, tuple((bound, count - known.get(bound, 0.0)) for bound, count in later.buckets))


def _no_difference(before: Reading | None, after: Reading | None) -> Message | None:
    """Why nothing may be subtracted: a reading is missing, or the server is not the one it was (any counter fell or went away)."""
    if before is None or after is None:
        return _no_metrics()
    early, late = _growing(before), _growing(after)
    if before.engine != after.engine or any(late.get(metric, -1.0) < value for metric, value in early.items()):
        return say("The server's counters fell in this time: it was restarted, or another one answered.")
    return None


def _growing(reading: Reading) -> dict[str, float]:
    """Everything that can only grow while a server lives. A latency is positive, so a histogram's sum is among it."""
    return {metric: value for metric, value in reading.numbers() if KINDS.get(metric, Kind.COUNTER) is Kind.COUNTER}


def _no_metrics() -> Message:
    return say("The server shows no metrics of its own.")


def _not_shown(metric: str, reading: Reading) -> Message:
    return say("The metrics of this server ({engine}) do not show {metric}.", engine=reading.engine, metric=metric)
