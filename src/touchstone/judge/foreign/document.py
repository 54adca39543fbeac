"""Bytes of a file, or of the files of a folder → values: JSON, JSON Lines or separated values. Whatever comes in, nothing breaks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from touchstone.errors import DataError
from touchstone.message import Message, say

MOST_ROWS = 10_000
"""More rows of results than this are not read."""
_LARGEST_TABLE = 8 << 20
_LONGEST_WORD = 200
_JSON_NAMES = (".json", ".jsonl")


@dataclass(frozen=True)
class Document:
    """Values by the name of the file that held them: an object, or a list (JSON Lines, and the rows of a table as objects)."""

    name: str
    files: Mapping[str, Any]
    left_out: tuple[Message, ...] = ()

    def rows(self, wanted: Callable[[Mapping[str, Any]], bool], most: int = MOST_ROWS + 1) -> list[tuple[str, Mapping[str, Any]]]:
        """The first ``most`` objects that are ``wanted``, each with the name of its file: whole files, or members of a list."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        for name, value in sorted(self.files.items()):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping) and wanted(one) and len(found) < most:
                    found.append((name, one))
        return found


def parse_document(files: Mapping[str, bytes], name: str) -> Document | None:
    """The values of ``files``; what cannot be read is left out. None if nothing can be.

    Raises :class:`DataError` where that nothing is a file that calls itself JSON.
    """
    values: dict[str, Any] = {}
    left_out: list[Message] = []
    broken: DataError | None = None
    for path, content in files.items():
        try:
            value = _parse(content, path)
        except DataError as error:
            broken = broken or error
            left_out.append(say("{file}: not JSON", file=word(path)))
            continue
        if value is not None:
            values[path] = value
    if broken is not None and not values:
        raise broken
    return Document(name, values, tuple(left_out)) if values else None


def _parse(content: bytes, name: str) -> Any:
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if text[:1] in {b"{", b"["}:
        try:
            return _value(text)
        except ValueError as error:
            lines = list(_lines(text))
            if lines:
                return lines
            if name.lower().endswith(_JSON_NAMES):
                raise DataError("{path} is not JSON: {error}.", "Make the file again, or give another one.",
                                path=word(name), error=word(error)) from error
            return None
    return list(_table(text[:_LARGEST_TABLE])) if b"," in text[:4096] else None


def _value(text: bytes) -> Any:
    """A JSON value; also with NaN and Infinity, which Python's own writer produces. Raises ValueError for any other text."""
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _lines(text: bytes) -> Iterator[Any]:
    """The values of JSON Lines; a last line that was cut off is dropped, and nothing at all is given if the first is no value."""
    for place, line in enumerate(text.splitlines()):
        if line.strip():
            try:
                value = _value(line)
            except ValueError:
                if place == 0:
                    return
                continue
            if isinstance(value, Mapping):
                yield value


def _table(text: bytes) -> Iterator[dict[str, str]]:
    """The rows of separated values, by the names in the first line."""
    reader = csv.DictReader(io.StringIO(text.decode("utf-8", "replace").replace("\0", "")))
    try:
        for row in reader:
            if reader.line_num > MOST_ROWS:
                return
            yield {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    except csv.Error:
        return


def word(value: object) -> str:
    """``value`` as words for a person: of bounded length, and without anything that a terminal would obey."""
    text = str(value)[:_LONGEST_WORD + 1] if not isinstance(value, (list, dict)) else ""
    kept = "".join(character if character.isprintable() else " " for character in text).strip()
    return kept if len(kept) <= _LONGEST_WORD else kept[:_LONGEST_WORD] + "…"


def words(pairs: Mapping[str, object]) -> dict[str, str]:
    """The pairs that say something, as words."""
    return {name: said for name, value in pairs.items() if value is not None and not isinstance(value, bool) and (said := word(value))}


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it has keys, else nothing."""
    return value if isinstance(value, Mapping) else {}
