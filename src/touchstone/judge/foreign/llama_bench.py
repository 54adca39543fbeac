"""``llama-bench -o json``, ``jsonl`` or ``csv``: one row per test of an engine in its own process; there is no server.

Read from llama.cpp build 11434 (``tools/llama-bench``). A test processes a prompt (pp), generates from an empty prompt (tg), or does both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from touchstone.claim import Subject
from touchstone.judge.foreign.collector import Collector
from touchstone.judge.foreign.document import Document, words
from touchstone.judge.foreign.figures import RowReader, number
from touchstone.judge.foreign.result import ForeignResult
from touchstone.message import Message, say

TOOL = "llama-bench"
_NS = 1e-9
_WEIGHTS = re.compile(r"\b(?:B?F16|F32|(?:I?Q|TQ)[0-9]_[A-Z0-9_]+|MXFP4)\b")
_MARKS = ("build_commit", "model_filename", "model_type", "n_prompt", "n_gen", "avg_ns", "avg_ts", "stddev_ts", "test_time", "n_threads")
_CONDITIONS = ("build_number", "cpu_info", "gpu_info", "backends", "n_batch", "n_ubatch", "n_threads", "type_k", "type_v", "n_gpu_layers",
               "flash_attn", "split_mode")
NOTES: tuple[Message, ...] = (
    say("times are of the model alone: no tokenizing, no sampling, no server"),
    say("speeds are the mean of the repetitions' speeds, not tokens / time"),
    say("tg: generates after an empty prompt (or the context that @ d names), so nothing is said of a TTFT"),
)


def recognises(document: Document) -> bool:
    """Whether any file is of this tool."""
    return bool(document.rows(_is_test))


def read(document: Document) -> ForeignResult:
    """All tests of the document. Raises :class:`touchstone.errors.DataError` naming the key that is missing."""
    collector = Collector(TOOL, document, NOTES)
    tests = document.rows(_is_test)
    for reader, test in collector.readers(tests):
        collector.add(reader, _read_test(reader, test), words({
            "model": test.get("model_type"), "hardware": _hardware(test), "dtype": _dtype(test)}))
    first = tests[0][1]
    conditions = words({key: first.get(key) for key in _CONDITIONS})
    subject = Subject(model=words(first).get("model_type"), hardware=_hardware(first), dtype=_dtype(first))
    return collector.result(words(first).get("build_commit"), subject, conditions)


def _is_test(value: Mapping[str, Any]) -> bool:
    return sum(key in value for key in _MARKS) >= 7


def _hardware(test: Mapping[str, Any]) -> str | None:
    """What the model ran on: the processor where no other device is named."""
    given = words({"gpu": test.get("gpu_info"), "cpu": test.get("cpu_info")})
    return given.get("gpu") or given.get("cpu")


def _dtype(test: Mapping[str, Any]) -> str | None:
    """The type of the weights, which the tool writes behind the size: "llama 8B Q4_K - Medium"."""
    found = _WEIGHTS.search(words(test).get("model_type", ""))
    return found[0] if found else None


def _read_test(reader: RowReader, test: Mapping[str, Any]) -> str:
    """The figures of one test; gives what the tool calls it."""
    prompt, generated, depth = (number(test.get(key)) or 0.0 for key in ("n_prompt", "n_gen", "n_depth"))
    reader.need(test, "avg_ts")
    reader.put("batch_size", "sequences", 1)
    if prompt:
        reader.put("input_tokens", "n_prompt", prompt)
    if generated:
        reader.put("output_tokens", "n_gen", generated)
    if prompt and generated:
        reader.put("e2e", "avg_ns", test.get("avg_ns"), _NS)
        reader.put("e2e.std", "stddev_ns", test.get("stddev_ns"), _NS)
    figure = "total_throughput" if prompt and generated else "prompt_throughput" if prompt else "decode_speed"
    reader.put(figure, "avg_ts", test.get("avg_ts"), half=0.5e-6)
    reader.put(f"{figure}.std", "stddev_ts", test.get("stddev_ts"), half=0.5e-6)
    reader.put("weight_memory", "model_size", test.get("model_size"))
    samples = test.get("samples_ns")
    reader.put("runs", "samples_ns", len(samples) if isinstance(samples, list) and samples else None)
    label = f"pp{prompt:.0f}+tg{generated:.0f}" if prompt and generated else f"pp{prompt:.0f}" if prompt else f"tg{generated:.0f}"
    return label + (f" @ d{depth:.0f}" if depth else "")
