"""Foreign words on a terminal."""

from __future__ import annotations


def inert(text: str) -> str:
    """``text`` without control characters but line ends: a path or a server's words must not steer a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)
