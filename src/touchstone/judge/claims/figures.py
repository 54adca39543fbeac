"""A table's cell read as a number: what is printed stands for every value that would be printed like it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache

from touchstone.claim import Figure
from touchstone.judge.claims.printed_numbers import DIGITS, NO_NUMBER, SHOWN, Printed, UnreadableError, read_printed
from touchstone.judge.claims.units_of_text import Unit, as_typed, is_count, read_unit
from touchstone.message import Message, say

_LONGEST = 200
_MOST = Decimal("1e18")
NO_UNIT = say("It has no unit, and neither does its heading.")
_EMPTY = {"", "-", "--", "—", "–", "/", "\\", "n/a", "na", "none", "null", "nan", "tbd", "?", "…", "...", "无", "未测", "不适用", "空"}
_BOUND = re.compile(r"[<>≤≥≦≧]|超过|高达|达到|不到|不足|至少|至多|最多|小于|大于|低于|高于|under |over |up to |at least |at most |below |above ", re.IGNORECASE)
_REMARK = re.compile(r" ?[\(\[](?P<inside>[^()\[\]]*)[\)\]]?$")
_PLAIN = re.compile(r"(?:0|[1-9]\d{0,11})(?:\.\d{1,12})?", re.ASCII)
_ORNAMENT = re.compile(r"[\s*†‡↑↓▲▼★☆✅✓⭐🔥🚀🏆]+$")


@dataclass(frozen=True)
class CellReading:
    """What a cell gives: a figure in SI, or None and in ``note`` the reason. Beside a figure ``note`` says what is odd about it."""

    figure: Figure | None
    note: Message | None = None


def read_figure(cell: str, figure: str, unit: Unit | None = None) -> CellReading:
    """``cell`` as ``figure`` (an id of :data:`touchstone.claim.FIGURE_UNITS`, with or without a statistic) in SI units.

    ``unit`` is the heading's; a unit in the cell goes before it, and without either only a count is read. A printed number stands for
    half a unit of its last digit to both sides: "62.13" is 62.125 to 62.135 and "27500" is 27499.5 to 27500.5. Around "~3800" it is
    5 %, "98-101" is both ends and their middle, "12.3 ± 0.4" all of the spread. A bound ("<100"), a change ("+15 %") and a ratio
    ("2.15x") are no figures.
    """
    return _reading(cell[:_LONGEST + 1], figure, unit)


@lru_cache(maxsize=8192)
def _reading(cell: str, figure: str, unit: Unit | None) -> CellReading:
    if unit is not None and _PLAIN.fullmatch(cell):
        return _plainly(cell, figure, unit)
    text = as_typed(cell)
    if len(text) > _LONGEST:
        return CellReading(None, say("It is too long to be a number."))
    try:
        with localcontext() as context:
            context.prec = 40
            return _read(text, figure, unit)
    except UnreadableError as unreadable:
        return CellReading(None, unreadable.reason)


def _plainly(cell: str, figure: str, unit: Unit) -> CellReading:
    """A number and nothing else, as most cells are, in the heading's unit."""
    number = Decimal(cell)
    half = Decimal(5).scaleb(-1 - len(cell.partition(".")[2]))
    return _figure(cell, Printed(number, number - half, number + half, ""), (unit, ""), figure)


def is_number(cell: str) -> bool:
    """Whether a cell begins with a number, so that its column is not one of words."""
    return bool(re.match(rf"[~≈约<>≤≥+-]* ?{DIGITS}\s*(?:[^\w\s]|$|[a-zA-Z%]{{1,8}}(?:/\w+)*$)", as_typed(cell[:_LONGEST]), re.ASCII))


def _read(text: str, figure: str, unit: Unit | None) -> CellReading:
    text = _ORNAMENT.sub("", text).lstrip("*")
    if text.lower() in _EMPTY:
        raise UnreadableError(NO_NUMBER)
    if re.search(r"\boom\b|out of memory|显存不足", text, re.IGNORECASE):
        raise UnreadableError(say("It ran out of memory."))
    if _BOUND.search(text.partition("(")[0]) or re.match(r"[^(]*\d ?\+(?![/\d-])", text):
        raise UnreadableError(say("{text} is a bound, not a value.", text=text[:SHOWN]))
    if re.match(r"[+-] ?[\d.]", text):
        raise UnreadableError(say("{text} has a sign: a difference, not a value.", text=text[:SHOWN]))
    printed = read_printed(text, figure)
    scale = _own_unit(printed.rest, figure, unit)
    return _figure(text, printed, scale, figure)


def _own_unit(rest: str, figure: str, unit: Unit | None) -> tuple[Unit, str]:
    """The unit to apply to a number with ``rest`` after it, and the remark after the unit."""
    bare = rest.strip()
    found = _REMARK.search(bare)
    remark, bare = (found["inside"], bare[:found.start()].strip()) if found else ("", bare)
    if re.fullmatch(r"[xX×倍]", bare):
        raise UnreadableError(say("It is a ratio, not a value in a unit."))
    if bare:
        own = read_unit(bare)
        if own is None:
            raise UnreadableError(say("What follows the number is not understood: {text}", text=bare[:SHOWN]))
        if not own.fits(figure) or (unit is not None and unit.each and own.each != unit.each and own.each):
            raise UnreadableError(say("{unit} is not a unit of {figure}.", unit=bare[:SHOWN], figure=figure))
        return own, remark
    if unit is not None:
        return unit, remark
    inside = read_unit(remark) if remark else None
    if inside is not None and inside.fits(figure):
        return inside, ""
    if is_count(figure):
        return Unit(""), remark
    raise UnreadableError(NO_UNIT)


def _figure(text: str, printed: Printed, scale: tuple[Unit, str], figure: str) -> CellReading:
    unit, remark = scale
    factor = unit.factor ** 2 if figure.endswith(".var") else unit.factor
    inside = printed.scaled(factor, "")
    if inside.high >= _MOST:
        raise UnreadableError(say("It is too large to be true."))
    value = Figure(float(inside.value), max(float(inside.low), 0.0), float(inside.high), text)
    second = _second(remark, figure)
    if second is not None and not (second.low <= value.high and value.low <= second.high):
        return CellReading(value, say("{text} gives two numbers that differ; the first is taken.", text=text[:SHOWN]))
    return CellReading(value, printed.doubt or unit.doubt)


def _second(remark: str, figure: str) -> Figure | None:
    """The same number in another unit, as a remark gives it."""
    if figure.endswith(".var") or not re.match(r"[~≈约]? ?[\d.]", remark):
        return None
    try:
        printed = read_printed(remark, figure)
        unit = read_unit(printed.rest)
        if unit is None or not unit.fits(figure):
            return None
        inside = printed.scaled(unit.factor, "")
    except UnreadableError:
        return None
    return Figure(float(inside.value), float(inside.low), float(inside.high)) if inside.high < _MOST else None
