"""The process that speaks with a hub through its library: one question on stdin, answers as JSON lines on stdout.

It is a process of its own because two of the libraries read their variables when they are imported, because one of them pins what
others need, and so that a stop stops at once. What is downloaded stays, and the next such process goes on with it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from touchstone.checkpoints.pull import trouble

HubAnswer = Mapping[str, Any]
_AT_A_TIME = 4


class NoRevisionError(Exception):
    """The hub knows the model but not the revision; the text is what revisions it has."""


@dataclass(frozen=True)
class Asked:
    """The question: ``do`` is cached, listing, find (the one or else the other) or fetch.

    ``commit`` is what is fetched, ``partial`` the directory it goes to, and ``files`` are pairs of name and bytes.
    """

    do: str
    adapter: str
    endpoint: str
    model: str
    revision: str
    commit: str = ""
    partial: str = ""
    files: tuple[tuple[str, int], ...] = ()


def main(question: TextIO, answers: TextIO) -> None:
    """Answer one question. What goes wrong is an answer too."""
    asked = Asked(**json.loads(question.readline()))
    threading.Thread(target=_end_with_parent, args=(question,), daemon=True).start()
    try:
        answer: HubAnswer = _answered(importlib.import_module(asked.adapter), asked)
    except Exception as error:  # noqa: BLE001 - whatever a library raises is put into words by the parent
        answer = {"trouble": trouble.described(error)}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _answered(adapter: Any, asked: Asked) -> HubAnswer:
    """The answer; ``path`` is in it where it is the library's own cache that has the model."""
    if asked.do == "fetch":
        _fetch_all(adapter, asked)
        return {}
    found = None
    if asked.do != "listing":
        with contextlib.suppress(OSError, ValueError, LookupError):  # a strange cache is none: the hub decides
            found = adapter.cached(asked)
    if asked.do == "cached":
        return found or {}
    answer: HubAnswer = found or adapter.listing(asked)
    return answer


def _fetch_all(adapter: Any, asked: Asked) -> None:
    """Fetch every file, some at a time; after the first failure no other is begun."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        under_way = [pool.submit(_fetch, adapter, asked, name, size) for name, size in asked.files]
        done, _ = wait(under_way, return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=True, cancel_futures=True)
    for one in done:
        one.result()


def _fetch(adapter: Any, asked: Asked, name: str, size: int) -> None:
    path = Path(asked.partial) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        had = path.stat().st_size if path.is_file() else 0
        if had > size or not size:
            path.write_bytes(b"")
        if size and had != size:
            adapter.fetch(asked, name, size, path)
    except Exception as error:
        raise trouble.WithFileError(name) from error


def _end_with_parent(question: TextIO) -> None:
    """The parent holds the other end for as long as it lives, however it ends."""
    question.read()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    # Libraries print; the parent reads answers from what was stdout, and everything else goes to stderr.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Run as a script this module has another name than the one the adapters import their types from.
    importlib.import_module("touchstone.checkpoints.pull.child").main(sys.stdin, channel)
