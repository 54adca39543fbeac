"""A start as one rank's figures: which rank, how many there are, and what follows from two figures."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.engine_log.speaker import Room, order
from touchstone.engine_log.start import Labels, Start
from touchstone.footprint import FIGURES, OF_A_RANK, EngineLog, LoggedFigure
from touchstone.message import Message, say

_BLOCK_SIZES = (1, 8, 16, 32, 64, 128, 256, 512)
_V0_BLOCK = {"vllm": 16, "vllm-ascend": 128}
"""Tokens of a block where nothing says it: the defaults of vLLM's V0 on CUDA and on NPU."""


def summarized(start: Start, room: Room, starts: int, *, mixed: bool) -> EngineLog:
    """The start's :class:`EngineLog`."""
    ranks = {labels for labels, kept in start.figures.items() if OF_A_RANK & set(kept)}
    chosen = min(ranks, key=lambda labels: (-len(OF_A_RANK & set(start.figures[labels])), order(labels)), default=())
    figures = _gathered(start, chosen, ranks)
    engine = start.engine
    if engine == "vllm" and _is_ascend(figures):
        engine = "vllm-ascend"
    notes = tuple(_tokens_of_blocks(figures, engine))
    return EngineLog(
        engine=engine, version=start.version, rank=" ".join(chosen) or None, rank_count=_count(start, room, ranks), ready=start.ready,
        starts=starts, figures=figures,
        notes=(*_notes(start, starts, mixed=mixed), *notes, *_unsaid(engine, figures, unsized=start.unsized)))


def _gathered(start: Start, chosen: Labels, ranks: set[Labels]) -> dict[str, LoggedFigure]:
    """The chosen rank's figures, and those of the engine: from the processes that are nearest to it."""
    near = sorted((labels for labels in start.figures if labels != chosen),
                  key=lambda labels: (not set(labels) <= set(chosen), -len(set(labels) & set(chosen)), labels in ranks, order(labels)))
    figures = start.logged(chosen)
    for labels in near:
        for name, figure in start.logged(labels).items():
            if name not in OF_A_RANK:
                figures.setdefault(name, figure)
    return {name: figures[name] for name in FIGURES if name in figures}


def _is_ascend(figures: dict[str, LoggedFigure]) -> bool:
    """On CUDA vLLM changed the words of the weights line before it had a line for the pool; vLLM-Ascend has both."""
    def said(name: str, words: str) -> bool:
        return name in figures and any(words in line.text for line in figures[name].lines)

    return said("weights_bytes", "Loading model weights took") and said("kv_cache_bytes", "Available KV cache memory")


def _count(start: Start, room: Room, ranks: set[Labels]) -> int | None:
    """What the log states, or how many ranks it shows, whichever is more."""
    shown = {one.labels for one in start.workers if not room.renamed(one)}
    shown |= {labels for labels in ranks if labels and not labels[-1].startswith("pid ")}
    if () in ranks and shown and all(labels[-1].startswith("pid ") for labels in shown):
        shown.add(())  # in vLLM's V0 the first rank is the main process
    alone = () in ranks and room.headed
    return max(len(shown), start.stated_ranks or 0, int(alone)) or None


def _tokens_of_blocks(figures: dict[str, LoggedFigure], engine: str | None) -> Iterator[Message]:
    """Tokens = blocks × tokens of a block; the latter as said, or as the number of sequences that fit shows, or the default."""
    blocks = figures.get("kv_cache_blocks")
    if blocks is None or "kv_cache_tokens" in figures:
        return
    size, longest, fit = (figures.get(name) for name in ("block_size", "max_model_len", "max_concurrency"))
    lines = blocks.lines
    if longest and fit and blocks.value > 0:
        exact = longest.value * fit.value / blocks.value
        near = min(_BLOCK_SIZES, key=lambda one: abs(one - exact))
        if abs(near - exact) <= max(0.02 * near, 0.006 * longest.value / blocks.value):
            size = LoggedFigure(near, fit.lines)
    if size is None:
        size = LoggedFigure(_V0_BLOCK.get(engine or "", 16), ())
        yield say("the log says blocks and not how many tokens one holds: {tokens} are assumed, the default", tokens=round(size.value))
    figures["block_size"] = size
    figures["kv_cache_tokens"] = LoggedFigure(blocks.value * size.value, tuple(dict.fromkeys((*lines, *size.lines))))


def _notes(start: Start, starts: int, *, mixed: bool) -> Iterator[Message]:
    if starts > 1:
        yield say("the log shows {starts} starts; the last one counts", starts=starts)
    if mixed:
        yield say("lines of several engines are in the log; the last one counts")
    if start.drafts:
        yield say("several models were loaded (a draft model beside the main one): the weights are their sum")


_NEVER_SAID = {"sglang": ("activation_bytes",), "llama.cpp": ("graph_bytes",)}


def _unsaid(engine: str | None, figures: dict[str, LoggedFigure], *, unsized: bool) -> Iterator[Message]:
    """Why figures are missing."""
    if engine is None:
        yield say("no line of a known engine is in the log")
    elif engine in ("mindie", "transformers"):
        yield say("{engine} prints no figures of memory", engine=engine)
    else:
        never = _NEVER_SAID.get(engine, ())
        missing = [name for name in ("weights_bytes", "kv_cache_bytes", "kv_cache_tokens", "activation_bytes", "graph_bytes") if name not in figures]
        if said_by_none := [name for name in missing if name in never]:
            yield say("{engine} does not say: {names}", engine=engine, names=", ".join(said_by_none))
        if lost := [name for name in missing if name not in never]:
            yield say("no line of the last start says: {names}", names=", ".join(lost))
    if unsized and "weights_bytes" not in figures:
        yield say("the line about loaded weights has no size, and none before it says what was free")
    if "graph_estimate_bytes" in figures and "graph_bytes" not in figures:
        yield say("what graphs took is not in the log; what was expected of them is no measurement")
