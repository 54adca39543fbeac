"""``guidellm benchmark`` on the same answers: its own reader of the stream, request statistics, distributions and compilation."""

import contextlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders import S
from peer_source import Anything, peer_module, peer_version
from peer_streams import Clock, Content, duration_s, make_played, ours, run, same

from touchstone.judge.definitions import TOOLS

STATISTICS = {"mean": "mean", "std": "std_dev", "p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}
FAMILIES = {"Request Latency": "request_latency", "TTFT": "time_to_first_token_ms", "TTFOT": "time_to_first_output_token_ms",
            "ITL": "inter_token_latency_ms", "TPOT": "time_per_output_token_ms", "Input Tok Per Req": "prompt_token_count",
            "Output Tok Per Req": "output_token_count"}
RATES = {"Requests Per Sec": "requests_per_second", "Input Tokens Per Sec": "prompt_tokens_per_second",
         "Output Tokens Per Sec": "output_tokens_per_second", "Total Tokens Per Sec": "tokens_per_second"}


class Timings:
    """The times of a request, none of them known at first."""

    request_iterations = token_iterations = request_sent_count = token_received_count = 0

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)


class Answer(Anything):
    """A response as the tool compiles it."""

    tool_calls = None


class Usage(Anything):
    """The counts of a request."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

    @property
    def total_tokens(self):
        return self.text_tokens


def stream_of(clock, one):
    """What httpx gives for ``one``."""
    async def lines():
        async for line in Content(clock, one):
            yield line.decode().rstrip("\n")

    def check():
        if one.status != 200:
            raise ConnectionError(one.status)
    return SimpleNamespace(aiter_lines=lines, raise_for_status=check)


def requests_of(played, *, chat):
    """Every request as the tool keeps it, by how it ended."""
    clock = Clock()
    module = peer_module("guidellm", "guidellm/backends/openai/request_handlers.py", UsageMetrics=Usage, GenerationResponse=Answer, json=json,
                         ToolCall=lambda **_how: SimpleNamespace(function=SimpleNamespace(name="", arguments="")))
    http = peer_module("guidellm", "guidellm/backends/openai/http.py", time=clock)
    backend = http["OpenAIHTTPBackend"]
    kept = peer_module("guidellm", "guidellm/schemas/base/request_stats.py", computed_field=lambda field: field, np=np)["GenerativeRequestStats"]
    completed, errored = [], []
    for one in played:
        handler = module["ChatCompletionsRequestHandler" if chat else "TextCompletionsRequestHandler"]()
        info, clock.now_ns = SimpleNamespace(timings=Timings()), one.sent_ns

        @contextlib.asynccontextmanager
        async def stream(one=one, **_how):
            yield stream_of(clock, one)
            clock.now_ns = one.ended_ns

        client = SimpleNamespace(_async_client=SimpleNamespace(stream=stream), _trace_request_start=lambda _info: None,
                                 _aiter_lines=lambda response: backend._aiter_lines(None, response), _check_tool_call_expectations=lambda *_args: None)
        request = SimpleNamespace(request_id="1", turn_type="standard")
        response = None
        with contextlib.suppress(ConnectionError, ValueError):
            response = run(last_of(backend._resolve_streaming(client, request, info, handler, SimpleNamespace(model_dump_json=str), {})))
        info.timings.resolve_end = one.ended_ns / S
        usage = response.input_metrics.text_tokens if response else None
        (completed if response else errored).append(kept(
            info=info, input_metrics=Usage(text_tokens=one.prompt if usage is None else usage),
            output_metrics=response.output_metrics if response else Usage()))
    return completed, errored


async def last_of(results):
    """The response that a stream of results ends with."""
    response = None
    async for one, _info in results:
        response = one or response
    return response


class Kept:
    """The keyword arguments of a model, as attributes."""

    def __init__(self, **kwargs):
        self.__dict__.update(kwargs)

    __class_getitem__ = classmethod(lambda cls, _item: cls)


def theirs(played, *, chat):
    completed, errored = requests_of(played, chat=chat)
    laws = peer_module("guidellm", "guidellm/schemas/base/statistics.py", np=np, StandardBaseModel=Kept, StatusBreakdown=Kept)
    holder = peer_module("guidellm", "guidellm/benchmark/schemas/accumulator.py")["GenerativeRequestsAccumulator"]
    named = {"StatusDistributionSummary": laws["StatusDistributionSummary"], "StatusBreakdown": Kept, "StandardBaseDict": Kept}
    metrics = peer_module("guidellm", "guidellm/benchmark/schemas/metrics.py", **named)
    for name in ("GenerativeTextMetricsSummary", "GenerativeImageMetricsSummary", "GenerativeVideoMetricsSummary",
                 "GenerativeAudioMetricsSummary", "GenerativeToolCallMetricsSummary", "GenerativeTurnMetrics"):
        metrics[name] = Anything
    metrics["root_dispatch_delay_distribution"] = lambda _requests: None
    start, end = min(one.sent_ns for one in played) / S, max(one.ended_ns for one in played) / S
    config = SimpleNamespace(confidence=None, slo=None, strategy=SimpleNamespace(defines_arrival_schedule=False))
    return metrics["GenerativeMetrics"].compile(SimpleNamespace(
        timings=SimpleNamespace(finalized_measure_start=start, finalized_measure_end=end), config=config,
        completed=holder(requests_stats=completed), incomplete=holder(requests_stats=[]), errored=holder(requests_stats=errored)))


def statistic(summary, name):
    return getattr(summary.percentiles, name) if name.startswith("p") else getattr(summary, STATISTICS[name])


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_guidellm_s(seed, chat):
    played = make_played(seed, chat=chat)
    expected, found = theirs(played, chat=chat), ours("guidellm", played, chat=chat)
    assert 0 < expected.request_totals.successful < expected.request_totals.total == len(played)
    wrong = {}
    for name, field in FAMILIES.items():
        summary = getattr(expected, field).successful
        wrong |= {f"{name} {one}": (found[name][one], value) for one in STATISTICS
                  if not same(found[name][one], value := statistic(summary, one))}
    concurrency = expected.request_concurrency.total
    wrong |= {f"concurrency {one}": (found["Requests Concurrency"][one], value) for one in ("mean", "p50")
              if not same(found["Requests Concurrency"][one], value := statistic(concurrency, one))}
    merged = 1.01e-4 / duration_s(played)  # the tool takes times within 0.1 ms as one, which shortens the whole by as much at most
    wrong |= {name: (found[name]["mean"], value) for name, field in RATES.items()
              if not same(found[name]["mean"], value := getattr(expected, field).total.mean, rel=merged)}
    assert wrong == {}


def test_the_version_read_is_the_version_named():
    assert TOOLS["guidellm"].version == peer_version("guidellm")
