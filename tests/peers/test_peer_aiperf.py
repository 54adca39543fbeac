"""``aiperf profile`` on the same answers: its own reader of an event, its own metrics and its own aggregation."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from peer_source import Anything, peer_module, peer_version
from peer_streams import DONE, make_played, ours, same

from touchstone.judge.definitions import TOOLS

STATISTICS = {"mean": "avg", "min": "min", "max": "max", "std": "std", "p50": "p50", "p75": "p75", "p90": "p90", "p95": "p95", "p99": "p99"}
TYPES = "aiperf/metrics/types"
RECORDS = {  # in the order of what they need
    "time_to_first_token": ("ttft_metric", "TTFTMetric", "Time to First Token", 1e-6),
    "time_to_second_token": ("ttst_metric", "TTSTMetric", "Time to Second Token", 1e-6),
    "time_to_first_output_token": ("time_to_first_output_token_metric", "TimeToFirstOutputTokenMetric", "Time to First Output Token", 1e-6),
    "request_latency": ("request_latency_metric", "RequestLatencyMetric", "Request Latency", 1e-6),
    "output_sequence_length": ("output_sequence_length_metric", "OutputSequenceLengthMetric", "Output Sequence Length", 1),
    "input_sequence_length": ("input_sequence_length_metric", "InputSequenceLengthMetric", "Input Sequence Length", 1),
    "inter_token_latency": ("inter_token_latency_metric", "InterTokenLatencyMetric", "Inter Token Latency", 1e-6),
    "inter_chunk_latency": ("inter_chunk_latency_metric", "InterChunkLatencyMetric", "Inter Chunk Latency", 1e-6),
    "output_token_throughput_per_user": ("output_token_throughput_metrics", "OutputTokenThroughputPerUserMetric",
                                         "Output Token Throughput Per User", 1),
}
RATES = {"output_token_throughput_metrics": ("OutputTokenThroughputMetric", "Output Token Throughput"),
         "total_token_throughput": ("TotalTokenThroughputMetric", "Total Token Throughput"),
         "request_throughput_metric": ("RequestThroughputMetric", "Request Throughput")}


class NoValueError(Exception):
    """The metric has no value for a record."""


class Record(dict):
    """The metrics of one request, or of all."""

    def get_or_raise(self, metric):
        if metric.tag not in self:
            raise NoValueError(metric.tag)
        return self[metric.tag]

    def get_converted_or_raise(self, metric, _unit):
        return self.get_or_raise(metric) / 1e9

    def observation_duration(self, _unit):
        return self["benchmark_duration"] / 1e9


class Said(SimpleNamespace):
    """What an event brought."""


class Text(Said):
    pass


class Reasoning(Said):
    content = None


class Tool(Said):
    pass


DATA = {"TextResponseData": Text, "ReasoningResponseData": Reasoning, "ToolCallResponseData": Tool}
METRICS = {"BaseRecordMetric": Anything, "BaseDerivedMetric": Anything, "BaseAggregateMetric": Anything, "NoMetricValue": NoValueError}


def metric(module, name, **known):
    """A metric of the tool."""
    return peer_module("aiperf", f"{TYPES}/{module}.py", **METRICS, **DATA, **known)[name]


def record_of(endpoint, one, *, chat):
    """A request as the tool keeps it; None where it has failed."""
    payloads = [(at_ns, json.loads(json.dumps(payload))) for at_ns, payload in one.told if payload != DONE]
    if one.status != 200 or one.broken or any("error" in payload for _, payload in payloads):
        return None
    responses = []
    for at_ns, payload in payloads:
        data = endpoint.extract_chat_response_data(payload) if chat else (
            Text(text=payload["choices"][0]["text"]) if payload["choices"] and payload["choices"][0]["text"] else None)
        responses.append(SimpleNamespace(perf_ns=at_ns, data=data, usage=payload.get("usage")))
    content = [one for one in responses if one.data]
    if not content:
        return None
    usage = next(one.usage for one in reversed(responses) if one.usage)
    counts = SimpleNamespace(input=one.prompt, output=usage["completion_tokens"], reasoning=None, first_content_chunk_tokens=None)
    return SimpleNamespace(content_responses=content, start_perf_ns=one.sent_ns, timestamp_ns=one.sent_ns, token_counts=counts,
                           request=SimpleNamespace(start_perf_ns=one.sent_ns))


def theirs(played, *, chat):
    """Each metric's values over the records, and the derived ones."""
    endpoint = object.__new__(peer_module("aiperf", "aiperf/endpoints/openai_chat.py", **DATA)["ChatEndpoint"])
    endpoint.debug, endpoint.make_text_response_data = (lambda _said: None), (lambda text: Text(text=text))
    classes = {}
    for tag, (module, name, _, _) in RECORDS.items():
        classes[tag] = metric(module, name, **{one.__name__: one for one in classes.values()})
    names = {one.__name__: one for one in classes.values()}
    least, most = metric("min_request_metric", "MinRequestTimestampMetric"), metric("max_response_metric", "MaxResponseTimestampMetric", **names)
    values, starts, ends = {tag: [] for tag in RECORDS}, [], []
    for one in played:
        record = record_of(endpoint, one, chat=chat)
        if record is None:
            continue
        found = Record()
        for tag, kind in classes.items():
            try:
                found[tag] = kind._parse_record(kind(), record, found)
            except NoValueError:
                continue
            values[tag] += found[tag] if isinstance(found[tag], list) else [found[tag]]
        starts.append(least._parse_record(least(), record, found))
        ends.append(most._parse_record(most(), record, found))
    bounds = Record({"min_request_timestamp": min(starts), "max_response_timestamp": max(ends)})
    lasted = metric("benchmark_duration_metric", "BenchmarkDurationMetric", MinRequestTimestampMetric=least, MaxResponseTimestampMetric=most)
    totals = Record(benchmark_duration=lasted._derive_value(lasted(), bounds), request_count=len(starts),
                    total_osl=sum(values["output_sequence_length"]), total_isl=sum(values["input_sequence_length"]))
    tags = {"RequestCountMetric": "request_count", "TotalOutputSequenceLengthMetric": "total_osl", "TotalInputSequenceLengthMetric": "total_isl"}
    given = {name: type(name, (), {"tag": tag}) for name, tag in tags.items()}
    rates = {shown: kind._derive_value(kind(), totals) for module, (name, shown) in RATES.items()
             for kind in [metric(module, name, **{**names, **given})]}
    return values, rates | {"Benchmark Duration": totals["benchmark_duration"] / 1e9}


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_aiperf_s(seed, chat):
    # With the server's counts, as by its --use-server-token-count.
    played = make_played(seed, chat=chat, usage_share=1)
    (values, rates), found = theirs(played, chat=chat), ours("aiperf", played, chat=chat, with_text=False)
    aggregate = peer_module("aiperf", "aiperf/metrics/metric_dicts.py", MetricResult=SimpleNamespace)["metric_result_from_array"]
    wrong = {}
    for tag, (_, _, name, scale) in RECORDS.items():
        column = np.array(values[tag], dtype=float)
        expected = aggregate(tag, name, "", column, float(column.sum()))
        wrong |= {f"{name} {one}": (found[name][one], value) for one, field in STATISTICS.items()
                  if not same(found[name][one], value := scale * getattr(expected, field))}
    wrong |= {name: (found[name]["value"], value) for name, value in rates.items() if not same(found[name]["value"], value)}
    assert wrong == {}


def test_the_version_read_is_the_version_named():
    assert TOOLS["aiperf"].version == peer_version("aiperf")
