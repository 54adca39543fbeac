"""``evalscope perf``.

An event counts for the first token and the gaps if it brings text, reasoning or a tool call, but a request ends with the last event of
any kind: a late usage is in its latency and so in its TPOT.
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
    made_tokens,
    nearest_rank,
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
from touchstone.served import Column, Ending, EventKind

_WANTED = ("mean", "min", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "max")
_TOKENS = Reading((EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL), ended(Ending.OK, Ending.EMPTY), needs_event=False)


def _timed(one: Answers) -> Flags:
    """The requests that stretch the test: the good, and those that failed by an error inside their stream."""
    return np.asarray(one.good | (ended(Ending.STREAM_ERROR)(one.requests) & one.sent))


def _measure(points: Sequence[Answers]) -> tuple[ForeignMetric, ...]:
    count = pooled(points, lambda one: made_tokens(one.requests))
    prompt = pooled(points, lambda one: first_known(one.requests.input_tokens, one.requests.input_tokens_asked))
    latency = pooled(points, lambda one: seconds(one.sent_ns, one.end_ns))
    return (*_latencies(points, count, latency), *_of_answers(prompt, count, latency),
            *_rates(points, total(prompt), total(count)))


def _statistics(values: Floats, scale: float = 1.0) -> Statistics:
    return summary(values, _WANTED, nearest_rank, scale)


def _latencies(points: Sequence[Answers], count: Column, latency: Floats) -> tuple[ForeignMetric, ...]:
    ttft = pooled(points, lambda one: seconds(one.sent_ns, one.first_ns))
    tpot = per_token(latency - ttft, count)
    return (
        ForeignMetric("Latency", "s", _statistics(latency), "t(last event of any kind) - t(start)", "e2e", why.TO_THE_LAST_EVENT),
        ForeignMetric("TTFT", "ms", _statistics(ttft, MS), "t(first event with text, reasoning or a tool call) - t(start)", "ttft",
                      why.NOTHING_IS_ZERO),
        ForeignMetric("TPOT", "ms", _statistics(tpot, MS), "(Latency - TTFT) / (n - 1), where n > 1", "tpot",
                      why.NOT_THE_FIRST_TO_THE_LAST_EVENT),
        ForeignMetric("ITL", "ms", _statistics(gaps(points), MS),
                      "gaps between events with text, reasoning or a tool call, of all answers together", "itl", why.GAPS_OF_ZERO),
        ForeignMetric("Decode", "tok/s", _statistics(1 / tpot[tpot > 0]), "1 / TPOT", "decode_speed",
                      why.NOT_THE_FIRST_TO_THE_LAST_EVENT),
    )


def _of_answers(prompt: Column, count: Column, latency: Floats) -> tuple[ForeignMetric, ...]:
    known = ~np.ma.getmaskarray(count)
    timed = known & (latency > 0)
    return (
        ForeignMetric("Input tokens", "tokens", _statistics(prompt.compressed().astype(float)), "prompt tokens of an answer", None),
        ForeignMetric("Output tokens", "tokens", _statistics(count.compressed().astype(float)), "n", None),
        ForeignMetric("Output", "tok/s", _statistics(count.data[timed] / latency[timed]), "n / Latency, of each answer", None),
    )


def _rates(points: Sequence[Answers], prompt: float | None, made: float | None) -> tuple[ForeignMetric, ...]:
    duration = span_s(points, _timed, lambda one: one.end_ns)
    good = float(sum(one.good.sum() for one in points))
    whole = None if prompt is None or made is None else prompt + made
    return (
        ForeignMetric("Req Throughput", "req/s", value(ratio(good, duration)), "successes / Test Duration", "request_throughput",
                      why.RAMP_AND_DRAIN),
        ForeignMetric("Output Throughput", "tok/s", value(ratio(made, duration)), "sum of n / Test Duration", "output_throughput",
                      why.RAMP_AND_DRAIN),
        ForeignMetric("Total Throughput", "tok/s", value(ratio(whole, duration)), "(prompt tokens + sum of n) / Test Duration",
                      "total_throughput", why.RAMP_AND_DRAIN),
        ForeignMetric("Test Duration", "s", value(duration or None), "last t(last event) - first t(start)", None),
    )


TOOL = Tool(
    name="evalscope", version="1.14.1", source="evalscope/perf/plugin/api/default_api.py, evalscope/perf/utils/benchmark_util.py and "
    "evalscope/perf/utils/db_util.py",
    clock="just before the request is handed to the HTTP library",
    tokens="the server's usage, else the text tokenised again; of prompts the server's usage, else the length asked for",
    percentiles="nearest rank, rounded to four decimals of the unit; means are rounded to 0.01 ms or four decimals",
    window="from the first start to the last event of any kind, errors inside a stream included and other failures left out",
    failures="an HTTP error, a broken connection, an error inside the stream; an answer without text is a success, and what is not JSON is "
    "skipped, where such an answer is left out here",
    chat=_TOKENS, completions=_TOKENS, measure=_measure,
)
