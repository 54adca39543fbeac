"""How wide a text is, roughly, without a font: a page is read in the reader's own."""

from __future__ import annotations

from unicodedata import east_asian_width

from touchstone.report.both import Both
from touchstone.report.table import plain

_NARROW = frozenset(" .,:;'|!()[]/ijlftrI-")
_WIDE = frozenset("mwMW@%")


def ems(text: str) -> float:
    """The width of ``text`` in multiples of its size: a Chinese character has 1, a digit 0.56."""
    return sum(map(_letter, text))


def _letter(letter: str) -> float:
    if east_asian_width(letter) in "WF":
        return 1.0
    if letter in _NARROW:
        return 0.33
    if letter in _WIDE:
        return 0.87
    return 0.68 if letter.isupper() else 0.56


def shortened(text: Both, most: float) -> Both:
    """``text`` without control characters and at most ``most`` ems wide in either language, with a sign where something was cut off."""
    return Both(_cut(plain(text.en[:_LONGEST]), most), _cut(plain(text.zh[:_LONGEST]), most))


_LONGEST = 400


def _cut(text: str, most: float) -> str:
    if ems(text) <= most:
        return text
    room = most - 1.0
    for place, letter in enumerate(text):
        room -= _letter(letter)
        if room < 0:
            return text[:place].rstrip() + "…"
    return text
