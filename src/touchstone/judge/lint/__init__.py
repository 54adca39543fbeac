"""Reads a benchmark script, without running it, for mistakes of method. A rule does not speak without evidence in the script."""

from __future__ import annotations

from touchstone.errors import DataError
from touchstone.judge.lint.markdown import has_blocks, scripts_in
from touchstone.judge.lint.names import bound
from touchstone.judge.lint.rules import RULES
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.source import LARGEST_BYTES, Source, check_size, decoded, read
from touchstone.judge.lint.timing import Procedure
from touchstone.mistake import Mistake

__all__ = ["LARGEST_BYTES", "RULES", "lint", "lint_file", "lint_markdown"]


def lint_file(content: bytes, name: str) -> tuple[Mistake, ...]:
    """The mistakes in the bytes of a Python or Markdown file, or of a paste (``name`` is ``-``), which may be either."""
    text = decoded(content, name)
    is_markdown = name.lower().endswith((".md", ".markdown")) or (name == "-" and has_blocks(text))
    return lint_markdown(text, name) if is_markdown else lint(text, name)


def lint(source: str, name: str) -> tuple[Mistake, ...]:
    """The mistakes in the Python of ``source`` by line. Raises :class:`DataError` for what is no script; ``name`` is for its message."""
    return _lint(read(source, name), name, frozenset())[0]


def lint_markdown(text: str, name: str) -> tuple[Mistake, ...]:
    """The mistakes in every fenced Python block of a Markdown ``text``, at the lines of the text."""
    check_size(text, name)
    known: frozenset[str] = frozenset()
    found: list[Mistake] = []
    for script in scripts_in(text):
        mistakes, names = _lint(read(script, name), name, known)
        found += mistakes
        known |= names
    return tuple(sorted(found, key=_place))


def _lint(source: Source, name: str, known: frozenset[str]) -> tuple[tuple[Mistake, ...], frozenset[str]]:
    try:
        script = Script(source)
        procedure = Procedure(script, known)
        found = [*source.mistakes, *(mistake for rule in RULES for mistake in rule.check(procedure, rule.id))]
    except (RecursionError, MemoryError):
        raise DataError("{name} is nested too deeply to be read as Python.", "Give the script itself, without data in it.",
                        name=name) from None
    once = {(mistake.rule, mistake.line, mistake.message.template): mistake for mistake in reversed(found)}
    return tuple(sorted(once.values(), key=_place)), bound(script, script.tree)


def _place(mistake: Mistake) -> tuple[int, int, int]:
    return mistake.line, int(mistake.rule[2:]), mistake.column
