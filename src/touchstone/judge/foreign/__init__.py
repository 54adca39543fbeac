"""Other tools' results in, our results out. A tool is a module with ``recognises`` and ``read``, and a row of ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from touchstone.judge.foreign import aiperf, aisbench, evalscope, genai_bench, guidellm, llama_bench, sglang, vllm
from touchstone.judge.foreign.document import Document, parse_document
from touchstone.judge.foreign.result import ForeignResult, PerRequest

__all__ = ["FORMATS", "ForeignResult", "Format", "PerRequest", "read_result", "read_results"]


@dataclass(frozen=True)
class Format:
    """What a tool writes: ``title`` for people, whether a document is of it, and how it is read."""

    title: str
    recognises: Callable[[Document], bool]
    read: Callable[[Document], ForeignResult]


FORMATS: Mapping[str, Format] = {
    sglang.TOOL: Format("SGLang bench_serving", sglang.recognises, sglang.read),
    vllm.TOOL: Format("vLLM bench serve", vllm.recognises, vllm.read),
    guidellm.TOOL: Format("GuideLLM", guidellm.recognises, guidellm.read),
    aiperf.TOOL: Format("AIPerf", aiperf.recognises, aiperf.read),
    evalscope.TOOL: Format("EvalScope perf", evalscope.recognises, evalscope.read),
    aisbench.TOOL: Format("AISBench", aisbench.recognises, aisbench.read),
    llama_bench.TOOL: Format("llama-bench", llama_bench.recognises, llama_bench.read),
    genai_bench.TOOL: Format("GenAI-Bench", genai_bench.recognises, genai_bench.read),
}


def read_results(files: Mapping[str, bytes], name: str) -> tuple[ForeignResult, ...] | None:
    """The results in the files of a folder called ``name``, one per tool that left any; None if no tool did.

    The keys are paths inside the folder, with ``/``. Raises :class:`touchstone.errors.DataError` for a known tool's file that is damaged,
    naming the key, and where the only file is no JSON but says it is.
    """
    document = parse_document(files, name)
    if document is None:
        return None
    return tuple(one.read(document) for one in FORMATS.values() if one.recognises(document)) or None


def read_result(content: bytes, name: str) -> ForeignResult | None:
    """The result in one file called ``name``; None if it is of no tool that is known. Raises as :func:`read_results`."""
    results = read_results({name.replace("\\", "/").rpartition("/")[2]: content}, name)
    return None if results is None else results[0]
