"""The starts of a log, of which the last one counts, put together from what single lines say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from touchstone.engine_log import llama_cpp, sglang, vllm
from touchstone.engine_log.reading import Event, Loaded, Pool, Reading, Said
from touchstone.engine_log.speaker import Room, Speaker
from touchstone.engine_log.start import Start
from touchstone.engine_log.summary import summarized
from touchstone.footprint import EngineLog, LogLine

_SHOWN = 1000
_SPEAKERS = ("pid=", "TP", "DP", "PP")


class _Family(NamedTuple):
    """An engine and its kin: which lines are of interest, before and after it is ready, and what they say."""

    keys: tuple[str, ...]
    late_keys: tuple[str, ...]
    says: Callable[[str], Iterator[Said]]


_FAMILIES = {
    "vllm": _Family(vllm.KEYS, vllm.LATE_KEYS, vllm.says), "sglang": _Family(sglang.KEYS, sglang.LATE_KEYS, sglang.says),
    "llama.cpp": _Family(llama_cpp.KEYS, llama_cpp.LATE_KEYS, llama_cpp.says),
}
_OTHERS = {"mindie": ("Daemon start success", "MindIE", "mindie"), "transformers": ("[transformers] Loading ", "transformers serve")}


class Story:
    """Hears a log line by line; :meth:`told` is what the last start in it says.

    The figures of a start that has ended are forgotten, so that a long log takes no more memory than a short one.
    """

    def __init__(self) -> None:
        self._room = Room()
        self._start = Start()
        self._starts = 0
        self._other: str | None = None
        self._mixed = False

    def hear(self, number: int, line: str) -> None:
        """The next line, without colours."""
        was_ready = self._start.ready
        said = [(name, one) for name, family in _FAMILIES.items()
                if any(key in line for key in (family.late_keys if was_ready else family.keys)) for one in family.says(line)]
        if said or (not was_ready and any(mark in line for mark in _SPEAKERS)):
            speaker = self._room.speaker(line)
            self._start.present(speaker)
            for name, one in said:
                self._take(name, one, speaker, LogLine(number, line[:_SHOWN].strip()))
        if not was_ready:
            self._look_around(line)

    def _look_around(self, line: str) -> None:
        """Engines that say nothing of memory still have a name, and say when they are ready."""
        for engine, words in _OTHERS.items():
            if self._other is None and any(word in line for word in words):
                self._other = engine
        if (self._other == "mindie" and "Daemon start success" in line) or (self._other == "transformers" and vllm.READY in line):
            self._start.ready = True

    def _take(self, family: str, said: Said, speaker: Speaker, line: LogLine) -> None:
        start = self._start
        if isinstance(said, Event):
            self._happens(family, said, speaker, line)
        elif isinstance(said, Loaded):
            self._begin(start.loads_again(said, speaker))
            self._start.loaded(said, speaker, line)
        elif isinstance(said, Pool):
            start.pooled(said, speaker, line)
        elif isinstance(said, Reading):
            start.read(said, speaker, line)

    def _happens(self, family: str, event: Event, speaker: Speaker, line: LogLine) -> None:
        start = self._start
        if event.kind == "begin":
            self._begin(start.begun_by(family, speaker))
            self._start.announced.add(speaker)
        elif event.kind == "engine":
            if start.family not in (None, family):
                self._mixed = self._mixed or start.spoken
                self._begin(anew=start.spoken)
            self._start.named(family, event.text)
        elif start.family == family or (start.family is None and event.kind != "ready"):
            start.happens(event, speaker, line)

    def _begin(self, anew: bool) -> None:
        """A new start leaves nothing of the one before it."""
        if anew:
            self._starts += 1
            self._start = Start(family=self._start.family, engine=self._start.engine, version=self._start.version)

    def told(self) -> EngineLog:
        """What the last start says."""
        start = self._start
        if start.engine is None:
            start.engine = self._other
        return summarized(start, self._room, self._starts + 1 if start.engine else 0, mixed=self._mixed)
