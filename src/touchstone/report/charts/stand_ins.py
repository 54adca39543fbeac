"""What stands for a text while a picture is laid out: plain letters as wide as the longer of its two languages.

So either language finds room, no foreign text ever enters the drawing library, and its fonts need no Chinese characters, each of
which costs it 3 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from touchstone.report.both import Both
from touchstone.report.charts.letters import ems, shortened

_MOST = 64.0
_SPARE = 1.06
_DIGIT = 0.556  # of Helvetica and its like; the letter n is as wide
_SPOKEN = frozenset({"values", "title", "text", "value", "domain", "sort", "equal", "oneOf"})


class StandIns:
    """The stand-in of each of ``texts``."""

    def __init__(self, texts: Iterable[Both]) -> None:
        self._standing: dict[str, str] = {}
        self._meant: dict[str, Both] = {}
        for text in texts:
            if text.en not in self._standing:
                shown = shortened(text, _MOST)
                standing = f"q{len(self._standing):02d}"
                width = max(ems(shown.en), ems(shown.zh)) * _SPARE
                standing += "n" * (math.ceil(width / _DIGIT) - len(standing))
                self._standing[text.en] = standing
                self._meant[standing] = shown

    def put_into(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """``spec`` with the stand-in of each text, where a specification has words of people: titles, texts, values of data."""
        return {key: self._replaced(value, spoken=key in _SPOKEN) for key, value in spec.items()}

    def _replaced(self, value: Any, *, spoken: bool) -> Any:
        if isinstance(value, Mapping):
            return {key: self._replaced(inner, spoken=spoken or key in _SPOKEN) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._replaced(inner, spoken=spoken) for inner in value]
        return self._standing.get(value, value) if spoken and isinstance(value, str) else value

    def meant(self, standing: str) -> Both | None:
        """The text that a stand-in stands for; None of anything else."""
        return self._meant.get(standing)
