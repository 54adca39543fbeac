"""Who says a line of a log: the process's name in it, as each engine writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD = 400
_PROCESS = re.compile(r"\(([\w= ]{0,60}?)\s?pid=(\d{1,12})(?:, *ip=([^()]{1,45}))?\)")
_LABEL = re.compile(r"(?<![A-Za-z])([A-Z]{2,4}\d{1,6})(?![A-Za-z0-9])")
_RANK = re.compile(r"\brank=(\d{1,6})")
_BRACKET = re.compile(r"\[(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d\S*((?: [A-Z][A-Z_]*\d{1,6})+)\]")
_GPU = re.compile(r"\[gpu(?:_id)?[=_ ](\d{1,6})\]")
_OWN_HEAD = re.compile(r"\b(?:INFO|WARNING|ERROR|DEBUG)\b|\d\d:\d\d:\d\d")
_ENGINE_HEAD = re.compile(r"\b(?:INFO|WARNING|ERROR|DEBUG) [^|]{0,40}\w\.py:\d+\]|\[(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d\S*\]")
"""As vLLM and SGLang write it; the times that a container puts before lines are none."""


class Speaker(NamedTuple):
    """A process: ``labels`` such as ``("DP0", "TP3")``, empty where none is given, and whether it is one that holds a rank."""

    labels: tuple[str, ...] = ()
    worker: bool = False

    @property
    def name(self) -> str | None:
        """The labels in one word."""
        return " ".join(self.labels) or None


NOBODY = Speaker()


class Room:
    """Knows the processes of a log: a worker may speak before it has its labels, and a line may be continued below it."""

    def __init__(self) -> None:
        self._by_pid: dict[str, Speaker] = {}
        self._last = NOBODY
        self.headed = False
        """Whether a line had its engine's head without a rank: where there are several, these engines name the one that speaks."""

    def speaker(self, line: str) -> Speaker:
        """Who says ``line``: whoever said the line before it where it has no head of its own."""
        head = line[:_HEAD]
        if "pid=" in head and (groups := _PROCESS.findall(head)):
            self._last = self._process(groups)
        elif found := _BRACKET.search(head):
            self._last = Speaker(tuple(found[1].split()), worker=True)
        elif found := _GPU.search(head):
            self._last = Speaker((f"GPU{found[1]}",), worker=True)
        elif _OWN_HEAD.search(head):
            self._last = NOBODY
        self.headed = self.headed or (not self._last.labels and _ENGINE_HEAD.search(head) is not None)
        return self._last

    def _process(self, groups: list[tuple[str, str, str]]) -> Speaker:
        """Of ``(EngineCore_DP0 pid=1) (Worker_TP1 pid=2)`` the worker, in the engine's group."""
        labels = [label for name, _, _ in groups for label in _labels(name)]
        name, pid, address = groups[-1]
        worker = "Worker" in name
        if not worker:
            return Speaker(tuple(dict.fromkeys(labels)))
        process = f"{pid} {address}".strip()
        if not _labels(name):
            if process in self._by_pid:
                return self._by_pid[process]
            return Speaker((*dict.fromkeys(labels), f"pid {process}"), worker=True)
        speaker = Speaker(tuple(dict.fromkeys(labels)), worker=True)
        if len(self._by_pid) < 100_000:
            self._by_pid[process] = speaker
        return speaker

    def renamed(self, speaker: Speaker) -> bool:
        """Whether a worker without labels has since been heard with its own."""
        return bool(speaker.labels) and speaker.labels[-1].startswith("pid ") and speaker.labels[-1][4:] in self._by_pid


def _labels(name: str) -> list[str]:
    found = _RANK.search(name)
    return [f"RANK{found[1]}"] if found else _LABEL.findall(name.replace("_", " "))


def order(labels: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Sorts ranks: by their numbers, those without any first."""
    return tuple(int(number) for label in labels for number in re.findall(r"\d{1,12}", label)[:1]), labels
