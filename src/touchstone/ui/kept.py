"""What was made of a run's files, kept until they change; of many runs only the latest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from touchstone.run_directories import Stamp

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_MOST = 8


class Kept(Generic[Key, Value]):
    """The last values that were asked for. Not for several threads at once."""

    def __init__(self) -> None:
        self._values: OrderedDict[Key, tuple[Stamp, Value]] = OrderedDict()

    def get(self, key: Key, stamp: Stamp, make: Callable[[], Value]) -> Value:
        """What ``make`` gave for ``key`` when the files had this ``stamp``; made now where there is no such."""
        kept = self._values.get(key)
        if kept is None or kept[0] != stamp:
            kept = self._values[key] = stamp, make()
        self._values.move_to_end(key)
        while len(self._values) > _MOST:
            self._values.popitem(last=False)
        return kept[1]
