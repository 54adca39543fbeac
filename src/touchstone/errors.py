"""Everything that can go wrong, by whose fault it is.

    TouchstoneError
    ├── UsageError        the user's request cannot be understood or does not hold together      exit 2
    ├── NotReadyError     something needed is missing, busy or too small                         exit 3
    │   └── EngineError   the engine refused, or gave something that cannot be measured          exit 3
    │       └── EngineLostError   the process that computes is gone; what is left goes on in a new one
    └── DataError         a file or directory is not what it should be                           exit 3

Each error says what happened (``message``) and what to do next (``cure``). Both are templates with named fields, so that the
command line can say them in the user's language; ``str(error)`` is English.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable, Iterator
from typing import ClassVar

from touchstone.message import Message, Translate


class TouchstoneError(Exception):
    """A failure with a message, a cure and an exit code."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, cure: str = "", **fields: object) -> None:
        super().__init__(message, cure, fields)
        self.message = message
        self.cure = cure
        self.fields = fields

    def render(self, translate: Translate) -> str:
        """What happened and what to do next, in the language of ``translate``."""
        fields = {name: value.render(translate) if isinstance(value, Message) else value for name, value in self.fields.items()}
        message, cure = (translate(part).format(**fields) if part else "" for part in (self.message, self.cure))
        return message + ("" if not cure or message.endswith(("。", "？")) else " ") + cure

    def __str__(self) -> str:
        return self.render(str)


class UsageError(TouchstoneError):
    """A request that cannot be understood: unknown name, impossible combination."""

    exit_code = 2


class NotReadyError(TouchstoneError):
    """Something needed is missing, busy or too small."""

    exit_code = 3


class EngineError(NotReadyError):
    """The engine refused, or produced something that cannot be measured."""


class EngineLostError(EngineError):
    """The process that computes is gone: the trial it was lost in has failed, and the next needs a new one."""


class DataError(TouchstoneError):
    """A file or directory is not what it should be."""

    exit_code = 3


@contextlib.contextmanager
def making_sense_of(run: str | os.PathLike[str]) -> Iterator[None]:
    """Meanwhile whatever the header and tables of the directory ``run`` lack is said as a :class:`DataError`: somebody edited or mixed them."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, IndexError, RecursionError) as error:
        raise DataError("{path} is damaged: {error}.", "The tables beside it can still be opened with DuckDB or pandas.",
                        path=f"{os.fspath(run)}/run.json", error=" ".join(f"{type(error).__name__} {error}".split())[:200]) from error


def unknown_name(kind: Message, name: str, known: Iterable[str]) -> UsageError:
    """A :class:`UsageError` for ``name`` that offers the nearest of the ``known`` names."""
    choices = sorted(known)
    near = difflib.get_close_matches(name.lower(), [choice.lower() for choice in choices], n=1, cutoff=0.5)
    nearest = next((choice for choice in choices if near and choice.lower() == near[0]), None)
    if nearest:
        return UsageError("Unknown {kind}: {name}.", "Did you mean {nearest}? Known: {known}.",
                          kind=kind, name=name, nearest=nearest, known=", ".join(choices))
    return UsageError("Unknown {kind}: {name}.", "Known: {known}.", kind=kind, name=name, known=", ".join(choices))
