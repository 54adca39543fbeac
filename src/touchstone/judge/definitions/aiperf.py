"""``aiperf profile``, the successor of genai-perf.

An event counts that brings text, reasoning or a tool call; nothing after the last of them is in a latency. Its inter token latency is
what others call TPOT, its inter chunk latency what others call ITL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from touchstone.finding import ForeignMetric
from touchstone.judge.definitions import differences as why
from touchstone.judge.definitions.answers import Answers, Floats, Reading, ended
from touchstone.judge.definitions.arithmetic import (
    MS,
    Statistics,
    first_known,
    gaps,
    linear,
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
from touchstone.served import Column, Ending, EventKind

_WANTED = ("mean", "min", "max", "std", "p50", "p75", "p90", "p95", "p99")
_TOKENS = Reading((EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL), ended(Ending.OK))


def _statistics(values: Floats, scale: float = 1.0) -> Statistics:
    return summary(values, _WANTED, linear, scale)


def _measure(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    count = pooled(points, lambda one: first_known(one.requests.output_tokens_text, one.requests.output_tokens))
    prompt = pooled(points, lambda one: first_known(one.requests.input_tokens_asked, one.requests.input_tokens))
    return (*_latencies(points, count), *_lengths(prompt, count), *_rates(points, total(prompt), total(count)))


def _latencies(points: Sequence[Answers], count: Column) -> tuple[ForeignMetric, ...]:
    ttft = pooled(points, lambda one: seconds(one.sent_ns, one.first_ns))
    ttst = pooled(points, lambda one: seconds(one.first_ns, one.second_ns))[pooled(points, lambda one: one.counted) > 1]
    visible = pooled(points, lambda one: ~np.ma.getmaskarray(one.requests.first_output_ns))
    ttfo = pooled(points, lambda one: seconds(one.sent_ns, one.requests.first_output_ns.data))[visible]
    latency = pooled(points, lambda one: seconds(one.sent_ns, one.last_ns))
    itl = per_token(pooled(points, lambda one: seconds(one.first_ns, one.last_ns)), count)
    first = "t(first event with text, reasoning or a tool call)"
    return (
        ForeignMetric("Time to First Token", "ms", _statistics(ttft, MS), f"{first} - t(start)", "ttft"),
        ForeignMetric("Time to Second Token", "ms", _statistics(ttst, MS), f"t(second such event) - {first}", None, why.GAPS_OF_ZERO),
        ForeignMetric("Time to First Output Token", "ms", _statistics(ttfo, MS), "t(first event with text or a tool call) - t(start)", "ttfo"),
        ForeignMetric("Request Latency", "ms", _statistics(latency, MS), "t(last event with text, reasoning or a tool call) - t(start)", "e2e"),
        ForeignMetric("Inter Token Latency", "ms", _statistics(itl, MS), "(Request Latency - Time to First Token) / (n - 1), where n > 1",
                      "tpot", why.NOT_THE_FIRST),
        ForeignMetric("Output Token Throughput Per User", "tokens/sec/user", _statistics(1 / itl[itl > 0]), "1 / Inter Token Latency",
                      "decode_speed", why.NOT_THE_FIRST),
        ForeignMetric("Inter Chunk Latency", "ms", _statistics(gaps(points), MS), "gaps between such events, of all answers together",
                      "itl", why.GAPS_OF_ZERO),
    )


def _lengths(prompt: Column, count: Column) -> tuple[ForeignMetric, ...]:
    return (
        ForeignMetric("Output Sequence Length", "tokens", _statistics(count.compressed().astype(float)), "n", None, why.COUNTED_AGAIN),
        ForeignMetric("Input Sequence Length", "tokens", _statistics(prompt.compressed().astype(float)),
                      "tokens of the prompt's text, without the chat template", None),
    )


def _rates(points: Sequence[Answers], prompt: float | None, made: float | None) -> tuple[ForeignMetric, ...]:
    duration = span_s(points, lambda one: one.good, lambda one: one.last_ns)
    good = float(sum(one.good.sum() for one in points))
    whole = None if prompt is None or made is None else prompt + made
    return (
        ForeignMetric("Output Token Throughput", "tokens/sec", value(ratio(made, duration)), "sum of n / duration", "output_throughput",
                      why.RAMP_AND_DRAIN_OF_GOOD),
        ForeignMetric("Total Token Throughput", "tokens/sec", value(ratio(whole, duration)), "(prompt tokens + sum of n) / duration",
                      "total_throughput", why.RAMP_AND_DRAIN_OF_GOOD),
        ForeignMetric("Request Throughput", "requests/sec", value(ratio(good, duration)), "valid requests / duration", "request_throughput",
                      why.RAMP_AND_DRAIN_OF_GOOD),
        ForeignMetric("Benchmark Duration", "sec", value(duration or None), "last t(last event that counts) - first t(start), of valid requests",
                      None),
    )


TOOL = Tool(
    name="aiperf", version="0.13.0", source="aiperf/metrics/types, aiperf/metrics/metric_dicts.py and aiperf/endpoints/openai_chat.py",
    clock="just before the request is handed to the HTTP library",
    tokens="the text tokenised again, reasoning apart and tool calls included (here: without them); the server's usage by --use-server-token-count, and where we have no count of the text",
    percentiles="linear between order statistics",
    window="from the first valid request to the last event with tokens of one",
    failures="an HTTP error, a broken connection, an error event, and an answer without any event that counts; what is not JSON is skipped, "
    "where such an answer is left out here",
    chat=_TOKENS, completions=_TOKENS, measure=_measure,
)
