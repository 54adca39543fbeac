"""One start of an engine: the figures of each of its ranks as they are heard."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from touchstone.engine_log.reading import Event, Loaded, Pool, Reading
from touchstone.engine_log.speaker import Speaker
from touchstone.footprint import LoggedFigure, LogLine

_SAME = 0.01
"""Two loads of one model differ by less: allocators round."""
_ROUNDING = 0.011 * (1 << 30)
"""Two sizes of two decimals of a GiB, each wrong by half of the last."""
_MOST_RANKS = 100_000
_MOST_POOLS = 16
"""Of one rank, models and lines that are added up: more than any engine has."""

Labels = tuple[str, ...]


@dataclass
class _Kept:
    """A figure so far, and what it takes to replace it."""

    value: float
    priority: int
    lines: tuple[LogLine, ...]


@dataclass
class Start:
    """What is heard of one start. ``figures`` are kept for each process that speaks, by its labels."""

    family: str | None = None
    engine: str | None = None
    version: str | None = None
    ready: bool = False
    stated_ranks: int | None = None
    figures: dict[Labels, dict[str, _Kept]] = field(default_factory=lambda: defaultdict(dict))
    workers: dict[Speaker, None] = field(default_factory=dict)
    announced: set[Speaker] = field(default_factory=set)
    drafts: bool = False
    unsized: bool = False
    _models: dict[Labels, list[tuple[str | None, float]]] = field(default_factory=lambda: defaultdict(list))
    _loading: dict[Labels, str] = field(default_factory=dict)
    _pools: dict[Labels, list[tuple[Pool, LogLine]]] = field(default_factory=lambda: defaultdict(list))
    _free: dict[tuple[str, Labels], tuple[float | None, LogLine]] = field(default_factory=dict)

    @property
    def spoken(self) -> bool:
        """Whether any figure of the device has been heard."""
        return any("weights_bytes" in one or "kv_cache_bytes" in one or "kv_cache_tokens" in one for one in self.figures.values())

    def present(self, speaker: Speaker) -> None:
        """A worker has been heard, whatever it said."""
        if speaker.worker and len(self.workers) < _MOST_RANKS:
            self.workers.setdefault(speaker)

    def named(self, family: str, engine: str) -> None:
        """The engine is known; that it is vLLM does not take back that it is vLLM-Ascend."""
        self.family = family
        if engine != "vllm" or self.engine is None:
            self.engine = engine

    def begun_by(self, family: str, speaker: Speaker) -> bool:
        """Whether an announcement begins a new start: figures are there, and this process has been heard to start before, or is alone."""
        another_group = bool(speaker.labels) and speaker not in self.announced
        return self.spoken and not (self.family == family and another_group and not self.ready)

    def happens(self, event: Event, speaker: Speaker, line: LogLine) -> None:
        """An event that leaves the start as it is."""
        labels = speaker.labels
        if event.kind == "version":
            self.version = self.version or event.text or None
        elif event.kind == "ready":
            self.ready = True
        elif event.kind == "loading":
            self._loading[labels] = event.text
        elif event.kind == "ranks":
            self.stated_ranks = max(self.stated_ranks or 0, int(event.value or 0)) or None
        elif event.kind == "free" and event.text == "captured":
            began = self._free.pop(("graph", labels), None)
            if began and began[0] is not None and event.value is not None:
                self._keep(labels, Reading("graph_bytes", began[0] - event.value, priority=1, how="add"), (began[1], line))
        elif event.kind == "free":
            self._free[event.text, labels] = event.value, line

    def loads_again(self, load: Loaded, speaker: Speaker) -> bool:
        """Whether a load shows that the engine has started anew: it was ready, or had its pool, and this is no draft model."""
        labels = speaker.labels
        before = self._models.get(labels)
        if not before:
            return self.ready and self.spoken
        if self.ready or self._has_pool(labels, "max_running_requests" if self.family == "sglang" else "kv_cache_tokens"):
            return True
        return self._has_pool(labels, "kv_cache_bytes") and self.family == "sglang" and self._is_same(before[-1], load, labels)

    def _has_pool(self, labels: Labels, figure: str) -> bool:
        """Whether this rank, or the engine that it is of, has said so; blocks are V0's word for tokens."""
        return any({figure, "kv_cache_blocks"} & set(found) for one, found in self.figures.items() if set(one) <= set(labels))

    def _is_same(self, before: tuple[str | None, float], load: Loaded, labels: Labels) -> bool:
        model, value = before
        now = load.model or self._loading.get(labels)
        if model and now and model != now:
            return False
        return load.value is None or abs(load.value - value) <= _SAME * max(abs(value), 1.0)

    def loaded(self, load: Loaded, speaker: Speaker, line: LogLine) -> None:
        """A model is in memory: the first, or one more (a draft), or the same again from a process without a name of its own."""
        labels = speaker.labels
        began = self._free.pop(("weights", labels), None)
        lines: tuple[LogLine, ...] = (line,)
        value = load.value
        if value is None and began and began[0] is not None and load.free is not None:
            value, lines = began[0] - load.free, (began[1], line)
        if load.free is not None:
            self._keep(labels, Reading("available_bytes", load.free, how="last"), (line,))
        if value is None:
            self.unsized = True
            return
        model = load.model or self._loading.get(labels)
        before = self._models[labels]
        known = Loaded(value, model)
        is_draft = bool(before) and not any(self._is_same(one, known, labels) for one in before) and self._another_model(before, model)
        if before and not is_draft:
            return
        self.drafts = self.drafts or is_draft
        if len(before) < _MOST_POOLS:
            before.append((model, value))
        self._keep(labels, Reading("weights_bytes", value, priority=3, how="add"), lines)

    def _another_model(self, before: list[tuple[str | None, float]], model: str | None) -> bool:
        """Whether this is a second model: in SGLang every load is one, of vLLM it is believed only where both have a name."""
        names = {name for name, _ in before}
        return self.family == "sglang" or (model is not None and None not in names and model not in names)

    def pooled(self, pool: Pool, speaker: Speaker, line: LogLine) -> None:
        """A pool is allocated; one that is the whole takes the place of its parts."""
        labels = speaker.labels
        pools = self._pools[labels]
        if any(one == pool for one, _ in pools):
            return  # another rank without a name, or the same start told twice: a draft's pool is smaller
        if pool.whole:
            rest = pool.value + _ROUNDING
            while pools and not pools[-1][0].whole and pools[-1][0].value <= rest:
                rest -= pools.pop()[0].value
        if self.ready or len(pools) >= _MOST_POOLS:
            return
        pools.append((pool, line))
        kept = self.figures[labels]
        kept["kv_cache_bytes"] = _Kept(sum(one.value for one, _ in pools), 9, tuple(said for _, said in pools))
        tokens = next(((one.tokens, said) for one, said in pools if one.tokens is not None), None)
        if tokens:
            kept["kv_cache_tokens"] = _Kept(tokens[0], 9, (tokens[1],))

    def read(self, reading: Reading, speaker: Speaker, line: LogLine) -> None:
        """A figure."""
        self._keep(speaker.labels, reading, (line,))

    def _keep(self, labels: Labels, reading: Reading, lines: tuple[LogLine, ...]) -> None:
        if labels not in self.figures and len(self.figures) >= _MOST_RANKS:
            return
        kept, name = self.figures[labels], reading.figure
        before = kept.get(name)
        if before is None or reading.priority > before.priority:
            kept[name] = _Kept(reading.value, reading.priority, lines)
        elif reading.priority < before.priority or reading.how == "first" or (self.ready and reading.how != "last"):
            return
        elif reading.how == "last" or (reading.how == "most" and reading.value > before.value):
            kept[name] = _Kept(reading.value, reading.priority, lines)
        elif reading.how == "add" and len(before.lines) < 256 and (labels or self.family == "llama.cpp" or before.lines[-1].text != lines[-1].text):
            kept[name] = _Kept(before.value + reading.value, reading.priority, (*before.lines, *lines))

    def logged(self, labels: Labels) -> dict[str, LoggedFigure]:
        """The figures of one process."""
        return {name: LoggedFigure(one.value, one.lines) for name, one in self.figures.get(labels, {}).items()}
