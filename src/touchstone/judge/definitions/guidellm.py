"""``guidellm benchmark``.

No gap is kept: an answer has a first and a last token and the number of events between. Percentiles of what belongs to an answer are
over answers, those of TPOT and ITL over tokens. Its rates are the means of a rate over time, which is a count over the whole time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from touchstone.finding import ForeignMetric
from touchstone.judge.definitions import differences as why
from touchstone.judge.definitions.answers import Answers, Floats, Integers, Reading, ended
from touchstone.judge.definitions.arithmetic import MS, Statistics, first_known, pooled, ratio, seconds, span_s, value, weighted_summary
from touchstone.judge.definitions.tool import Tool
from touchstone.judge.metrics import Flags
from touchstone.served import Column, Ending, EventKind, Requests
from touchstone.units import NS_PER_S

_WANTED = ("mean", "std", "p50", "p90", "p95", "p99")
_TOGETHER_S = 1e-4


def _good(requests: Requests) -> Flags:
    """An answer needs something to see, or tokens by the server's count."""
    some = ~np.ma.getmaskarray(requests.first_output_ns) | (requests.output_tokens.filled(0) > 0)
    return np.asarray(some & ended(Ending.OK, Ending.EMPTY)(requests))


_TOKENS = Reading((EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL), _good, needs_event=False, gaps=False)


def _answered(one: Answers) -> Flags:
    """The rows whose counts by the server are used."""
    return np.asarray(one.good | ended(Ending.STOPPED)(one.requests))


def _tokens(one: Answers) -> Column:
    """The server's count; without one, and of what failed, as many as there were events with tokens."""
    counted = one.requests.output_tokens
    return np.ma.array(np.where(~np.ma.getmaskarray(counted) & _answered(one), counted.data, one.counted))


def _prompt(one: Answers) -> Column:
    """The server's count, else the length asked for; of what failed always that."""
    counted = one.requests.input_tokens
    return first_known(np.ma.array(counted.data, mask=np.ma.getmaskarray(counted) | ~_answered(one)), one.requests.input_tokens_asked)


def _measure(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    return (*_latencies(points), *_lengths(points), *_rates(points))


def _plain(values: Floats, scale: float = 1.0) -> Statistics:
    return weighted_summary(values, np.ones(len(values)), _WANTED, scale)


def _latencies(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    count = pooled(points, _tokens).data
    begun = pooled(points, lambda one: one.counted) > 0
    latency = pooled(points, lambda one: seconds(one.sent_ns, one.ended_ns))
    ttft = pooled(points, lambda one: seconds(one.sent_ns, one.first_ns))[begun]
    visible = pooled(points, lambda one: ~np.ma.getmaskarray(one.requests.first_output_ns))
    ttfo = pooled(points, lambda one: seconds(one.sent_ns, one.requests.first_output_ns.data))[visible]
    whole = pooled(points, lambda one: seconds(one.sent_ns, np.where(one.counted > 0, one.last_ns, one.ended_ns)))
    later = pooled(points, lambda one: seconds(one.first_ns, one.last_ns))
    tpot = weighted_summary(whole / np.maximum(count, 1), np.maximum(count, 0).astype(float), _WANTED, MS)
    itl = weighted_summary(later / np.maximum(count - 1, 1), np.maximum(count - 1, 0).astype(float), _WANTED, MS)
    return (
        ForeignMetric("Request Latency", "s", _plain(latency), "t(end of the stream) - t(request headers written)", "e2e", why.TO_THE_END),
        ForeignMetric("TTFT", "ms", _plain(ttft, MS), "t(first event with text, reasoning or a tool call) - t(headers written)", "ttft"),
        ForeignMetric("TTFOT", "ms", _plain(ttfo, MS), "t(first event with text or a tool call) - t(headers written)", "ttfo"),
        ForeignMetric("ITL", "ms", itl, "(t(last token) - t(first token)) / (n - 1), weighted by n - 1", "tpot", why.WEIGHTED),
        ForeignMetric("TPOT", "ms", tpot, "(t(last token) - t(headers written)) / n, weighted by n", "tpot", why.FROM_SENDING),
    )


def _lengths(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    prompt = pooled(points, _prompt)
    return (
        ForeignMetric("Input Tok Per Req", "tokens", _plain(prompt.filled(0).astype(float)), "prompt tokens of an answer", None),
        ForeignMetric("Output Tok Per Req", "tokens", _plain(pooled(points, _tokens).data.astype(float)), "n", None),
    )


def _rates(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    duration = span_s(points, lambda one: one.sent, lambda one: one.ended_ns)

    def all_of(of: Callable[[Answers], Column]) -> float:
        return float(sum(of(one).filled(0)[one.sent].sum(dtype=np.float64) for one in points))

    def rate(name: str, unit: str, amount: float, what: str, ours: str) -> ForeignMetric:
        return ForeignMetric(name, unit, {"mean": ratio(amount, duration)}, f"{what} / duration, times within 0.1 ms taken as one", ours,
                             why.ALL_REQUESTS)

    requests, prompt, made = float(sum(one.sent.sum() for one in points)), all_of(_prompt), all_of(_tokens)
    return (
        ForeignMetric("Requests Concurrency", "requests", _concurrency(points), "open requests, weighted by time", None, why.ALL_REQUESTS),
        rate("Requests Per Sec", "req/s", requests, "requests that ended", "request_throughput"),
        rate("Input Tokens Per Sec", "tok/s", prompt, "sum of prompt tokens", "prompt_throughput"),
        rate("Output Tokens Per Sec", "tok/s", made, "sum of n", "output_throughput"),
        rate("Total Tokens Per Sec", "tok/s", prompt + made, "sum of prompt tokens and n", "total_throughput"),
        ForeignMetric("Duration", "s", value(duration or None), "t(last request ended) - t(first request sent)", None),
    )


def _concurrency(points: Sequence[Answers]) -> Statistics:
    """How many requests were open, each number for as long as it lasted."""
    levels, lengths = zip(*(_open_requests(one.sent_ns[one.sent], one.ended_ns[one.sent]) for one in points), strict=True)
    return weighted_summary(np.concatenate(levels), np.concatenate(lengths), ("mean", "p50"))


def _open_requests(sent_ns: Integers, ended_ns: Integers) -> tuple[Floats, Floats]:
    """The numbers of open requests and how long each lasted, in seconds. Changes within 0.1 ms of the first of them are taken as one."""
    if not len(sent_ns):
        return np.empty(0), np.empty(0)
    at_s = np.concatenate([sent_ns, ended_ns])
    at_s = (at_s - at_s.min()) / NS_PER_S
    change = np.repeat([1.0, -1.0], len(sent_ns))
    order = np.argsort(at_s, kind="stable")
    at_s, change = at_s[order], change[order]
    beyond = np.searchsorted(at_s, at_s + _TOGETHER_S, side="right").tolist()
    starts = [0]
    while beyond[starts[-1]] < len(at_s):
        starts.append(beyond[starts[-1]])
    return np.cumsum(np.add.reduceat(change, starts))[:-1], np.diff(at_s[starts])


TOOL = Tool(
    name="guidellm", version="0.8.1", source="guidellm/schemas/base/request_stats.py, guidellm/schemas/base/statistics.py, "
    "guidellm/benchmark/schemas/metrics.py and guidellm/backends/openai",
    clock="when the HTTP library begins to write the request's headers, by the wall clock",
    tokens="the server's usage, else one for every event that counts",
    percentiles="the first value whose share and all below reach it, weighted by tokens for TPOT and ITL",
    window="from the start of sending to the end of the last request, where no warm-up or cool-down is cut off",
    failures="an HTTP error, a broken connection, an event that is not JSON or is an error, and an answer with neither text nor tokens; "
    "what was stopped at the end is counted apart",
    chat=_TOKENS, completions=_TOKENS, measure=_measure,
)
