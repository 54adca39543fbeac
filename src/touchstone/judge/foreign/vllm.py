"""``vllm bench serve --save-result``: one flat object per run, in ms; several in a row with ``--append-result``.

Read from vLLM 0.33.0 (``vllm/benchmarks/serve.py``, ``lib/endpoint_request_func.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, word, words
from touchstone.judge.foreign.figures import MS, RowReader, number
from touchstone.judge.foreign.result import ForeignResult
from touchstone.message import Message, say

TOOL = "vllm"
MARKS = ("duration", "completed", "total_input_tokens", "request_throughput", "total_token_throughput", "mean_ttft_ms", "mean_tpot_ms")
_CONDITIONS = ("date", "backend", "endpoint_type", "tokenizer_id", "num_prompts", "failed", "burstiness", "label")
_LATENCY = re.compile(r"(mean|median|std|p[0-9.]{1,6})_(ttft|tpot|itl|e2el|e2e_latency)_ms")
_FIGURES = {"e2el": "e2e", "e2e_latency": "e2e"}
NOTES: tuple[Message, ...] = (
    say("TTFT: the first event with a choices list counts as the first token, even one that carries only the role and no text"),
    say("TPOT: (E2E - TTFT) / (n - 1), without regard to how many tokens the first event brought"),
    say("ITL: gaps between events, however many tokens each brought; the event that carries only the reason for finishing makes one too"),
    say("throughput: over the time from the first request sent to the last answer, so ramp and drain are included"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_run))


def read(document: Document) -> ForeignResult:
    """All runs of the document. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    runs = document.rows(_is_run)
    for reader, run in collector.readers(runs):
        _read_run(reader, run)
        columns = reader.columns({name: run.get(key) for name, key in COLUMNS.items()}, failures(run))
        collector.add(reader, load_label(run), words({"model": run.get("model_id")}), columns)
    first = runs[0][1]
    return collector.result(None, Subject(model=words(first).get("model_id"), lockstep=False),
                            words({key: first.get(key) for key in _CONDITIONS}))


COLUMNS: Mapping[str, str] = {
    "ttfts_s": "ttfts", "latencies_s": "latencies", "input_tokens": "input_lens", "output_tokens": "output_lens",
    "start_times_s": "start_times", "itls_s": "itls",
}
"""Our per-request columns → their keys."""


def _is_run(value: Mapping[str, Any]) -> bool:
    return sum(key in value for key in MARKS) >= 5 and "mean_e2e_latency_ms" not in value


def _read_run(reader: RowReader, run: Mapping[str, Any]) -> None:
    for figure, key in (("duration", "duration"), ("requests", "completed")):
        reader.need(run, key)
        reader.put(figure, key, run.get(key))
    put_load(reader, run)
    for figure, key in (("request_throughput", "request_throughput"), ("output_throughput", "output_throughput"),
                        ("total_throughput", "total_token_throughput")):
        reader.put(figure, key, run.get(key))
    put_latencies(reader, run)


def put_load(reader: RowReader, run: Mapping[str, Any]) -> None:
    """The load that a run offered, and the mean lengths of its good requests."""
    reader.put("concurrency", "max_concurrency", run.get("max_concurrency"))
    if number(run.get("request_rate")) is not None:  # "inf" and Infinity: all at once
        reader.put("request_rate", "request_rate", run.get("request_rate"))
    reader.put_mean("input_tokens", run.get("total_input_tokens"), run.get("completed"))
    reader.put_mean("output_tokens", run.get("total_output_tokens"), run.get("completed"))


def put_latencies(reader: RowReader, run: Mapping[str, Any]) -> None:
    """Every ``p99_ttft_ms`` of a run."""
    for key, value in run.items():
        found = _LATENCY.fullmatch(key)
        if found:
            reader.put_statistics(_FIGURES.get(found[2], found[2]), {found[1]: value}, MS)


def failures(run: Mapping[str, Any]) -> list[bool]:
    """For each request whether it failed, where the file says so."""
    errors = run.get("errors")
    return [bool(error) for error in errors] if isinstance(errors, list) else []


def load_label(run: Mapping[str, Any]) -> str:
    """The load of a run in that tool's words."""
    return " ".join(f"{key}={word(run[key])}" for key in ("max_concurrency", "request_rate")
                    if run.get(key) is not None and (key == "max_concurrency" or number(run[key]) is not None)) or "request_rate=inf"
