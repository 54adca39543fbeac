"""A sheet read as claims: one per row, with its figures, its conditions and its words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from touchstone.claim import Claim, ClaimTable, Figure
from touchstone.hardware import find_chips
from touchstone.judge.claims.bare_latency import settled
from touchstone.judge.claims.columns import Column, Remarks, figure_id, quoted, read_columns
from touchstone.judge.claims.device_words import devices_in, names_degree
from touchstone.judge.claims.figures import read_figure
from touchstone.judge.claims.heading_words import MEMORY, RESULTS
from touchstone.judge.claims.headings import names_lengths, names_rows, read_statistic, word_key
from touchstone.judge.claims.row_names import conditions_in, lengths_in, llama_bench_throughput
from touchstone.judge.claims.sheet import Sheet
from touchstone.judge.claims.shortcuts import PREFIX_CACHE, SPECULATION
from touchstone.judge.claims.words import heads_remarks
from touchstone.message import Message, say
from touchstone.simulate.known_models import find_models

_LONGEST_WORD = 200
_ANYHOW = frozenset({"model", "hardware", "dtype", "devices", SPECULATION, PREFIX_CACHE})
"""What a column of numbers, or of what looks like them, may say in words too: 910B, 8bit, TP8, 50 %."""
_MOST_DEVICES = 512
_LOAD = ("batch_size", "concurrency", "request_rate", "devices", "runs")


def claim_table(sheet: Sheet) -> ClaimTable | None:
    """The claims of a sheet; None where no heading names a result or no cell below one is a number (see :func:`no_claims`).

    Rows are counted from 1 in the table's order; a row of which nothing could be read is a claim without figures. What was inferred is
    in ``assumptions``, what was not read in ``left_out``. Rows that are statistics of the same thing become one claim.
    """
    remarks = Remarks(left_out=dict.fromkeys(sheet.left_out))
    columns = settled(read_columns(sheet, remarks), remarks)
    if not any(_is_result(column) for column in columns):
        return None
    rows = _Rows(columns, next((column for column in columns if column.of_statistics), None), _label_column(columns), _of_caption(sheet.caption))
    claims = [rows.claim(at, remarks) for at in range(len(sheet.rows))]
    return ClaimTable(sheet.source, tuple(rows.merged(claims)), assumptions=tuple(remarks.assumptions), left_out=tuple(remarks.left_out))


def _of_caption(caption: str) -> Mapping[str, str]:
    """The chip and the model that a table is about by the line above it, where that names one and no more."""
    chips, models = find_chips(caption), find_models(caption)
    words = {"hardware": chips[0].name} if len(chips) == 1 else {}
    return words | ({"model": models[0].text} if len({mention.architecture.name for mention in models}) == 1 else {})


def no_claims(sheet: Sheet) -> Message:
    """Why :func:`claim_table` gives None."""
    headings = ", ".join(quoted(heading) for heading in sheet.heading[:12])
    return say("No column is a known result with numbers: {headings}", headings=headings)


def _is_result(column: Column) -> bool:
    return column.meaning is not None and column.meaning.rule.figure in RESULTS | MEMORY and any(column.figures)


def _label_column(columns: Sequence[Column]) -> Column | None:
    """The column that names the rows: by its heading, or the first one of words that is not a remark."""
    words = [column for column in columns if not (column.meaning or column.of_statistics or column.of_numbers) and any(column.cells)]
    named = [column for column in words if names_rows(column.heading)]
    of_subject = [column for column in words if word_key(column.heading)]
    free = [column for column in words
            if not (word_key(column.heading) or heads_remarks(column.heading) or names_lengths(column.heading))]
    return next(iter(named + free + of_subject), None)


@dataclass(frozen=True)
class _Rows:
    """The columns of a table by what they are to its rows."""

    columns: Sequence[Column]
    statistics: Column | None
    names: Column | None
    caption: Mapping[str, str] = field(default_factory=dict)

    def claim(self, at: int, remarks: Remarks) -> Claim:
        """Row ``at``, counted from 0, as a claim."""
        figures = {figure_id(column.meaning, self._statistic(at)): figure for column in self.columns
                   if column.meaning and (figure := column.figures[at]) is not None}
        name = self.names.cells[at][:_LONGEST_WORD] if self.names else ""
        if "throughput" in figures and (throughput := llama_bench_throughput(name)):
            figures[throughput] = figures.pop("throughput")
        for column in self.lengths:
            figures |= _lengths(column, at, remarks)
        known = {*figures, *(column.meaning.rule.figure for column in self.columns if column.meaning)}
        for condition, value in conditions_in(name).items():
            if condition not in known:
                figures[condition] = value
                remarks.assume(say("No column gives {figure}; it is read from the names of the rows.", figure=condition))
        words = self._words(at)
        self._devices(at, figures, (name, *words.values()))
        return Claim(at + 1, name or _name_of(figures), figures, words)

    def _devices(self, at: int, figures: dict[str, Figure], words: Sequence[str]) -> None:
        """Add how many devices took part: what the columns of degrees multiply to, or else what the row's words say."""
        degrees = [figure.value for column in self.degrees if (figure := read_figure(column.cells[at], "devices").figure)]
        count = math.prod((figures["devices"].value if "devices" in figures else 1.0, *degrees)) if degrees else None
        if figures.get("devices") and figures["devices"].value > _MOST_DEVICES:  # a chip called 4090
            del figures["devices"]
        if count is None and "devices" not in figures:
            count = devices_in("; ".join(dict.fromkeys(words)))
        if count:
            figures["devices"] = Figure(count, count, count, f"{count:.0f}")

    def _statistic(self, at: int) -> str | None:
        return read_statistic(self.statistics.cells[at]) if self.statistics else None

    def _words(self, at: int) -> Mapping[str, str]:
        """The row's cells that are no figures: those of the subject by its keys, the others by their headings."""
        words: dict[str, str] = {}
        for key, column in self.worded:
            if cell := column.cells[at].strip()[:_LONGEST_WORD]:
                words.setdefault(key, cell)
        return {**self.caption, **words}

    @cached_property
    def lengths(self) -> Sequence[Column]:
        """The columns that give input and output length in one cell."""
        return [column for column in self.columns if names_lengths(column.heading)]

    @cached_property
    def degrees(self) -> Sequence[Column]:
        """The columns of degrees of parallelism that multiply, where the number of devices is not given itself."""
        given = any(column.meaning and column.meaning.figure == "devices" and not column.meaning.rule.assumption for column in self.columns)
        return [] if given else [column for column in self.columns if names_degree(column.heading)]

    @cached_property
    def worded(self) -> Sequence[tuple[str, Column]]:
        """The columns that give words, by their key."""
        keys = [(word_key(column.heading), column) for column in self.columns]
        return [(key or quoted(column.heading), column) for key, column in keys if key in _ANYHOW or (
            column.meaning is None and column is not self.statistics and not column.of_numbers)]

    def merged(self, claims: Sequence[Claim]) -> Iterator[Claim]:
        """Rows that are different statistics under the same conditions as one claim."""
        group: list[Claim] = []
        seen: set[str | None] = set()
        for claim in claims:
            statistic = self._statistic(claim.row - 1)
            if group and (statistic is None or statistic in seen or not _alike(group[0], claim)):
                yield _one(group)
                group, seen = [], set()
            group.append(claim)
            seen.add(statistic)
        if group:
            yield _one(group)


def _lengths(column: Column, at: int, remarks: Remarks) -> Mapping[str, Figure]:
    """Input and output length of a cell that gives both."""
    pair = lengths_in(column.cells[at])
    readings = {name: read_figure(length, name) for name, length in zip(("input_tokens", "output_tokens"), pair or (), strict=False)}
    for note in (reading.note for reading in readings.values() if reading.figure and reading.note):
        remarks.assume(say("{heading}: {what}", heading=quoted(column.heading), what=note))
    return {name: reading.figure for name, reading in readings.items() if reading.figure}


def _alike(one: Claim, other: Claim) -> bool:
    return one.words == other.words and all(one.value(figure) == other.value(figure) for figure in _LOAD)


def _one(group: Sequence[Claim]) -> Claim:
    """The first claim of a group, with the figures of all."""
    figures: dict[str, Figure] = {}
    for claim in group:
        figures |= {name: figure for name, figure in claim.figures.items() if name not in figures}
    return replace(group[0], figures=figures)


def _name_of(figures: Mapping[str, Figure]) -> str:
    """What a row without a name is called: its conditions."""
    conditions = [name for name in (*_LOAD, "input_tokens", "output_tokens") if name in figures]
    return ", ".join(f"{name}={figures[name].text}" for name in conditions[:4])
