"""Tables that programs draw in a terminal: boxes of lines, columns under dashes, and lists of names and numbers after a colon."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from touchstone.judge.claims.grid import MOST_COLUMNS, MOST_ROWS, Grid, wrapped
from touchstone.judge.claims.markdown_sheets import Line, cells_of
from touchstone.judge.claims.words import is_figure, is_result

_DRAWN = str.maketrans({**dict.fromkeys("─━═╌╍┄┅┈┉╴╶╸╺", "-"), **dict.fromkeys("┌┬┐├┼┤└┴┘┏┳┓┣╋┫┗┻┛╔╦╗╠╬╣╚╩╝╒╤╕╞╪╡╘╧╛╓╥╖╟╫╢╙╨╜┡╇┩┢┪╭╮╰╯┯┿┷┠╂┨┝┥", "+")})
BOX_MARKS = frozenset("│┃║─━═╭╒┌┏╔")
_COLUMN_RULE = re.compile(r"\s*(?:-{2,}|={2,})(?:\s+(?:-{2,}|={2,}))+\s*")
_ENTRY = re.compile(r"\s{0,40}(?:[-*•●]\s{1,9})?([^\s:：\"'=|{}][^:：\"'={}|]{0,79})[:：]\s{0,80}([~≈<>]?[0-9][0-9,.]{0,30}\s?[^\s,;:\"'}]{0,12})\s{0,80}")
_BANNER = re.compile(r"\s{0,40}[-=]{4,}[^=]{0,60}[-=]{4,}\s{0,40}|\s{0,40}[-=]{8,}\s{0,40}")


def undrawn(text: str) -> str:
    """The line with lines of a box drawn in ASCII."""
    return text.translate(_DRAWN)


def box_grids(block: Sequence[Line]) -> Iterator[Grid]:
    """The tables of a run of lines that starts with a drawn rule. A bottom rule and a top rule in a row part two tables."""
    start = 0
    for index in range(1, len(block)):
        if block[index].rule and block[index - 1].rule and index > start + 1:
            yield from _box(block[start:index])
            start = index
    yield from _box(block[start:])


def _box(lines: Sequence[Line]) -> Iterator[Grid]:
    groups = [[cells_of(line.text) for line in group] for is_rule, group in groupby(lines, key=lambda line: line.rule > 0) if not is_rule]
    if not groups:
        return
    each_ruled = len(groups) > 2
    if len(groups) == 1:
        groups = [groups[0][:1], groups[0][1:]]
    heading = _stacked(groups[0])
    rows = [row for group in groups[1:] for row in _logical_rows(group, each_ruled=each_ruled)]
    if rows and len(heading) > 1:
        yield Grid(lines[0].number, lines[-1].number, [heading, *rows])


def _logical_rows(lines: list[list[str]], *, each_ruled: bool) -> list[list[str]]:
    """Rows from printed lines: one that is mostly empty goes on with the row above, where a cell was too long for a line.

    Between two rules a line without a first cell does too; a number below a number starts a row of its own.
    """
    rows: list[list[list[str]]] = []
    for cells in lines:
        is_sparse = sum(map(bool, cells)) * 2 < len(cells)
        is_rest = (is_sparse or not cells[0]) if each_ruled else (is_sparse and not cells[0])
        if rows and is_rest and not any(is_figure(above) and is_figure(below) for above, below in zip(rows[-1][0], cells, strict=False)):
            rows[-1].append(cells)
        else:
            rows.append([cells])
    return [_stacked(row) for row in rows]


def _stacked(lines: list[list[str]]) -> list[str]:
    width = max(map(len, lines))
    return [wrapped([line[column] for line in lines if column < len(line)]) for column in range(width)] if len(lines) > 1 else lines[0]


def column_grids(lines: Sequence[str], first: int) -> Iterator[Grid]:
    """The tables under a rule like ``-----  ---``, a group of dashes for each column; ``lines`` start with number ``first``."""
    index = 1
    while index < len(lines):
        text = lines[index]
        if ("--" not in text and "==" not in text) or not _COLUMN_RULE.fullmatch(text):
            index += 1
            continue
        spans = [found.span() for found in re.finditer(r"\S+", text)][:MOST_COLUMNS]
        rows = [_sliced(lines[index - 1], spans)]
        start, index = index, index + 1
        while index < len(lines) and lines[index].strip() and not _COLUMN_RULE.fullmatch(lines[index]):
            rows.append(_sliced(lines[index], spans))
            index += 1
        if len(rows) > 1 and all(rows[0]):
            bottom = index < len(lines) and bool(lines[index].strip())
            yield Grid(first + start - 1, first + index - (not bottom), rows)


def _sliced(text: str, spans: list[tuple[int, int]]) -> list[str]:
    """The cells of a line: parted by two spaces, or else cut where the dashes are."""
    parts = re.split(r"\s{2,}|\t", text.strip()[:4000])
    if len(parts) == len(spans):
        return parts
    ends = [start for start, _ in spans[1:]] + [len(text)]
    return [text[start:end].strip() for (start, _), end in zip(spans, ends, strict=True)]


def spaced_grids(lines: Sequence[str], first: int) -> Iterator[Grid]:
    """Columns under a heading with no rule, at least two spaces apart, mostly numbers; the index that pandas prints has no heading."""
    index = 0
    while index < len(lines):
        heading = _apart(lines[index])
        index += 1
        if len(heading) < 3 or any(map(is_figure, heading)) or not any(map(is_result, heading)):
            continue
        rows = _alike(_apart(lines[at]) for at in range(index, min(len(lines), index + MOST_ROWS)))
        width = len(rows[0]) if rows else 0
        if width - len(heading) in {0, 1} and 2 * sum(is_figure(cell) for row in rows for cell in row) > width * len(rows):
            yield Grid(first + index - 1, first + index + len(rows) - 1, [[""] * (width - len(heading)) + heading, *rows])
            index += len(rows)


def _alike(rows: Iterable[list[str]]) -> list[list[str]]:
    """The first rows, as long as they have a figure and are as wide as the first."""
    kept: list[list[str]] = []
    for row in rows:
        if not any(map(is_figure, row)) or (kept and len(row) != len(kept[0])):
            break
        kept.append(row)
    return kept


def _apart(text: str) -> list[str]:
    return re.split(r"\s{2,}", text.strip()[:4000]) if "  " in text else []


def list_grids(lines: Sequence[str], first: int) -> Iterator[Grid]:
    """Lists like ``Mean TTFT (ms): 68.27``, at least three in a row; banners of dashes or equals signs may stand between them."""
    names: list[str] = []
    values: list[str] = []
    start = end = 0
    for number, text in enumerate([*lines, ""], first):
        found = _ENTRY.fullmatch(text) if (":" in text or "：" in text) and len(text) < 300 else None
        if found and found[1].strip() not in names and len(names) < MOST_COLUMNS:
            start = start if names else number
            end = number
            names.append(found[1].strip())
            values.append(found[2].strip())
        elif not (names and _BANNER.fullmatch(text[:200])):
            if len(names) > 2 and any(map(is_result, names)):
                yield Grid(start, end, [names, values])
            names, values = ([found[1].strip()], [found[2].strip()]) if found else ([], [])
            start = end = number
