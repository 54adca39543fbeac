"""Any text that somebody pastes, read into its tables, its front matter and its prose."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from touchstone.errors import DataError
from touchstone.judge.claims.csv_sheets import delimiter_of, read_csv, runs_in_text
from touchstone.judge.claims.drawn_sheets import BOX_MARKS, box_grids, column_grids, list_grids, spaced_grids, undrawn
from touchstone.judge.claims.front_matter import read_front_matter
from touchstone.judge.claims.grid import MOST_CELLS, MOST_ROWS, Grid, sheet_of
from touchstone.judge.claims.html_sheets import read_html, table_regions
from touchstone.judge.claims.markdown_sheets import Line, pipe_grids, piped, rule_width
from touchstone.judge.claims.plain import plain
from touchstone.judge.claims.sheet import Document, Sheet
from touchstone.judge.claims.words import is_figure
from touchstone.message import Message, say

LONGEST_TEXT = 8_000_000
_LONGEST_CHARACTER = 4  # bytes, of UTF-8, UTF-16 and GB18030 alike
_MOST_SHEETS = 1000
_CAPTION_REACH = 10
_WIDE_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_INVISIBLE = re.compile("\x1b\\[[0-9;?]{0,30}[A-Za-z]|[\x00\u200b\u200c\u200d\u2060\ufeff]")
_PAGE = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_ORNAMENT = re.compile(r"[^\w]*")


def decode(content: bytes) -> str:
    """``content`` as text: UTF-8 or UTF-16 by its mark, else UTF-8 where most of it is, else GB18030. Never fails."""
    content = content[:(LONGEST_TEXT + 1) * _LONGEST_CHARACTER]
    for mark, encoding in _WIDE_BOMS:
        if content.startswith(mark):
            return content[len(mark):].decode(encoding, errors="replace")
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    wrong = text.count("\ufffd")
    if wrong and wrong * 20 > sum(1 for character in text if character > "\x7f"):
        return content.decode("gb18030", errors="replace")
    return text


def read_document(text: str, name: str) -> Document:
    """The tables, front matter and prose of ``text``; ``name`` is what a reader calls it, and its suffix (.csv, .html) a hint.

    Raises:
        DataError: there is nothing in the text.
    """
    left_out = []
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT]
        left_out.append(say("Only the first {limit} characters were read.", limit=LONGEST_TEXT))
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise DataError("{name} is empty.", "Give a text with a table: Markdown, CSV or HTML.", name=name)
    lines = text.split("\n")
    skipped, fields, unread = read_front_matter(lines)
    lines[:skipped] = [""] * skipped
    grids, prose, partly = _read(lines, name.lower())
    left_out += [*unread, *partly]
    sheets, beyond = _sheets(grids, prose.split("\n"))
    return Document(tuple(sheets), fields, prose, (*left_out, *beyond))


def _read(lines: list[str], name: str) -> tuple[list[Grid], str, list[Message]]:
    """The tables and the prose of ``lines``, read by their content; the name decides between a table and a text of the same look."""
    opening = "\n".join(next((lines[index:index + 20] for index, line in enumerate(lines) if line.strip()), []))
    if name.endswith((".html", ".htm")) or _PAGE.match(opening):
        grids, prose = read_html("\n".join(lines))
        if grids or name.endswith((".html", ".htm")):
            return grids, prose, []
    delimiter = delimiter_of(lines)
    is_file = name.endswith((".csv", ".tsv")) and not opening.startswith("|")
    if is_file or (delimiter and "|" not in opening and _is_values(lines, delimiter)):
        grids, left_out = read_csv(lines, 1, delimiter)
        if is_file or any(map(_has_figures, grids)):
            return grids, _without(lines, grids), left_out
    grids, left_out = _read_text(lines)
    return grids, _without(lines, grids), left_out


def _is_values(lines: Sequence[str], delimiter: str) -> bool:
    """Whether nine of the first lines in ten have the delimiter equally often, so that a text without a suffix is a table."""
    given = [line for line in lines[:200] if line.strip() and not line.startswith("#")]
    counts = [line.count(delimiter) for line in given]
    return len(given) > 1 and counts.count(counts[0]) * 10 >= len(given) * 9 and delimiter_of(lines) == delimiter


def _has_figures(grid: Grid) -> bool:
    """Whether there is a figure for every other row: commas alone are as good a sign of a sentence."""
    return sum(is_figure(cell) for row in grid.rows for cell in row) * 2 >= len(grid.rows)


def _read_text(lines: list[str]) -> tuple[list[Grid], list[Message]]:
    """The tables of an article, each kind among the lines that those before it left."""
    grids, left_out, rest = [], [], list(lines)
    if any("<" in line and "table" in line.lower() for line in rest):
        text = "\n".join(rest)
        line = position = 0
        for start, end in table_regions(text):
            line += text.count("\n", position, start)
            position = start
            grids += read_html(text[start:end], line + 1)[0]
            _blank(rest, range(line, line + text.count("\n", start, end) + 1))
    for block, dropped in _blocks(rest):
        found = list(box_grids(block) if block[0].rule else pipe_grids(block))
        grids += found
        if dropped and found:
            left_out.append(say("{count} lines after line {line} were not read.", count=dropped, line=block[-1].number))
        for grid in found:
            _blank(rest, range(grid.line - 1, grid.end))
    for read in (column_grids, runs_in_text, spaced_grids, list_grids):
        found = list(read(rest, 1))
        grids += found
        for grid in found:
            _blank(rest, range(grid.line - 1, grid.end))
    return grids, left_out


def _blocks(lines: Sequence[str]) -> Iterator[tuple[list[Line], int]]:
    """Runs of lines with pipes or drawn rules, and how many lines of each were too many.

    One empty line does not end a run where the next one is as wide, as in texts whose every line is followed by an empty one.
    """
    block: list[Line] = []
    gap = dropped = 0
    for number, raw in enumerate(lines, 1):
        line = _line(number, raw)
        if line is None or (gap and block and not line.rule and line.text.count("|") != block[-1].text.count("|")):
            gap = gap + 1 if line is None and not raw.strip() else 2
            if gap > 1 and block:
                yield block, dropped
                block, dropped = [], 0
            if line is None:
                continue
        gap = 0
        if len(block) <= MOST_ROWS:
            block.append(line)
        else:
            dropped += 1
    if block:
        yield block, dropped


def _line(number: int, raw: str) -> Line | None:
    """The line as part of a table; None if it cannot be."""
    if "|" not in raw and not (BOX_MARKS & set(raw) or "｜" in raw or "-+" in raw or "=+" in raw):
        return None
    text = piped(raw)
    if BOX_MARKS & set(text):
        text = undrawn(text)
    rule = rule_width(text)
    return Line(number, text, rule) if rule or "|" in text else None


def _blank(lines: list[str], taken: range) -> None:
    for index in taken:
        if index < len(lines):
            lines[index] = ""


def _without(lines: list[str], grids: Iterable[Grid]) -> str:
    """The text of ``lines`` with those of tables empty."""
    rest = list(lines)
    for grid in grids:
        _blank(rest, range(grid.line - 1, grid.end))
    return "\n".join(rest)


def _sheets(grids: list[Grid], lines: Sequence[str]) -> tuple[list[Sheet], list[Message]]:
    sheets: list[Sheet] = []
    room = MOST_CELLS
    unread = 0
    for grid in sorted(grids, key=lambda grid: grid.line):
        if len(sheets) == _MOST_SHEETS or room <= 0:
            unread += 1
            continue
        sheet = sheet_of(replace(grid, caption=grid.caption.strip() or _caption(lines, grid.line)), len(sheets) + 1, room)
        if sheet is not None:
            room -= len(sheet.heading) * (1 + len(sheet.rows))
            sheets.append(sheet)
    return sheets, [say("{count} further tables were not read.", count=unread)] if unread else []


def _caption(lines: Sequence[str], line: int) -> str:
    """The nearest line with words above a table."""
    for index in range(line - 2, max(-1, line - 2 - _CAPTION_REACH), -1):
        text = lines[index][:2000]
        if not _ORNAMENT.fullmatch(text) and not text.lstrip().startswith("```"):
            return plain(text.strip("#>*-= \t"))[:200]
    return ""
