"""A mistake of method in a benchmark script, before anything has run."""

from __future__ import annotations

from dataclasses import dataclass

from touchstone.message import Message


@dataclass(frozen=True)
class Mistake:
    """``rule`` is broken at ``line`` (from 1) and ``column`` (from 1); ``text`` is that line as it stands in the file.

    ``message`` says what is wrong and what it does to the number, ``cure`` what to write instead.
    """

    rule: str
    line: int
    column: int
    message: Message
    cure: Message
    text: str
