"""``sglang.bench_serving --output-file``: JSON Lines, one flat object per run, in ms.

Read from SGLang 0.5.23 (``sglang/benchmark/serving.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign import vllm
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, mapping, word, words
from touchstone.judge.foreign.figures import RowReader, number
from touchstone.judge.foreign.result import ForeignResult
from touchstone.message import Message, say

TOOL = "sglang"
MARKS = ("duration", "completed", "total_input_tokens", "request_throughput", "total_throughput", "mean_e2e_latency_ms", "mean_ttft_ms",
         "total_output_tokens_retokenized")
_CONDITIONS = ("backend", "dataset_name", "random_input_len", "random_output_len", "random_range_ratio", "tag", "concurrency", "accept_length")
_SERVER = ("model_path", "tp_size", "dp_size", "dtype", "quantization", "version")
NOTES: tuple[Message, ...] = (
    say("TTFT: contains a new TCP connection for every request"),
    say("TPOT: (E2E - TTFT) / (n - 1), where E2E runs to the last line of the stream"),
    say("ITL: a gap is repeated for every token that an event brought under speculative decoding"),
    say("output tokens: as the server counts them; where it does not, the number that was asked for"),
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
        columns = reader.columns({name: run.get(key) for name, key in vllm.COLUMNS.items()}, vllm.failures(run))
        server = mapping(run.get("server_info"))
        collector.add(reader, vllm.load_label(run), words({"model": server.get("model_path"), "dtype": server.get("dtype")}), columns)
        collector.notes += _counted_twice(run)
    server = mapping(runs[0][1].get("server_info"))
    conditions = words({key: runs[0][1].get(key) for key in _CONDITIONS} | {key: server.get(key) for key in _SERVER})
    return collector.result(None, Subject(model=conditions.get("model_path"), lockstep=False), conditions)


def _is_run(value: Mapping[str, Any]) -> bool:
    return sum(key in value for key in MARKS) >= 6


def _read_run(reader: RowReader, run: Mapping[str, Any]) -> None:
    for figure, key in (("duration", "duration"), ("requests", "completed")):
        reader.need(run, key)
        reader.put(figure, key, run.get(key))
    vllm.put_load(reader, run)
    for figure, key in (("request_throughput", "request_throughput"), ("prompt_throughput", "input_throughput"),
                        ("output_throughput", "output_throughput"), ("total_throughput", "total_throughput")):
        reader.put(figure, key, run.get(key))
    vllm.put_latencies(reader, run)


def _counted_twice(run: Mapping[str, Any]) -> list[Message]:
    """The tool's own second count, where it is another."""
    counted, again = number(run.get("total_output_tokens")), number(run.get("total_output_tokens_retokenized"))
    if not counted or not again or counted == again:
        return []
    return [say("output tokens: {counted} by the server's count or as asked for, {again} by its own tokenizer; the figures use the first",
                counted=word(f"{counted:.0f}"), again=word(f"{again:.0f}"))]
