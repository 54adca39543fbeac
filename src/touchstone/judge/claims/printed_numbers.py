"""Numbers as people print them: every way to write one, as the interval of values that would be printed like it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from touchstone.judge.claims.units_of_text import is_count, read_unit
from touchstone.message import Message, say

NO_NUMBER = say("It holds no number.")
SHOWN = 40
"""Characters of somebody's text that a sentence quotes at most."""
DIGITS = r"(?:\d{1,3}(?:[,'’ _]\d{3})+(?![\d])(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d{1,2}(?!\d)|\d+,\d+|\d+(?:\.\d*)?|\.\d+)"
"""A number without sign, power or unit."""
_ABOUT = Decimal("0.05")
_NUMBER = re.compile(rf"(?P<digits>{DIGITS})(?: ?[x×*·] ?10 ?\^ ?(?P<raised>[+-]?\d+)|[eE](?P<power>[+-]?\d+))?", re.ASCII)
_BEFORE = re.compile(r"(?P<about>~|≈|≃|约为?|大约|近|about |around |approx\.? ?|ca\.? |c\. )?\s*", re.IGNORECASE)
_SCALES = {"k": Decimal(1000), "千": Decimal(1000), "m": Decimal(1_000_000), "百万": Decimal(1_000_000), "万": Decimal(10_000),
           "亿": Decimal(100_000_000)}
_SCALE = re.compile(r" ?(百万|[kKM千万亿])(?![A-Za-z]*[iI]?[bB]\b)")
_RANGE = re.compile(r" ?(?:-|–|—|~|至|到|to|\.\.+) ?(?=[\d.])")
_SPREAD = re.compile(r" ?\(? ?(?:±|\+/-|\+-) ?")


@dataclass(frozen=True)
class Printed:
    """A printed number before its unit is applied, and what follows it in the cell."""

    value: Decimal
    low: Decimal
    high: Decimal
    rest: str
    doubt: Message | None = None

    def scaled(self, factor: Decimal, rest: str) -> Printed:
        return Printed(self.value * factor, self.low * factor, self.high * factor, rest, self.doubt)


class UnreadableError(Exception):
    """Carries the reason why a cell is not a figure."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


def read_printed(text: str, figure: str) -> Printed:
    """The number that ``text`` begins with, as an interval, with its multiples, its range or its spread."""
    before = _BEFORE.match(text)
    assert before is not None
    first = _number(text[before.end():], figure)
    if first is None:
        raise UnreadableError(NO_NUMBER if not re.search(r"\d", text) else say("{text} does not begin with a number.", text=text[:SHOWN]))
    about = bool(before["about"])
    to, spread = _RANGE.match(first.rest), _SPREAD.match(first.rest)
    if to:
        first = _up_to(first, _number(first.rest[to.end():], figure))
    elif spread:
        first = _spread(first, _number(first.rest[spread.end():], figure), inside="(" in spread[0])
    if first.rest.strip().startswith("左右"):
        about, first = True, first.scaled(Decimal(1), first.rest.strip()[2:])
    if about:
        wide = first.value * _ABOUT
        first = Printed(first.value, min(first.low, first.value - wide), max(first.high, first.value + wide), first.rest)
    return first


def _up_to(first: Printed, last: Printed | None) -> Printed:
    if last is None or last.value < first.value:
        raise UnreadableError(say("It is not a range that can be read."))
    return Printed((first.value + last.value) / 2, first.low, last.high, last.rest)


def _spread(first: Printed, spread: Printed | None, *, inside: bool) -> Printed:
    if spread is None:
        raise UnreadableError(say("It is not a spread that can be read."))
    share = re.match(r" ?%", spread.rest)
    half = first.value * spread.value / 100 if share else spread.value
    rest = spread.rest[share.end():] if share else spread.rest
    return Printed(first.value, first.low - half, first.high + half, rest.replace(")", "", 1) if inside else rest)


def _number(text: str, figure: str) -> Printed | None:
    """The plain number at the start of ``text``: half a unit of its last printed digit to both sides, times what k, M, 万 or 亿 say."""
    found = _NUMBER.match(text)
    if found is None:
        return None
    digits, power = found["digits"], found["raised"] or found["power"] or "0"
    if len(digits) > 40 or len(power) > 4 or re.match(r"0\d", digits) or re.match(r"[.,:]?\d|[.:]\w", text[found.end():]):
        raise UnreadableError(say("{text} is not a number that can be read.", text=text[:SHOWN]))
    number = Decimal(_decimal(digits, figure)).scaleb(int(power))
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    half = Decimal(5).scaleb(exponent - 1)
    printed = Printed(number, number - half, number + half, text[found.end():])
    scale = _SCALE.match(printed.rest)
    if scale is None or ((own := read_unit(printed.rest)) is not None and own.fits(figure)):
        return printed
    rest = printed.rest[scale.end():]
    if figure in {"input_tokens", "output_tokens"} and scale[1] in "kK" and number == number.to_integral_value():
        return _length_in_k(number, rest)
    return printed.scaled(_SCALES[scale[1].lower()], rest)


def _length_in_k(number: Decimal, rest: str) -> Printed:
    """A length of "4k" is 4096 or 4000 tokens, and neither more nor less; powers of two are 1024s first."""
    binary = int(number) & (int(number) - 1) == 0
    return Printed(number * (1024 if binary else 1000), number * 1000, number * 1024, rest,
                   say("A length in k is read as 1024 tokens each where it is a power of two, else as 1000."))


def _decimal(digits: str, figure: str) -> str:
    """``digits`` with a decimal point and no separators. A comma before three digits separates thousands, else it is a decimal one."""
    tail = digits.rpartition(",")[2]
    if "," not in digits:
        return re.sub(r"[' ’_]", "", digits)
    if "." in tail or (len(tail) == 3 and not digits.startswith("0,")):
        return digits.replace(",", "")
    if is_count(figure) or digits.count(",") > 1:
        raise UnreadableError(say("{text} is not a number that can be read.", text=digits[:SHOWN]))
    return digits.replace(".", "").replace(",", ".")
