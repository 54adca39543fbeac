"""Splits what a reasoning model thinks from what it answers."""

from __future__ import annotations

from collections.abc import Sequence

OPEN, CLOSE = "<think>", "</think>"


def split_text(text: str) -> tuple[str | None, str]:
    """``(thinking, answer)``; thinking is None where the text has no closing mark.

    Chat templates often put the opening mark into the prompt, so only the closing one is needed.
    """
    thinking, mark, answer = text.partition(CLOSE)
    if not mark:
        return None, text
    return thinking.partition(OPEN)[2] if OPEN in thinking else thinking, answer


def thinking_tokens(pieces: Sequence[tuple[str, int]]) -> int | None:
    """Tokens up to and including the closing mark, given the text and token count of each event; None without a mark."""
    text, tokens = "", 0
    for piece, count in pieces:
        text, tokens = text + piece, tokens + count
        if CLOSE in text:
            return tokens
    return None
