"""``evalscope perf``: ``benchmark_summary.json`` and ``benchmark_percentile.json`` per load, rounded, with the units in the keys.

Read from EvalScope 1.14.1 (``evalscope/perf/utils``), and the longer keys of older versions. Its requests lie in an SQLite
file, which is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, mapping, words
from touchstone.judge.foreign.figures import MS, RowReader, number
from touchstone.judge.foreign.result import ForeignResult
from touchstone.message import Message, say

TOOL = "evalscope"
_ROUNDED = 0.5e-4
_SUMMARY: Mapping[str, tuple[str, float, float]] = {
    "Avg Latency (s)": ("e2e", 1.0, _ROUNDED), "Avg TTFT (ms)": ("ttft", MS, 0.5e-2), "Avg TPOT (ms)": ("tpot", MS, 0.5e-2),
    "Avg ITL (ms)": ("itl", MS, 0.5e-2), "Avg Input Tokens": ("input_tokens", 1.0, _ROUNDED),
    "Avg Output Tokens": ("output_tokens", 1.0, _ROUNDED), "Req Throughput (req/s)": ("request_throughput", 1.0, _ROUNDED),
    "Output Throughput (tok/s)": ("output_throughput", 1.0, _ROUNDED), "Total Throughput (tok/s)": ("total_throughput", 1.0, _ROUNDED),
    "Average latency (s)": ("e2e", 1.0, _ROUNDED), "Average time to first token (s)": ("ttft", 1.0, _ROUNDED),
    "Average time per output token (s)": ("tpot", 1.0, _ROUNDED), "Average inter-token latency (s)": ("itl", 1.0, _ROUNDED),
    "Average input tokens per request": ("input_tokens", 1.0, _ROUNDED), "Average output tokens per request": ("output_tokens", 1.0, _ROUNDED),
    "Request throughput (req/s)": ("request_throughput", 1.0, _ROUNDED), "Output token throughput (tok/s)": ("output_throughput", 1.0, _ROUNDED),
    "Total token throughput (tok/s)": ("total_throughput", 1.0, _ROUNDED),
}
"""Key → figure, scale to SI and half of the last digit, in the unit of the key."""
_DURATION, _SUCCEEDED = ("Test Duration (s)", "Time taken for tests (s)"), ("Success Requests", "Succeed requests")
_CONCURRENCY, _RATE = ("Concurrency", "Number of concurrency"), ("Request Rate (req/s)", "Request rate (req/s)")
_PERCENTILES: Mapping[str, tuple[str, float]] = {
    "Latency (s)": ("e2e", 1.0), "TTFT (ms)": ("ttft", MS), "ITL (ms)": ("itl", MS), "TPOT (ms)": ("tpot", MS), "TTFT (s)": ("ttft", 1.0),
    "ITL (s)": ("itl", 1.0), "TPOT (s)": ("tpot", 1.0), "Input tokens": ("input_tokens", 1.0), "Output tokens": ("output_tokens", 1.0),
    "Output (tok/s)": ("user_throughput", 1.0), "Decode (tok/s)": ("decode_speed", 1.0),
}
_CONDITIONS = ("api", "dataset", "tokenizer_path", "stream", "min_prompt_length", "max_prompt_length", "max_tokens", "url")
NOTES: tuple[Message, ...] = (
    say("TTFT: the first event with a choices list counts as the first token, even one that carries only the role and no text"),
    say("TPOT: (E2E - TTFT) / (n - 1), without regard to how many tokens the first event brought"),
    say("percentiles: the nearest value at or above the rank, not interpolated, and rounded"),
    say("its requests lie in an SQLite file, which is not read"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_summary))


def read(document: Document) -> ForeignResult:
    """All loads of the document. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    arguments: Mapping[str, Any] = {}
    for reader, summary in collector.readers(document.rows(_is_summary)):
        folder = reader.file.rpartition("/")[0]
        _read_summary(reader, summary)
        _read_percentiles(reader, document.files.get(_beside(folder, "benchmark_percentile.json")))
        own = mapping(document.files.get(_beside(folder, "benchmark_args.json")))
        arguments = arguments or own
        collector.add(reader, folder.rpartition("/")[2] or "parallel_" + str(_first(summary, _CONCURRENCY)), words({"model": own.get("model")}))
    conditions = words({key: arguments.get(key) for key in _CONDITIONS})
    return collector.result(None, Subject(model=words(arguments).get("model"), lockstep=False), conditions)


def _is_summary(value: Mapping[str, Any]) -> bool:
    return sum(key in value for key in (*_SUMMARY, *_DURATION, *_SUCCEEDED, *_CONCURRENCY)) >= 5


def _beside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    return next((row[key] for key in keys if key in row), None)


def _read_summary(reader: RowReader, summary: Mapping[str, Any]) -> None:
    known = next((key for key in _DURATION if key in summary), _DURATION[0])
    reader.need(summary, known)
    reader.put("duration", known, summary.get(known), half=_ROUNDED)
    reader.put("requests", _SUCCEEDED[0], _first(summary, _SUCCEEDED))
    for figure, keys in (("concurrency", _CONCURRENCY), ("request_rate", _RATE)):
        load = _first(summary, keys)
        if (number(load) or 0) > 0:  # -1: not limited
            reader.put(figure, keys[0], load)
    for key, (figure, scale, half) in _SUMMARY.items():
        reader.put(figure, key, summary.get(key), scale, half)


def _read_percentiles(reader: RowReader, rows: object) -> None:
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping):
            for key, (figure, scale) in _PERCENTILES.items():
                value = row.get(key)
                if value == value:  # noqa: PLR0124 - NaN marks what no request had
                    reader.put_statistics(figure, {str(row.get("Percentiles", row.get("Percentile")))[:8]: value}, scale, _ROUNDED)
