"""``ais_bench --mode perf``, the benchmark of the Ascend community.

Every event of a stream but ``[DONE]`` is a point in time, whatever it carries: the first ends the TTFT, the last the request, and all of
them make gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    made_tokens,
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

_WANTED = ("mean", "min", "max", "p50", "p75", "p90", "p99")
_EVENTS = Reading(tuple(EventKind), ended(Ending.OK, Ending.STREAM_ERROR, Ending.EMPTY))


def _positive(counted: Column) -> Column:
    """A count of 0 is taken for none."""
    return np.ma.array(counted.data, mask=np.ma.getmaskarray(counted) | (counted.data <= 0))


def _prompt(one: Answers) -> Column:
    return first_known(_positive(one.requests.input_tokens), one.requests.input_tokens_asked)


def _tokens(one: Answers) -> Column:
    return made_tokens(replace(one.requests, output_tokens=_positive(one.requests.output_tokens)))


def _measure(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    count, prompt = pooled(points, _tokens), pooled(points, _prompt)
    latency = pooled(points, lambda one: seconds(one.sent_ns, one.last_ns))
    ttft = pooled(points, lambda one: seconds(one.sent_ns, one.first_ns))
    return (*_latencies(points, count, latency, ttft), *_of_answers(prompt, count, latency), *_rates(points, prompt, count, (latency, ttft)))


def _statistics(values: Floats, scale: float = 1.0) -> Statistics:
    return summary(values, _WANTED, linear, scale)


def _latencies(points: Sequence[Answers], count: Column, latency: Floats, ttft: Floats) -> tuple[ForeignMetric, ...]:
    known = ~np.ma.getmaskarray(count)
    tpot = np.where(count.data > 1, (latency - ttft) / np.maximum(count.data - 1, 1), 0.0)[known]
    shown = tpot if tpot.any() else np.empty(0)  # the tool drops a TPOT that is 0 throughout
    return (
        ForeignMetric("E2EL", "ms", _statistics(latency, MS), "t(last event of any kind) - t(start)", "e2e", why.TO_THE_LAST_EVENT),
        ForeignMetric("TTFT", "ms", _statistics(ttft, MS), "t(first event of any kind) - t(start)", "ttfe", why.FIRST_OF_ANY_KIND),
        ForeignMetric("TPOT", "ms", _statistics(shown, MS), "(E2EL - TTFT) / (n - 1), 0 where n < 2", "tpot",
                      why.NOT_THE_FIRST_TO_THE_LAST_EVENT),
        ForeignMetric("ITL", "ms", _statistics(gaps(points), MS), "gaps between events of any kind, of all answers together", "itl",
                      why.GAPS_OF_EVERY_EVENT),
    )


def _of_answers(prompt: Column, count: Column, latency: Floats) -> tuple[ForeignMetric, ...]:
    timed = ~np.ma.getmaskarray(count) & (latency > 0)
    return (
        ForeignMetric("InputTokens", "tokens", _statistics(prompt.compressed().astype(float)), "prompt tokens of an answer", None),
        ForeignMetric("OutputTokens", "tokens", _statistics(count.compressed().astype(float)), "n", None),
        ForeignMetric("OutputTokenThroughput", "token/s", _statistics(count.data[timed] / latency[timed]), "n / E2EL, of each answer", None),
    )


def _rates(points: Sequence[Answers], prompt: Column, count: Column, times: tuple[Floats, Floats]) -> tuple[ForeignMetric, ...]:
    duration, (latency, ttft) = span_s(points, lambda one: one.good, lambda one: one.last_ns), times
    asked, made = total(prompt), total(count)
    whole = None if asked is None or made is None else asked + made
    return (
        ForeignMetric("Benchmark Duration", "ms", value(MS * duration or None), "last t(last event) - first t(start), of successes", None),
        ForeignMetric("Concurrency", "requests", value(ratio(float(latency.sum()), duration)), "sum of E2EL / duration", None),
        ForeignMetric("Request Throughput", "req/s", value(ratio(float(len(latency)), duration)), "successes / duration", "request_throughput",
                      why.RAMP_AND_DRAIN_OF_GOOD),
        ForeignMetric("Prefill Token Throughput", "token/s", value(ratio(asked, float(ttft.sum()))), "prompt tokens / sum of TTFT", None),
        ForeignMetric("Input Token Throughput", "token/s", value(ratio(asked, duration)), "prompt tokens / duration", "prompt_throughput",
                      why.RAMP_AND_DRAIN_OF_GOOD),
        ForeignMetric("Output Token Throughput", "token/s", value(ratio(made, duration)), "sum of n / duration", "output_throughput",
                      why.RAMP_AND_DRAIN_OF_GOOD),
        ForeignMetric("Total Token Throughput", "token/s", value(ratio(whole, duration)), "(prompt tokens + sum of n) / duration",
                      "total_throughput", why.RAMP_AND_DRAIN_OF_GOOD),
    )


TOOL = Tool(
    name="aisbench", version="3.1.20260630", source="ais_bench/benchmark/models/api_models/base_api.py, "
    "ais_bench/benchmark/summarizers/default_perf.py and ais_bench/benchmark/calculators",
    clock="just before the request is handed to the HTTP library; a failed request is tried once more, and only the last try is timed",
    tokens="the server's usage, else (and where it is 0) the text tokenised again, with </think> after reasoning; prompts in the same way",
    percentiles="linear between order statistics, of seconds, and then rounded to 0.1 ms",
    window="from the first start to the last event, of successes only",
    failures="an HTTP error, a broken connection, an event that is not JSON, or no event; an error inside a 200 stream is none",
    chat=_EVENTS, completions=_EVENTS, measure=_measure,
)
