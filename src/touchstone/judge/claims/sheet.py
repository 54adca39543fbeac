"""A table as it stands in somebody's text, before anybody asks what its words mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from touchstone.message import Message


@dataclass(frozen=True)
class Sheet:
    """One table as plain text cells; each row has as many as ``heading``, and an empty cell is "".

    ``source`` names the table for a reader and ``line`` is where it starts, counted from 1. ``caption`` is the heading or sentence
    nearest above. ``notes`` say what was done to the table to read it, ``left_out`` what of it was not read.
    """

    source: str
    line: int
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    notes: tuple[Message, ...] = ()
    left_out: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Document:
    """A text read: its tables, the fields of its front matter, and the rest.

    ``prose`` is the text without its tables, whose lines are empty there, so that line numbers still hold.
    """

    sheets: tuple[Sheet, ...]
    front_matter: Mapping[str, str] = field(default_factory=dict)
    prose: str = ""
    left_out: tuple[Message, ...] = ()
