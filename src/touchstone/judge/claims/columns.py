"""The columns of a sheet: what each heading means beside the others, and the number in each of its cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from touchstone.claim import FIGURE_UNITS, Figure
from touchstone.judge.claims.device_words import names_degree
from touchstone.judge.claims.figures import is_number, read_figure
from touchstone.judge.claims.heading_words import SYSTEM_RATES
from touchstone.judge.claims.headings import Meaning, names_lengths, read_heading, read_statistic, word_key
from touchstone.judge.claims.sheet import Sheet
from touchstone.judge.claims.shortcuts import headed
from touchstone.judge.claims.units_of_text import Unit, as_typed, read_unit
from touchstone.message import Message, say

_SHOWN = 60
_SIZES = ("GB", "MB", "bytes")
_SANE = {
    "ttft": (1e-3, 30.0, ("s", "ms")), "tpot": (2e-4, 2.0, ("s", "ms")), "itl": (2e-4, 2.0, ("s", "ms")), "e2e": (5e-3, 600.0, ("s", "ms")),
    "duration": (1.0, 86_400.0, ("s", "ms")), "decode_speed": (0.1, 5e3, ("tokens/s",)), "user_throughput": (0.1, 5e3, ("tokens/s",)),
    "throughput": (1.0, 1e7, ("tokens/s",)), "output_throughput": (1.0, 1e7, ("tokens/s",)), "total_throughput": (1.0, 1e7, ("tokens/s",)),
    "prompt_throughput": (1.0, 1e7, ("tokens/s",)), "request_throughput": (1e-3, 200.0, ("requests/s",)),
    "request_rate": (1e-3, 1e3, ("requests/s",)),
    "peak_memory": (1e8, 2e12, _SIZES), "weight_memory": (1e8, 2e12, _SIZES), "kv_memory": (1e7, 2e12, _SIZES), "device_memory": (4e9, 2e12, _SIZES),
    "memory_fraction": (0.01, 1.0, ("1", "%")),
}
"""Figure → least and most that anybody would publish of it, in SI, and the units that people leave out."""
_OF_THE_ROW = frozenset({"batch_size", "concurrency", "request_rate", "devices", "runs", "requests", "duration"})
_MOST_STATISTICS = 50
_SHARE = re.compile(r"\s*\d{1,3}(?:\.\d+)?\s*[%％]\s*")
_OF_QUANTILES = re.compile(r"^\W*$|percentile|quantile|statistic|metric|分位|百分|统计|指标", re.IGNORECASE)
"""What heads shares that are quantiles: "50 %" elsewhere is a rate of use, of hits, of anything."""
_SPREADS = (".std", ".var", ".range")


@dataclass(frozen=True)
class Column:
    """A column: ``meaning`` is None where its heading has none, and ``figures`` has a figure or None for each cell."""

    heading: str
    cells: tuple[str, ...]
    meaning: Meaning | None = None
    figures: tuple[Figure | None, ...] = ()

    @cached_property
    def of_statistics(self) -> bool:
        """Whether most of its filled cells are names of statistics."""
        filled = [cell for cell in self.cells if cell.strip()]
        if read_heading(self.heading) or word_key(self.heading) or len(set(filled)) > _MOST_STATISTICS:
            return False
        if not _OF_QUANTILES.search(self.heading):
            filled = [cell for cell in filled if not _SHARE.fullmatch(cell)] or ["%"]
        return len(filled) < 2 * sum(read_statistic(cell) is not None for cell in filled)

    @cached_property
    def of_numbers(self) -> bool:
        """Whether most of its filled cells are numbers."""
        filled = [cell for cell in self.cells if cell.strip()]
        return 2 * sum(map(is_number, filled)) > len(filled)


@dataclass
class Remarks:
    """What was inferred and what was not read: each sentence once, in order."""

    assumptions: dict[Message, None] = field(default_factory=dict)
    left_out: dict[Message, None] = field(default_factory=dict)

    def assume(self, message: Message) -> None:
        """Note an inference."""
        self.assumptions[message] = None

    def leave_out(self, message: Message) -> None:
        """Note something that was not read."""
        self.left_out[message] = None


def quoted(text: str) -> str:
    """Somebody's text as a sentence may quote it: short, and on one line."""
    return as_typed(text[:_SHOWN])


def read_columns(sheet: Sheet, remarks: Remarks) -> tuple[Column, ...]:
    """The columns of ``sheet`` with their meanings and figures. A figure that two columns have is taken from the first."""
    columns = [Column(heading, tuple(row[at] if at < len(row) else "" for row in sheet.rows)) for at, heading in enumerate(sheet.heading)]
    by_row = next((column.cells for column in columns if column.of_statistics), None)
    statistics = ["mean"] * len(sheet.rows) if by_row is None else [read_statistic(cell) for cell in by_row]
    for cell, statistic in zip(by_row or (), statistics, strict=False):
        if statistic is None:
            remarks.leave_out(say("The row {name} is not understood beside statistics; it is left out.", name=quoted(cell)))
    read = (replace(column, figures=tuple(_figures(column, statistics, remarks))) if column.meaning else column
            for column in _with_meanings(columns, remarks))
    return tuple(_without_vague_rates(column, statistics, remarks) for column in read)


def _without_vague_rates(column: Column, statistics: Sequence[str | None], remarks: Remarks) -> Column:
    """Quantiles of a rate over rows are of requests, as in AISBench, or of moments, as in guidellm: nobody says which."""
    spread = any(figure for figure, statistic in zip(column.figures, statistics, strict=False) if statistic != "mean")
    if not spread or column.meaning is None or column.meaning.rule.figure not in SYSTEM_RATES:
        return column
    remarks.leave_out(say("{heading} has quantiles, of requests or of moments; it is left out.", heading=quoted(column.heading)))
    return replace(column, meaning=None, figures=())


def _with_meanings(columns: Sequence[Column], remarks: Remarks) -> Iterator[Column]:
    """Each column with the first meaning that the others allow."""
    possible = [read_heading(column.heading) for column in columns]
    sure = [{meaning.rule.figure for meaning in meanings if meaning.sure} for meanings in possible]
    taken: dict[str, str] = {}
    for at, (column, meanings) in enumerate(zip(columns, possible, strict=True)):
        heading = quoted(column.heading)
        others = frozenset[str]().union(*sure[:at], *sure[at + 1:])
        meaning = _chosen(column, [meaning for meaning in meanings if meaning.rule.allows(others)], remarks)
        if meaning is not None and meaning.figure not in taken:
            taken[meaning.figure] = heading
            if meaning.rule.assumption:
                remarks.assume(say("{heading}: {what}", heading=heading, what=meaning.rule.assumption))
            yield replace(column, meaning=meaning)
            continue
        if meaning is not None:
            remarks.leave_out(say("{first} and {second} are both read as {figure}; the first is taken.", first=taken[meaning.figure],
                                  second=heading, figure=meaning.figure))
        elif column.of_statistics or names_lengths(column.heading) or not column.of_numbers or names_degree(column.heading) or headed(column.heading):
            pass
        elif meanings:
            remarks.leave_out(say("{heading} may mean more than one thing here; it is left out.", heading=heading))
        else:
            remarks.leave_out(say("{heading} is not understood; it is left out.", heading=heading))
        yield column


def _chosen(column: Column, meanings: Sequence[Meaning], remarks: Remarks) -> Meaning | None:
    """The meaning of a column: by the heading's unit, by a unit in its cells, or by the one unit in which its numbers are sane."""
    uneven = any(re.search(r"\d\.\d", cell) for cell in column.cells)
    meanings = [meaning for meaning in meanings if meaning.rule.uneven in {None, uneven}]
    if not meanings:
        return None
    if meanings[0].unit is not None:
        return meanings[0]
    for meaning in meanings:
        if any(read_figure(cell, meaning.figure).figure for cell in column.cells):
            return meaning
    sane = [(meaning, unit) for meaning in meanings for unit in _sane_units(column, meaning.figure)]
    if len(sane) != 1:
        return None
    (meaning, name), = sane
    remarks.assume(say("{heading} has no unit; its numbers are read as {unit}.", heading=quoted(column.heading), unit=name))
    return replace(meaning, unit=read_unit(name) or Unit(name))


def _sane_units(column: Column, figure: str) -> Iterator[str]:
    """The units in which every number of a column without any is of a size that somebody would publish."""
    name = figure.partition(".")[0]
    numbers = [reading.figure.value for cell in column.cells if (reading := read_figure(cell, figure, Unit(FIGURE_UNITS[name]))).figure]
    if name not in _SANE or figure.endswith(_SPREADS) or not numbers:
        return
    low, high, units = _SANE[name]
    for unit in units:
        factor = float((read_unit(unit) or Unit(unit)).factor)
        if all(low <= number * factor <= high for number in numbers):
            yield unit


def _figures(column: Column, statistics: Sequence[str | None], remarks: Remarks) -> Iterator[Figure | None]:
    """The figure of each cell; why some have none is said once for each reason."""
    assert column.meaning is not None
    heading, reasons = quoted(column.heading), dict[Message, list[str]]()
    for cell, statistic in zip(column.cells, statistics, strict=True):
        if statistic is None:
            yield None
            continue
        reading = read_figure(cell, figure_id(column.meaning, statistic), column.meaning.unit)
        if reading.figure is None and reading.note and cell.strip():
            reasons.setdefault(reading.note, []).append(quoted(cell))
        elif reading.note and reading.figure:
            remarks.assume(say("{heading}: {what}", heading=heading, what=reading.note))
        yield reading.figure
    for reason, cells in reasons.items():
        remarks.leave_out(say("{heading}: cells left out: {count}. The first is {cell}. {why}", heading=heading, count=len(cells),
                              cell=cells[0], why=reason))



def figure_id(meaning: Meaning, statistic: str | None) -> str:
    """The id of a cell's figure where the row is a statistic: conditions of the whole row have none."""
    plain = statistic in {None, "mean"} or "." in meaning.figure or meaning.figure in _OF_THE_ROW
    return meaning.figure if plain else f"{meaning.figure}.{statistic}"
