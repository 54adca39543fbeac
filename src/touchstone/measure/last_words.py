"""What a process that died left in its log: its last words, and what the table of known failures makes of them."""

from __future__ import annotations

import io
import signal
from dataclasses import dataclass
from pathlib import Path

from touchstone.failures import Failure, Standing, explain
from touchstone.log_lines import bounded_lines
from touchstone.measure.servers.bounded_log import last_bytes, last_lines
from touchstone.message import Message, say

_SHOWN_LINES = 5
_SHOWN_CHARACTERS = 300
_READ_BYTES = 4 << 20  # the reason stands near the end, and a person waits for it


@dataclass(frozen=True)
class LastWords:
    """``text`` is one line: the one that says what failed where ``known`` is, else the end of the log; None for a log that says nothing."""

    log: Path
    text: str | None
    known: Failure | None

    @property
    def said(self) -> Message:
        """The text in a sentence."""
        if self.text is None:
            return say("It said nothing.")
        if self.known:
            return say("It said: {text}.", text=self.text)
        return say("Its last words: {text}.", text=self.text)

    @property
    def advice(self) -> Message:
        """Cause and cure where they are known, else where to look."""
        if self.known:
            return say("Most likely: {cause} {remedy} The whole log: {log}", cause=self.known.cause, remedy=self.known.cure, log=self.log)
        return say("The whole log: {log}. What it means: touchstone explain {log}", log=self.log)


def last_words(log: Path, since: int = 0, *, explained: bool = True) -> LastWords:
    """Those in ``log`` from its byte ``since`` on. ``explained``: whether the log can say at all why the process ended."""
    lines = [line.strip()[:_SHOWN_CHARACTERS] for line in last_lines(log, _SHOWN_LINES, since=since)]
    found = explain(bounded_lines(io.BytesIO(last_bytes(log, since, _READ_BYTES)))) if explained else []
    cause = next((one for one in found if one.standing is Standing.CAUSE and one.failure), None)
    text = cause.text if cause else " | ".join(lines)
    return LastWords(log, text.rstrip(" .") or None, cause.failure if cause else None)


def was_killed(code: int | None) -> bool:
    """Whether a process with this exit code (None: unknown) was ended from outside, so that its log cannot know why."""
    return code in {None, -signal.SIGKILL, -signal.SIGTERM}


def ending(code: int) -> Message:
    """How a process ended, by the code that its parent was given (negative: a signal)."""
    if code >= 0:
        return say("exit code {code}", code=code)
    if code == -signal.SIGKILL:
        return say("signal SIGKILL, as the kernel does when memory runs out")
    names = {int(one): one.name for one in signal.Signals}
    return say("signal {name}", name=names.get(-code, -code))
