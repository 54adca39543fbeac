"""A sentence to a person: an English template and its fields, translated only at a face.

Every template is a literal at the place that creates it, so that the catalogues can be checked against the source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Translate = Callable[[str], str]


@dataclass(frozen=True)
class Message:
    """``template`` with ``{named}`` fields. Fields that are messages themselves are translated too."""

    template: str
    fields: tuple[tuple[str, object], ...] = ()

    def render(self, translate: Translate) -> str:
        """The sentence in the language of ``translate``."""
        values = {name: value.render(translate) if isinstance(value, Message) else value for name, value in self.fields}
        return translate(self.template).format(**values)

    def __str__(self) -> str:
        return self.render(str)


Say = Callable[[Message], str]
"""Says a message in the reader's language."""


def say(template: str, **fields: object) -> Message:
    """A :class:`Message`; the template must be a literal (the catalogue is extracted from calls of this name)."""
    return Message(template, tuple(fields.items()))
