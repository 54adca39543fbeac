"""Finds the row that knows a line, of hundreds of phrases, by the words that the line has."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.failures.failure import WORD, Failure, Phrase


class Table:
    """The rows by one word of each of their phrases, the longest: few lines of a log hold any of these."""

    def __init__(self, rows: Sequence[Failure]) -> None:
        self._by_word: dict[str, list[tuple[tuple[int, int], Failure, Phrase]]] = {}
        for number, row in enumerate(rows):
            for phrase in row.patterns:
                self._by_word.setdefault(max(phrase.words, key=len), []).append(((row.standing.rank, number), row, phrase))

    def nearest(self, lowered: str) -> tuple[Failure | None, int]:
        """Of the rows that know a line (in small letters) the one nearest to the reason, and where in the line it shows.

        Of equals the first in the table.
        """
        found = [(order, row, place) for word in self._by_word.keys() & WORD.findall(lowered)
                 for order, row, phrase in self._by_word[word] if (place := phrase.place(lowered)) >= 0]
        _, row, place = min(found, key=lambda one: one[0], default=(None, None, -1))
        return row, place
