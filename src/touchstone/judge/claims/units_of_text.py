"""Units as people write them, in Chinese and English: ``tokens / 秒``, ``tok/s/req``, ``毫秒``, ``GiB``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from touchstone.claim import FIGURE_UNITS
from touchstone.message import Message, say

LONGEST = 40
_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | dict.fromkeys((0xA0, 0x2002, 0x2003, 0x2009, 0x202F, 0x3000), " ") | {
    0x200B: "", 0x200E: "", 0x200F: "", 0xFEFF: "", 0x2212: "-", 0x03BC: "u", 0xB5: "u", 0x301C: "~", 0x3010: "[", 0x3011: "]"}
_POWER, _SPACE, _EMPHASIS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+"), re.compile(r"[\s\x00-\x1f\x7f-\x9f]+"), re.compile(r"\*\*|__|`")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

_SECONDS = {
    "ns|纳秒": "1e-9", "us|微秒|microseconds?": "1e-6", "ms|msecs?|毫秒|milliseconds?": "1e-3", "s|secs?|seconds?|秒|秒钟": "1",
    "min|mins|minutes?|分钟": "60", "h|hrs?|hours?|小时": "3600",
}
_BYTES = {
    "b|bytes?|字节": "1", "kb": "1e3", "mb": "1e6", "gb": "1e9", "tb": "1e12",
    "kib": str(2**10), "mib": str(2**20), "gib": str(2**30), "tib": str(2**40),
}
_DOUBTFUL_BYTES = {"m": "1e6", "g": "1e9"}
_COUNTS = {
    "tokens": r"t|toks?|tokens?|词元|个 ?tokens?", "requests": r"reqs?|requests?|queries|query|请求|次请求", "words": "words?|单词",
    "devices": "gpus?|npus?|devices?|cards?|chips?|卡|张|张卡|块|块卡", "sequences": "seqs?|sequences?|序列", "runs": "runs?|轮", "": "个|条|路|次",
}
_EACH = {
    "request": r"reqs?|requests?|users?|streams?|seqs?|sequences?|请求|用户|并发|路", "token": r"toks?|tokens?|output token|词元",
    "device": r"gpus?|npus?|devices?|cards?|chips?|die|卡|node|节点",
}
_PER_SECOND = {"tokens": "tokens/s", "requests": "requests/s", "sequences": "requests/s", "": "requests/s"}
_RATES = {"tps": ("tokens/s", 1), "qps": ("requests/s", 1), "rps": ("requests/s", 1), "tpm": ("tokens/s", 60), "rpm": ("requests/s", 60)}
_MULTIPLES = {"k": 1000, "千": 1000, "万": 10_000, "百万": 1_000_000}
_OWN_EACH = {"decode_speed": "request", "user_throughput": "request", "e2e": "request", "tpot": "token", "itl": "token",
             "input_tokens": "request", "output_tokens": "request"}


@dataclass(frozen=True)
class Unit:
    """What a printed number counts.

    ``dimension`` is an SI unit of :data:`touchstone.claim.FIGURE_UNITS` ("" for a bare count), ``factor`` makes SI of the number,
    ``each`` is request, token or device where it is per one of these, ``doubt`` what was assumed.
    """

    dimension: str
    factor: Decimal = Decimal(1)
    each: str = ""
    doubt: Message | None = None

    def fits(self, figure: str) -> bool:
        """Whether ``figure`` (an id, with or without a statistic) may be given in this unit. A variance may have the unit of its root."""
        name, _, statistic = figure.partition(".")
        own = FIGURE_UNITS[name]
        if self.each not in {"", _OWN_EACH.get(name, "")}:
            return False
        return self.dimension == own or (statistic == "var" and self.dimension == f"{own}²") or (not self.dimension and is_count(name))


def is_count(figure: str) -> bool:
    """Whether a figure is a number of things, which needs no unit."""
    return FIGURE_UNITS[figure.partition(".")[0]] in {"sequences", "requests", "tokens", "devices", "words", "runs"}


def as_typed(text: str) -> str:
    """``text`` as typed on an English keyboard: full-width forms and odd spaces made ASCII, ``²`` made ``^2``, emphasis taken off."""
    narrow = text if text.isascii() else _POWER.sub(lambda found: "^" + found[0].translate(_RAISED), text.translate(_WIDE))
    return _SPACE.sub(" ", _EMPHASIS.sub("", narrow)).strip()


@lru_cache(maxsize=2048)
def read_unit(text: str) -> Unit | None:
    """The unit that ``text`` is, all of it; None where it is none or not a known one."""
    if len(text) > LONGEST:
        return None
    tidy = re.sub(r" per |每", "/", as_typed(text).lower().strip(" ."))
    first, *rest = [part.strip() for part in tidy.split("/")]
    if not first or len(rest) > 2 or not all(rest):
        return None
    return _time_or_bytes(first, rest) or _rate(first, rest)


def _match(table: dict[str, str], word: str) -> Decimal | None:
    return next((Decimal(factor) for pattern, factor in table.items() if re.fullmatch(pattern, word)), None)


def _named(table: dict[str, str], word: str) -> str | None:
    return next((name for name, pattern in table.items() if re.fullmatch(pattern, word)), None)


def _time_or_bytes(first: str, rest: list[str]) -> Unit | None:
    each = _named(_EACH, rest[0]) if rest else ""
    if len(rest) > 1 or each is None:
        return None
    squared = re.fullmatch(r"(.+?)\^?2", first)
    if squared and not rest and (root := _match(_SECONDS, squared[1])):
        return Unit("s²", root)
    if (seconds := _match(_SECONDS, first)) is not None:
        return Unit("s", seconds, each)
    if (size := _match(_BYTES, first)) is not None:
        return Unit("B", size, each)
    if (size := _match(_DOUBTFUL_BYTES, first)) is not None and not rest:
        return Unit("B", size, doubt=say("{unit} is read as {bytes} bytes.", unit=first.upper(), bytes=f"{size:.0e}"))
    return Unit("1", Decimal("0.01")) if first in {"%", "percent"} and not rest else None


def _rate(first: str, rest: list[str]) -> Unit | None:
    """Counts, counts per time, and these per request or device."""
    many = re.fullmatch(r"(k|千|百万|万) ?(.{2,}|t)", first)
    word, times = (many[2], Decimal(_MULTIPLES[many[1]])) if many else (first, Decimal(1))
    if word in _RATES:
        dimension, period = _RATES[word]
        return _per(dimension, times / period, rest)
    counted = _named(_COUNTS, word)
    if counted is None or (word == "t" == first and not rest):
        return None
    if not rest:
        return Unit(counted, times)
    if (seconds := _match(_SECONDS, rest[0])) is not None and counted in _PER_SECOND:
        return _per(_PER_SECOND[counted], times / seconds, rest[1:])
    return Unit("tokens", times, "request") if counted == "tokens" and len(rest) == 1 and _named(_EACH, rest[0]) == "request" else None


def _per(dimension: str, factor: Decimal, rest: list[str]) -> Unit | None:
    each = _named(_EACH, rest[0]) if rest else ""
    return None if each is None or len(rest) > 1 else Unit(dimension, factor, each)
