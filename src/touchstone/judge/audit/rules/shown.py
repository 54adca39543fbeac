"""Numbers in the sentences of rules: rounded when somebody reads them, for most sentences of a large table are never read."""

from __future__ import annotations

from typing import NamedTuple

from touchstone.units import gigabytes, significant


class Shown(NamedTuple):
    """A number as :func:`touchstone.units.significant` writes it."""

    value: float
    digits: int = 4

    def __format__(self, _: str) -> str:
        """The text in a sentence."""
        return significant(self.value, self.digits)


class ShownBytes(NamedTuple):
    """A size as :func:`touchstone.units.gigabytes` writes it."""

    value: float

    def __format__(self, _: str) -> str:
        """The text in a sentence."""
        return gigabytes(self.value)
