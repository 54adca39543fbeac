"""A text in both languages: a page carries the two and shows the one its reader chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from touchstone.message import Message
from touchstone.report.i18n import translator


@dataclass(frozen=True)
class Both:
    """The same sentence or name, twice."""

    en: str
    zh: str


def both(message: Message) -> Both:
    """``message`` in both languages."""
    return Both(message.render(translator("en")), message.render(translator("zh")))


def same(text: str) -> Both:
    """What reads alike in every language: a name, a number."""
    return Both(text, text)


def titled(title: Mapping[str, str], name: str) -> Both:
    """The title of a case, or its name in a language it has none for."""
    return Both(title.get("en") or name, title.get("zh") or name)
