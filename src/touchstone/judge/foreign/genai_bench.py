"""``genai-bench``: a folder with ``experiment_metadata.json`` and one object per load.

Read from GenAI-Bench 0.0.5 (``genai_bench/metrics``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, mapping, word, words
from touchstone.judge.foreign.figures import MS, RowReader, number
from touchstone.judge.foreign.result import ForeignResult, PerRequest
from touchstone.message import Message, say

TOOL = "genai-bench"
_TIMES: Mapping[str, str] = {"ttft": "ttft", "tpot": "tpot", "e2e_latency": "e2e"}
_OTHERS: Mapping[str, str] = {"num_input_tokens": "input_tokens", "num_output_tokens": "output_tokens", "output_inference_speed": "decode_speed"}
_RATES: Mapping[str, str] = {
    "requests_per_second": "request_throughput", "mean_output_throughput_tokens_per_s": "output_throughput",
    "mean_input_throughput_tokens_per_s": "prompt_throughput", "mean_total_tokens_throughput_tokens_per_s": "total_throughput",
}
_CONDITIONS = ("api_backend", "task", "server_engine", "server_version", "server_model_tokenizer", "max_requests_per_run")
NOTES: tuple[Message, ...] = (
    say("TTFT: contains a new TCP connection for every request"),
    say("TPOT: (E2E - TTFT) / (n - 1), without regard to how many tokens the first event brought"),
    say("decode speed: the mean of the requests' speeds, which is not 1 / mean TPOT"),
    say("throughput: where requests at the start or the end are cut off, their tokens are but their time is not"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_run))


def read(document: Document) -> ForeignResult:
    """All loads of the folder. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    metadata = next((one for _, one in document.rows(lambda value: "benchmark_version" in value and "api_backend" in value)), {})
    model, hardware = metadata.get("api_model_name") or metadata.get("model"), metadata.get("server_gpu_type")
    devices = number(metadata.get("server_gpu_count"))
    stated = words({"model": model, "hardware": hardware})
    for reader, run in collector.readers(document.rows(_is_run)):
        scale = MS if run.get("_time_unit") == "ms" else 1.0
        totals = mapping(run["aggregated_metrics"])
        reader.put("devices", "server_gpu_count", metadata.get("server_gpu_count"))
        _read_run(reader, totals, scale)
        collector.add(reader, f"{word(totals.get('scenario'))} num_concurrency={word(totals.get('num_concurrency'))}", stated,
                      _columns(reader, run.get("individual_request_metrics"), scale))
    subject = Subject(model=stated.get("model"), hardware=stated.get("hardware"), devices=int(devices) if devices else None, lockstep=False)
    return collector.result(words(metadata).get("benchmark_version"), subject, words({key: metadata.get(key) for key in _CONDITIONS}))


def _is_run(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("aggregated_metrics"), Mapping) and (
        "individual_request_metrics" in value or "num_concurrency" in value["aggregated_metrics"])


def _read_run(reader: RowReader, totals: Mapping[str, Any], scale: float) -> None:
    reader.need(totals, "run_duration")
    reader.put("duration", "run_duration", totals.get("run_duration"))
    reader.put("concurrency", "num_concurrency", totals.get("num_concurrency"))
    reader.put("requests", "num_completed_requests", totals.get("num_completed_requests"))
    stats = mapping(totals.get("stats"))
    for name, figure in _TIMES.items():
        reader.put_statistics(figure, mapping(stats.get(name)), scale)
    for name, figure in _OTHERS.items():
        reader.put_statistics(figure, mapping(stats.get(name)))
    for name, figure in _RATES.items():
        reader.put(figure, name, totals.get(name))


def _columns(reader: RowReader, listed: object, scale: float) -> PerRequest | None:
    requests = [mapping(one) for one in listed] if isinstance(listed, list) else []
    if not requests:
        return None
    failed = [one.get("error_code") is not None for one in requests]
    return reader.columns({
        "ttfts_s": [one.get("ttft") for one in requests], "latencies_s": [one.get("e2e_latency") for one in requests],
        "input_tokens": [one.get("num_input_tokens") for one in requests], "output_tokens": [one.get("num_output_tokens") for one in requests],
    }, failed, scale)
