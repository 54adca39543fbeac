"""``sglang.benchmark.serving`` (before: ``sglang.bench_serving``).

Only text and reasoning count. The end of a request is the last line of its stream, ``[DONE]`` included. Every 200 whose stream comes
to its end is a success, with a TTFT of 0 if nothing counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.finding import ForeignMetric
from touchstone.judge.definitions import differences as why
from touchstone.judge.definitions.answers import Answers, Floats, Reading, ended
from touchstone.judge.definitions.arithmetic import (
    MS,
    busiest_second,
    first_known,
    gaps,
    linear,
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
from touchstone.served import Column, Ending, EventKind

_WANTED = ("mean", "std", "p50", "p90", "p95", "p99")


def _tokens(one: Answers) -> Column:
    """What the server counted, else what was asked for. Of completions the usage that follows the text is not looked at."""
    asked = one.requests.output_tokens_asked
    return first_known(one.requests.output_tokens, asked) if one.chat else asked


def _measure(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    count = pooled(points, _tokens)
    latency = pooled(points, lambda one: seconds(one.sent_ns, one.ended_ns))
    return (*_latencies(points, count, latency), *_rates(points, count, latency))


def _latencies(points: Sequence[Answers], count: Column, latency: Floats) -> tuple[ForeignMetric, ...]:
    ttft = pooled(points, lambda one: seconds(one.sent_ns, one.first_ns))
    tpot = per_token(latency - ttft, count)
    return (
        ForeignMetric("E2E Latency", "ms", summary(latency, _WANTED, linear, MS), "t(last line of the stream) - t(start)", "e2e",
                      why.TO_THE_END),
        ForeignMetric("TTFT", "ms", summary(ttft, _WANTED, linear, MS), "t(first event with text or reasoning) - t(start)", "ttft",
                      why.NO_TOOL_CALLS),
        ForeignMetric("TPOT", "ms", summary(tpot, _WANTED, linear, MS), "(E2E Latency - TTFT) / (n - 1), where n > 1", "tpot",
                      why.NOT_THE_FIRST_TO_THE_END),
        ForeignMetric("ITL", "ms", summary(gaps(points), (*_WANTED, "max"), linear, MS),
                      "gaps between events with text or reasoning, of all answers together", "itl", why.GAPS_OF_ZERO),
    )


def _rates(points: Sequence[Answers], count: Column, latency: Floats) -> tuple[ForeignMetric, ...]:
    prompt, made = total(pooled(points, lambda one: one.requests.input_tokens_asked)), total(count)
    duration = span_s(points, lambda one: one.sent, lambda one: one.ended_ns)
    whole = None if prompt is None or made is None else prompt + made
    rate = "/ duration"
    return (
        ForeignMetric("Request throughput", "req/s", value(ratio(float(len(latency)), duration)), f"successes {rate}", "request_throughput",
                      why.RAMP_AND_DRAIN),
        ForeignMetric("Input token throughput", "tok/s", value(ratio(prompt, duration)), f"prompt tokens asked for {rate}",
                      "prompt_throughput", why.RAMP_AND_DRAIN),
        ForeignMetric("Output token throughput", "tok/s", value(ratio(made, duration)), f"sum of n {rate}", "output_throughput",
                      why.RAMP_AND_DRAIN),
        ForeignMetric("Total token throughput", "tok/s", value(ratio(whole, duration)), f"(prompt tokens + sum of n) {rate}",
                      "total_throughput", why.RAMP_AND_DRAIN),
        ForeignMetric("Total generated tokens", "tokens", value(made), "sum of n", None, why.ASKED_TOKENS),
        ForeignMetric("Concurrency", "requests", value(ratio(float(latency.sum()), duration) if len(latency) else None),
                      f"sum of E2E Latency {rate}", None),
        ForeignMetric("Peak output token throughput", "tok/s", value(busiest_second(points)),
                      "most events with text or reasoning in one second since the first start", None, why.EVENTS_NOT_TOKENS),
        ForeignMetric("Peak concurrent requests", "requests", value(most_together(points, lambda one: one.ended_ns)),
                      "most successes open during the same second", None, why.WHOLE_SECONDS),
        ForeignMetric("Benchmark duration", "s", value(duration or None), "t(last request ended) - t(first request sent)", None),
    )


TOOL = Tool(
    name="sglang", version="0.5.23", source="sglang/benchmark/serving.py",
    clock="just before the request is handed to the HTTP library, which opens a new connection for each",
    tokens="the server's usage in chat, else as many as were asked for, and the client does not ask for usage; prompts as long as asked for",
    percentiles="linear between order statistics",
    window="from before the first request to the end of the last, failures included",
    failures="an HTTP error, a broken connection or a line that is not JSON; of completions also an event without choices",
    chat=Reading((EventKind.CONTENT, EventKind.REASONING), ended(Ending.OK, Ending.STREAM_ERROR, Ending.EMPTY), needs_event=False, per_second=True),
    completions=Reading((EventKind.CONTENT,), ended(Ending.OK, Ending.EMPTY), needs_event=False, per_second=True),
    measure=_measure,
)
