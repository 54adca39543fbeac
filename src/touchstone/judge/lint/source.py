"""Text to syntax trees: a script that does not parse is read as far as it goes, and what is broken is said once."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from dataclasses import dataclass

from touchstone.errors import DataError
from touchstone.message import say
from touchstone.mistake import Mistake

LARGEST = 200_000
"""Characters; what is larger was not written by a person to be read by one."""
LARGEST_BYTES = 4 * LARGEST
_WORK = 2_000_000
_SHOWN = 120


@dataclass(frozen=True)
class Source:
    """A script that parses, ``lines`` as they stand in the file, and the text that was ``left_out`` to make it parse."""

    tree: ast.Module
    text: str
    lines: tuple[str, ...]
    left_out: str = ""
    mistakes: tuple[Mistake, ...] = ()


def read(source: str, name: str) -> Source:
    """``source`` as a tree. Raises :class:`DataError` for what is no script: NUL, more than :data:`LARGEST` characters, too deep."""
    check_size(source, name)
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    try:
        return _mended(source)
    except (RecursionError, MemoryError, OverflowError):
        raise DataError("{name} is nested too deeply to be read as Python.", "Give the script itself, without data in it.",
                        name=name) from None


def check_size(text: str, name: str) -> None:
    """Raises :class:`DataError` for what nobody wrote to be read."""
    if len(text) > LARGEST:
        raise DataError("{name} is too large for a benchmark script: more than {most} characters.",
                        "Give the script itself, without data in it.", name=name, most=LARGEST)
    if "\0" in text:
        raise DataError("{name} contains NUL bytes: it is not a Python script.", "Give a text file.", name=name)


def decoded(content: bytes, name: str) -> str:
    """``content`` as text, in the encoding that it declares, else UTF-8."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise DataError("{name} cannot be read as text: {error}.", "Save it as UTF-8.", name=name, error=error) from error


def _mended(source: str) -> Source:
    lines = source.split("\n")
    mended, left_out = list(lines), set[int]()
    tree, first = _parse(source)
    error = first
    for _ in range(max(6, min(40, _WORK // (len(source) + 1)))):
        if error is None:
            break
        rows, stub = _repair(mended, error)
        left_out.update(row for row in rows if lines[row].strip())
        mended[rows.start:rows.stop] = [stub] * len(rows)
        tree, error = _parse("\n".join(mended))
    if tree is None:
        tree, mended = _by_blocks(lines)
        left_out = {row for row, line in enumerate(lines) if line.strip() and not mended[row]}
    found = () if first is None else (_cannot_run(first, lines, len(left_out)),)
    return Source(tree, "\n".join(mended), tuple(lines), "\n".join(lines[row] for row in sorted(left_out)), found)


def _by_blocks(lines: list[str]) -> tuple[ast.Module, list[str]]:
    """The top-level blocks that parse by themselves, the rest blank."""
    kept = [""] * len(lines)
    row = 0
    while row < len(lines):
        block = _block(lines, row)
        if _parse("\n".join(lines[row:block.stop]))[0] is not None:
            kept[row:block.stop] = lines[row:block.stop]
        row = block.stop
    tree, _ = _parse("\n".join(kept))
    return (tree, kept) if tree is not None else (ast.Module([], []), [""] * len(lines))


def _parse(source: str) -> tuple[ast.Module | None, SyntaxError | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in somebody's string is not our warning
            return ast.parse(source), None
    except SyntaxError as error:
        return None, error
    except ValueError as error:  # surrogates, integers of thousands of digits
        return None, SyntaxError(str(error))


def _repair(lines: list[str], error: SyntaxError) -> tuple[range, str]:
    """The rows to leave out and what to put in their place: as few as let the script be parsed further."""
    row = _row(error, lines)
    stub = lines[row][:len(lines[row]) - len(lines[row].lstrip())] + "pass"
    block = _block(lines, row)
    tries = [(range(row, row + 1), stub), (block, "")]
    if str(error.msg).startswith("expected an indented block"):  # what lacks its body goes too
        tries = [(range(_block(lines, max(block.start - 1, 0)).start, block.stop), "")]
    for rows, instead in tries:
        _, then = _parse("\n".join([*lines[:rows.start], *[instead] * len(rows), *lines[rows.stop:]]))
        if then is None or (then.lineno or 0) > rows.stop:
            return rows, instead
    return tries[-1]


def _row(error: SyntaxError, lines: list[str]) -> int:
    return min(max((error.lineno or 1) - 1, 0), len(lines) - 1)


def _block(lines: list[str], row: int) -> range:
    """The rows of the top-level block around ``row``."""
    start, end = row, row + 1
    while start > 0 and not _begins(lines[start]):
        start -= 1
    while end < len(lines) and not _begins(lines[end]):
        end += 1
    return range(start, end)


def _begins(line: str) -> bool:
    return bool(line) and not line[0].isspace() and line[0] not in ")]}#" \
        and not line.startswith(("else", "elif", "except", "finally"))


def _cannot_run(error: SyntaxError, lines: list[str], broken: int) -> Mistake:
    row = _row(error, lines)
    why = " ".join(str(error.msg).split())[:_SHOWN]
    return Mistake("MT11", row + 1, max(error.offset or 1, 1), say(
        "the script cannot run as printed: {why}; {count} lines that do not parse were left out of this reading", why=why, count=broken),
        say("publish the file that ran, as a file: a page loses line breaks and indentation"), lines[row])
