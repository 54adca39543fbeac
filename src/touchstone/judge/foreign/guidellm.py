"""``guidellm``: one object with ``benchmarks``, each with its metrics by the status of the requests.

Read from GuideLLM 0.8.1 (``guidellm/benchmark/schemas/metrics.py``, ``guidellm/schemas/base/request_stats.py``); version 2 of the format
and version 1, whose metrics are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, mapping, word, words
from touchstone.judge.foreign.figures import MS, RowReader
from touchstone.judge.foreign.result import ForeignResult, PerRequest
from touchstone.message import Message, say

TOOL = "guidellm"
_METRICS: Mapping[str, tuple[str, float]] = {
    "time_to_first_token_ms": ("ttft", MS), "inter_token_latency_ms": ("tpot", MS), "request_latency": ("e2e", 1.0),
    "prompt_token_count": ("input_tokens", 1.0), "output_token_count": ("output_tokens", 1.0),
}
"""Their metric → our figure and the scale to SI. Their inter-token latency is our TPOT; they keep no gaps."""
_RATES: Mapping[str, str] = {
    "requests_per_second": "request_throughput", "output_tokens_per_second": "output_throughput",
    "prompt_tokens_per_second": "prompt_throughput", "tokens_per_second": "total_throughput",
}
NOTES: tuple[Message, ...] = (
    say("time_per_output_token is E2E / n, with the first token in it; it is not a TPOT and is left out"),
    say("inter_token_latency is (last token - first token) / (n - 1) of each request, weighted by its tokens: read here as TPOT"),
    say("ITL: no gaps are kept"),
    say("times are of the wall clock, which can be set while it measures"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_report))


def read(document: Document) -> ForeignResult:
    """All benchmarks of the document. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    reports = document.rows(_is_report)
    backend: Mapping[str, Any] = {}
    benchmarks = [(file, one) for file, report in reports for one in report["benchmarks"] if isinstance(one, Mapping)]
    for reader, benchmark in collector.readers(benchmarks):
        config = mapping(benchmark.get("config"))
        backend = backend or mapping(config.get("backend"))
        _read_benchmark(reader, benchmark)
        collector.add(reader, _label(mapping(config.get("strategy"))), words({"model": mapping(config.get("backend")).get("model")}),
                      _columns(reader, benchmark))
    version = words(mapping(reports[0][1].get("metadata"))).get("guidellm_version")
    return collector.result(version, Subject(model=words(backend).get("model"), lockstep=False),
                            words({name: backend.get(name) for name in ("kind", "request_format", "target")}))


def _is_report(value: Mapping[str, Any]) -> bool:
    benchmarks = value.get("benchmarks")
    return isinstance(benchmarks, list) and ("metadata" in value or "args" in value) and any(
        isinstance(one, Mapping) and ("scheduler_metrics" in one or "request_totals" in mapping(one.get("metrics"))) for one in benchmarks[:3])


def _read_benchmark(reader: RowReader, benchmark: Mapping[str, Any]) -> None:
    metrics = mapping(benchmark.get("metrics"))
    if not metrics:
        reader.need(benchmark, "metrics")
    strategy = mapping(mapping(benchmark.get("config")).get("strategy"))
    reader.put("concurrency", "streams", strategy.get("streams"))
    reader.put("request_rate", "rate", strategy.get("rate"))
    reader.put("duration", "duration", benchmark.get("duration"))
    reader.put("requests", "request_totals", mapping(metrics.get("request_totals")).get("successful"))
    for name, (figure, scale) in _METRICS.items():
        good = mapping(mapping(metrics.get(name)).get("successful"))
        reader.put_statistics(figure, {**good, **mapping(good.get("percentiles"))} if good.get("count") != 0 else {}, scale)
    for name, figure in _RATES.items():
        reader.put(figure, name, mapping(mapping(metrics.get(name)).get("successful")).get("mean"))


def _columns(reader: RowReader, benchmark: Mapping[str, Any]) -> PerRequest | None:
    """Of the good requests only: the tool's figures are of these."""
    listed = mapping(benchmark.get("requests")).get("successful")
    requests = [mapping(one) for one in listed] if isinstance(listed, list) else []
    if not requests:
        return None
    in_ms = reader.columns({"ttfts_s": [one.get("time_to_first_token_ms") for one in requests]}, scale=MS)
    others = reader.columns({
        "latencies_s": [one.get("request_latency") for one in requests], "input_tokens": [one.get("prompt_tokens") for one in requests],
        "output_tokens": [one.get("output_tokens") for one in requests],
        "start_times_s": [one.get("request_start_time") for one in requests]})
    both = {**(vars(others) if others else {}), "ttfts_s": in_ms.ttfts_s if in_ms else None}
    return PerRequest(**both) if any(both.values()) else None


def _label(strategy: Mapping[str, Any]) -> str:
    load = next((strategy[key] for key in ("streams", "rate") if strategy.get(key) is not None), None)
    return word(strategy.get("type_") or "") + ("" if load is None else f"@{word(load)}")
