"""Every number of a noun, however deep: for tests that none of them is NaN or infinite."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass


def numbers(thing):
    """All integers and floats in ``thing``."""
    if isinstance(thing, (int, float)) and not isinstance(thing, bool):
        yield thing
    elif is_dataclass(thing):
        for one in fields(thing):
            yield from numbers(getattr(thing, one.name))
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from numbers(value)
    elif isinstance(thing, (tuple, list)):
        for value in thing:
            yield from numbers(value)
