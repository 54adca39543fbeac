"""``aiperf profile``: ``profile_export_aiperf.json`` with a unit beside every metric, and ``profile_export.jsonl`` with the requests.

Read from AIPerf 0.13.0 (schema 1.4); earlier ones lack ``schema_version`` but say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, mapping, word, words
from touchstone.judge.foreign.figures import RowReader, number
from touchstone.judge.foreign.result import ForeignResult, PerRequest
from touchstone.message import Message, say

TOOL = "aiperf"
_METRICS: Mapping[str, str] = {
    "time_to_first_token": "ttft", "inter_token_latency": "tpot", "inter_chunk_latency": "itl", "request_latency": "e2e",
    "output_token_throughput_per_user": "decode_speed", "e2e_output_token_throughput": "user_throughput",
    "input_sequence_length": "input_tokens", "output_sequence_length": "output_tokens",
}
_TOTALS: Mapping[str, str] = {
    "request_throughput": "request_throughput", "output_token_throughput": "output_throughput", "total_token_throughput": "total_throughput",
    "request_count": "requests", "benchmark_duration": "duration",
}
_SCALES: Mapping[str, float] = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_MOST_REQUESTS = 10_000_000
_PLAIN_UNITS = frozenset({"tokens", "requests", "tokens/sec", "requests/sec", "tokens/sec/user", "count"})
NOTES: tuple[Message, ...] = (
    say("inter_token_latency is (E2E - TTFT) / (n - 1) of each request: read here as TPOT"),
    say("inter_chunk_latency are the gaps between events, however many tokens each brought: read here as ITL"),
    say("tokens are counted with its own tokenizer, unless it was told to use the server's count"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_profile))


def read(document: Document) -> ForeignResult:
    """The profiles of the document. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    profiles = document.rows(_is_profile)
    for reader, profile in collector.readers(profiles):
        _read_profile(reader, profile)
        load = _load(profile)
        for figure, key in (("concurrency", "concurrency"), ("request_rate", "rate")):
            reader.put(figure, key, load.get(key))
        label = " ".join(f"{key}={word(load[key])}" for key in ("concurrency", "rate") if load.get(key) is not None)
        collector.add(reader, label, words({"model": _model(profile)}), _columns(reader, _records(document, reader.file)))
        collector.notes += _counted_twice(profile)
    first = profiles[0][1]
    endpoint = mapping(mapping(first.get("input_config")).get("endpoint"))
    return collector.result(words(first).get("aiperf_version"), Subject(model=words({"model": _model(first)}).get("model"), lockstep=False),
                            words({"endpoint": endpoint.get("type"), "benchmark_id": first.get("benchmark_id")}))


def _is_profile(value: Mapping[str, Any]) -> bool:
    measured = [name for name in (*_METRICS, *_TOTALS) if "unit" in mapping(value.get(name))]
    return "input_config" in value and (len(measured) >= 2 or "aiperf_version" in value)


def _is_request(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("metrics"), Mapping) and "metadata" in value


def _read_profile(reader: RowReader, profile: Mapping[str, Any]) -> None:
    reader.need({"request_latency": mapping(profile.get("request_latency")).get("avg")}, "request_latency")
    for name, figure in _METRICS.items():
        metric = mapping(profile.get(name))
        scale = _scale(reader, name, metric)
        if scale is not None:
            reader.put_statistics(figure, metric, scale)
    for name, figure in _TOTALS.items():
        metric = mapping(profile.get(name))
        scale = _scale(reader, name, metric)
        if scale is not None:
            reader.put(figure, name, metric.get("avg"), scale)


def _scale(reader: RowReader, name: str, metric: Mapping[str, Any]) -> float | None:
    """What to multiply a metric by; None where it is not given or in a unit that is not known."""
    unit = metric.get("unit")
    if not metric or not isinstance(unit, str):
        return None
    if unit not in _SCALES and unit not in _PLAIN_UNITS:
        reader.left_out.append(say("{file}: {key} is in a unit that is not known: {unit}", file=word(reader.file), key=name, unit=word(unit)))
        return None
    return _SCALES.get(unit, 1.0)


def _load(profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """The load of the last phase; the measured one comes after warming up."""
    config = mapping(profile.get("input_config"))
    phases = config.get("phases")
    if isinstance(phases, list) and phases:
        return mapping(phases[-1])
    older = mapping(config.get("loadgen"))
    return {"concurrency": older.get("concurrency"), "rate": older.get("request_rate")}


def _model(profile: Mapping[str, Any]) -> object:
    config = mapping(profile.get("input_config"))
    items = mapping(config.get("models")).get("items")
    if isinstance(items, list) and items:
        return mapping(items[0]).get("name")
    older = mapping(config.get("endpoint")).get("model_names")
    return older[0] if isinstance(older, list) and older else None


def _records(document: Document, file: str) -> list[Mapping[str, Any]]:
    """The requests of the profile in ``file``: those in its own folder."""
    folder = file.rpartition("/")[0]
    return [one for path, one in document.rows(_is_request, most=_MOST_REQUESTS)
            if path.rpartition("/")[0] == folder and mapping(one["metadata"]).get("benchmark_phase") in ("profiling", None)]


def _columns(reader: RowReader, records: list[Mapping[str, Any]]) -> PerRequest | None:
    if not records:
        return None

    def values(name: str, factor: float) -> list[Any]:
        found = [mapping(mapping(record["metrics"]).get(name)).get("value") for record in records]
        return [value * factor if (value := number(one)) is not None else None for one in found]

    gaps = [mapping(mapping(record["metrics"]).get("inter_chunk_latency")).get("value") for record in records]
    return reader.columns({
        "ttfts_s": values("time_to_first_token", 1e-3), "latencies_s": values("request_latency", 1e-3),
        "input_tokens": values("input_sequence_length", 1.0), "output_tokens": values("output_sequence_length", 1.0),
        "start_times_s": [value * 1e-9 if (value := number(mapping(record["metadata"]).get("request_start_ns"))) else None for record in records],
        "itls_s": [[value * 1e-3 for gap in one if (value := number(gap)) is not None] if isinstance(one, list) else None for one in gaps],
    }, [record.get("error") is not None for record in records])


def _counted_twice(profile: Mapping[str, Any]) -> list[Message]:
    """The server's count of an answer, where it is another than the tool's."""
    own = number(mapping(profile.get("output_sequence_length")).get("avg"))
    server = number(mapping(profile.get("usage_completion_tokens")).get("avg"))
    if not own or not server or abs(own - server) <= 0.01 * server:
        return []
    return [say("output tokens: {own} a request by its own tokenizer, {server} by the server's count; the figures use the first",
                own=word(f"{own:g}"), server=word(f"{server:g}"))]
