"""AISBench performance runs: for each data set a JSON file of totals and a CSV table of statistics, both by stage, units in the cells.

Read from ais-bench-benchmark 3.1.20260630 (``ais_bench/benchmark/calculators``, ``summarizers/default_perf.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, mapping, word
from touchstone.judge.foreign.figures import MS
from touchstone.judge.foreign.result import ForeignResult
from touchstone.message import Message, say

TOOL = "aisbench"
_ROUNDED, _ROUNDED_MS = 0.5e-4, 0.05
_PARAMETER, _STAGE = "Performance Parameters", "Stage"
_TOTALS: Mapping[str, tuple[str, float, float]] = {
    "Benchmark Duration": ("duration", MS, _ROUNDED), "Success Requests": ("requests", 1.0, 0.0), "Max Concurrency": ("concurrency", 1.0, 0.0),
    "Request Throughput": ("request_throughput", 1.0, _ROUNDED), "Input Token Throughput": ("prompt_throughput", 1.0, _ROUNDED),
    "Output Token Throughput": ("output_throughput", 1.0, _ROUNDED), "Total Token Throughput": ("total_throughput", 1.0, _ROUNDED),
}
_STATISTICS: Mapping[str, tuple[str, float, float]] = {
    "E2EL": ("e2e", MS, _ROUNDED_MS), "TTFT": ("ttft", MS, _ROUNDED_MS), "TPOT": ("tpot", MS, _ROUNDED_MS), "ITL": ("itl", MS, _ROUNDED_MS),
    "InputTokens": ("input_tokens", 1.0, _ROUNDED), "OutputTokens": ("output_tokens", 1.0, _ROUNDED),
    "OutputTokenThroughput": ("user_throughput", 1.0, _ROUNDED),
}
NOTES: tuple[Message, ...] = (
    say("TTFT: the first event of any kind counts as the first token, even one that carries only the role"),
    say("TPOT: (E2E - TTFT) / (n - 1), where E2E runs to the last event, which may carry only the usage"),
    say("ITL: gaps between all events, also those that carry no token"),
    say("times are rounded to 0.1 ms"),
    say("throughput of the stage 'stable': counts requests that begin inside the stage, and their tokens that come after it"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_totals) or document.rows(_is_statistics))


def read(document: Document) -> ForeignResult:
    """Every stage of every data set. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    stages = _stages(document)
    for reader, (stage, totals, statistics) in collector.readers([(name, (stage, *found)) for (name, stage), found in stages.items()]):
        if totals:
            reader.need(totals, "Benchmark Duration")
        for key, (figure, scale, half) in _TOTALS.items():
            reader.put(figure, key, totals.get(key), scale, half)
        for row in statistics:
            known = _STATISTICS.get(row[_PARAMETER])
            if known is not None:
                reader.put_statistics(known[0], row, known[1], known[2])
        collector.add(reader, f"{word(reader.file).rpartition('/')[2]} {word(stage)}", {})
    return collector.result(None, Subject(lockstep=False), {})


def _is_totals(value: Mapping[str, Any]) -> bool:
    return "Benchmark Duration" in value and sum(key in value for key in _TOTALS) >= 4


def _is_statistics(value: Mapping[str, Any]) -> bool:
    return _PARAMETER in value and _STAGE in value and "N" in value


def _stages(document: Document) -> dict[tuple[str, str], tuple[dict[str, Any], list[Mapping[str, str]]]]:
    """Totals and statistics by data set (the file's name without its ending) and stage."""
    found: dict[tuple[str, str], tuple[dict[str, Any], list[Mapping[str, str]]]] = {}
    for file, totals in document.rows(_is_totals):
        for stage in mapping(totals["Benchmark Duration"]):
            kept = found.setdefault((file.rpartition(".")[0], str(stage)), ({}, []))
            kept[0].update({key: mapping(value).get(stage) for key, value in totals.items()})
    for file, row in document.rows(_is_statistics):
        found.setdefault((file.rpartition(".")[0], row[_STAGE]), ({}, []))[1].append(row)
    return found
