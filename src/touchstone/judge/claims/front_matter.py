"""The YAML between two lines of dashes at the top of a text: what its writer states about the measurement."""

from __future__ import annotations

from typing import Any

from touchstone.message import Message, say

_MOST_LINES = 200
_MOST_CHARACTERS = 16_384
_LONGEST_VALUE = 1000
_MOST_VALUES = 50
_NOT_GIVEN = {"", "null", "~", "none"}


def read_front_matter(lines: list[str]) -> tuple[int, dict[str, str], list[Message]]:
    """How many first lines are front matter (0: none), its fields as they are written, and what of it could not be read.

    A value is a word, or a list of words, which are then separated by commas.
    """
    start = next((index for index, line in enumerate(lines[:_MOST_LINES]) if line.strip()), None)
    if start is None or lines[start].rstrip() != "---":
        return 0, {}, []
    end = next((index for index in range(start + 1, min(len(lines), start + _MOST_LINES)) if lines[index].rstrip() in {"---", "..."}), None)
    if end is None:
        return 0, {}, []
    text = "\n".join(lines[start + 1:end])
    if len(text) > _MOST_CHARACTERS:
        return end + 1, {}, [say("The front matter is longer than {limit} characters and was not read.", limit=_MOST_CHARACTERS)]
    return _parsed(text, end + 1)


def _parsed(text: str, length: int) -> tuple[int, dict[str, str], list[Message]]:
    import yaml

    looks_like_fields = ":" in text.lstrip().partition("\n")[0]
    try:
        # BaseLoader builds nothing but strings, lists and mappings: "1e3", "2024-05-01" and "fp16" stay as they are written.
        content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        return (length, {}, [say("The front matter is not YAML and was not read.")]) if looks_like_fields else (0, {}, [])
    if not isinstance(content, dict):
        return 0, {}, []
    fields, left_out = {}, []
    for name, value in content.items():
        words = _words(value)
        if words is None:
            left_out.append(say("{name} in the front matter is not a plain value and was not read.", name=str(name)[:_LONGEST_VALUE]))
        elif words.lower() not in _NOT_GIVEN:
            fields[str(name)[:_LONGEST_VALUE]] = words
    return length, fields, left_out


def _words(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip()[:_LONGEST_VALUE]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(part[:_LONGEST_VALUE] for part in value[:_MOST_VALUES])[:_LONGEST_VALUE]
    return None
