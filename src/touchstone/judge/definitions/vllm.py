"""``vllm bench serve``: the clock, events and formulas of vLLM's own client.

The two endpoints are read by different rules. Of chat an event counts that has content, ``reasoning`` or a tool call, and one with
empty content and no role: in a record these and the opening role cannot be told apart but by their place. Of completions every event
with a choice counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from touchstone.finding import ForeignMetric
from touchstone.judge.definitions import differences as why
from touchstone.judge.definitions.answers import Answers, Reading, ended
from touchstone.judge.definitions.arithmetic import (
    MS,
    busiest_second,
    first_known,
    gaps,
    linear,
    made_tokens,
    most_together,
    per_token,
    pooled,
    ratio,
    seconds,
    span_s,
    summary,
    total,
    value,
)
from touchstone.judge.definitions.tool import Tool
from touchstone.judge.metrics import Flags
from touchstone.served import Column, Ending, EventKind, Requests

_WANTED = ("mean", "std", "p50", "p90", "p95", "p99")


def _good(requests: Requests) -> Flags:
    """An error inside a stream does not make a failure, if anything came."""
    came = requests.token_events.filled(0) > 0
    return np.asarray(ended(Ending.OK)(requests) | (ended(Ending.STREAM_ERROR)(requests) & came))


def _good_completion(requests: Requests) -> Flags:
    """Nor does an answer without text."""
    return np.asarray(_good(requests) | ended(Ending.EMPTY)(requests))


def _measure(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    count = pooled(points, lambda one: made_tokens(one.requests))
    prompt = pooled(points, lambda one: first_known(one.requests.input_tokens, one.requests.input_tokens_asked))
    return (*_latencies(points, count), *_rates(points, total(prompt), total(count)))


def _latencies(points: Sequence[Answers], count: Column) -> tuple[ForeignMetric, ...]:
    chat = points[0].chat
    ttft = pooled(points, lambda one: seconds(one.sent_ns, one.first_ns))
    e2el = pooled(points, lambda one: seconds(one.sent_ns, one.last_ns))
    tpot = per_token(pooled(points, lambda one: seconds(one.first_ns, one.last_ns)), count)
    return (
        ForeignMetric("TTFT", "ms", summary(ttft, _WANTED, linear, MS), "t(first event that counts) - t(start)", "ttft",
                      why.REASONING_BY_ONE_NAME if chat else why.FIRST_CHOICE),
        ForeignMetric("TPOT", "ms", summary(tpot, _WANTED, linear, MS), "(E2EL - TTFT) / (n - 1), where n > 1", "tpot", why.NOT_THE_FIRST),
        ForeignMetric("ITL", "ms", summary(gaps(points), _WANTED, linear, MS),
                      "gaps between events that count, of all answers together", "itl", why.GAPS_WITHOUT_TEXT),
        ForeignMetric("E2EL", "ms", summary(e2el, _WANTED, linear, MS), "t(last event that counts) - t(start)", "e2e", why.TO_EMPTY_EVENTS),
    )


def _rates(points: Sequence[Answers], prompt: float | None, made: float | None) -> tuple[ForeignMetric, ...]:
    duration = span_s(points, lambda one: one.sent, lambda one: one.ended_ns)
    good = float(sum(one.good.sum() for one in points))
    whole = None if prompt is None or made is None else prompt + made
    return (
        ForeignMetric("Request throughput", "req/s", value(ratio(good, duration)), "successes / duration", "request_throughput",
                      why.RAMP_AND_DRAIN),
        ForeignMetric("Output token throughput", "tok/s", value(ratio(made, duration)), "sum of n / duration", "output_throughput",
                      why.RAMP_AND_DRAIN),
        ForeignMetric("Total token throughput", "tok/s", value(ratio(whole, duration)), "(prompt tokens + sum of n) / duration",
                      "total_throughput", why.RAMP_AND_DRAIN),
        ForeignMetric("Peak output token throughput", "tok/s", value(busiest_second(points)),
                      "most events that count in one second since the first start", None, why.EVENTS_NOT_TOKENS),
        ForeignMetric("Peak concurrent requests", "requests", value(most_together(points, lambda one: one.last_ns)),
                      "most successes open during the same second", None, why.WHOLE_SECONDS),
        ForeignMetric("Benchmark duration", "s", value(duration or None), "t(last request ended) - t(first request sent)", None),
    )


TOOL = Tool(
    name="vllm", version="0.33.0", source="vllm/benchmarks/serve.py and vllm/benchmarks/lib/endpoint_request_func.py",
    clock="just before the request is handed to the HTTP library; a wait for the client's own concurrency limit is left out",
    tokens="the server's usage, else the text (of chat: the content alone) tokenised again; of prompts the server's usage, else the length asked for",
    percentiles="linear between order statistics",
    window="from before the first request to the end of the last, failures included",
    failures="an HTTP error, a broken connection, an event that is not JSON, or no event that counts; an error inside a 200 stream is none",
    chat=Reading((EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL), _good, then=(EventKind.EMPTY,), per_second=True),
    completions=Reading((EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL, EventKind.EMPTY, EventKind.FINISH), _good_completion,
                        per_second=True),
    measure=_measure,
)
