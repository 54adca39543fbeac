"""What llama.cpp says. It is one process without ranks: the buffers of all its devices are added up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from touchstone.engine_log.reading import SIZE, Event, Reading, Said, readings, row

KEYS = ("buffer size", " cells,", "n_ctx", "self size", "buffer total size", "build: ", "build = ", "build_info: ", "listening on", "all slots are idle")
LATE_KEYS = ("buffer size", " cells,", "build: ", "build = ", "build_info: ")
_FIGURES = (
    row("load_tensors", rf"load_tensors:\s+\S+(?: model)? buffer size =\s+{SIZE}", "weights_bytes", how="add"),
    row("KV buffer", rf"\bKV buffer size =\s+{SIZE}", "kv_cache_bytes", priority=1, how="add"),
    row("self size", rf"\b(?:KV|kv) self size\s+=\s+{SIZE}", "kv_cache_bytes"),
    row("RS buffer", rf"\bRS buffer size =\s+{SIZE}", "state_bytes", how="add"),
    row("compute buffer", rf"\bcompute buffer (?:total )?size =\s+{SIZE}", "activation_bytes", how="add"),
)
_CONTEXT = re.compile(r"\bllama_(?:context|new_context_with_model|init_from_model): n_ctx(_seq|_per_seq)?\s+= (\d{1,12})")
_CELLS = re.compile(r"\(\s*(\d{1,12}) cells,\s*\d+ layers,\s*\d+(?:/(\d{1,6}))? seqs\)")
_BUILD = re.compile(r"\bbuild_info: (b?\d{1,9}(?:-\w{1,40})?)|\bmain: build = (\d{1,9}) \(|\bbuild: (\d{1,9}) \(\w{1,40}\) with ")
_READY = re.compile(r"\b(?:srv|main|server)\b.*\b(?:listening on|all slots are idle)")


def says(line: str) -> Iterator[Said]:
    """What ``line`` says; nothing where it is not llama.cpp's."""
    if found := _BUILD.search(line):
        yield Event("begin")
        yield Event("engine", "llama.cpp")
        yield Event("version", found[1] or found[2] or found[3])
    for reading in readings(_FIGURES, line):
        yield Event("engine", "llama.cpp")
        yield reading
    if found := _CONTEXT.search(line):
        yield Event("engine", "llama.cpp")
        yield Reading("max_model_len", float(found[2]), priority=1 if found[1] else 0)
        if not found[1]:
            yield Reading("kv_cache_tokens", float(found[2]))
    if found := _CELLS.search(line):  # of each of so many streams; of several pools, such as one of windows, the longest counts
        yield Reading("kv_cache_tokens", float(found[1]) * float(found[2] or 1), priority=1, how="most")
    if _READY.search(line):
        yield Event("ready")
