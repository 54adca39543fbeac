"""How people write a load on a command line: lengths, grids, durations, stages. Pure; every mistake is a :class:`UsageError`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

from touchstone.errors import UsageError
from touchstone.load_plan import LONGEST_S, LONGEST_TOKENS, Backend, Length, Stage

_UNITS_S = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_MOST_GRID = 1000
_SHORTEST_S = 1e-6
_LEAST, _MOST = Decimal("0.000001"), Decimal(1_000_000_000)
_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_TOKENS = r"([1-9][0-9]*)"
_FULL_WIDTH = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: " "}
BACKENDS: dict[str, Backend] = {
    "openai-chat": "openai-chat", "chat": "openai-chat", "sglang-oai-chat": "openai-chat", "openai": "openai", "completions": "openai",
    "vllm": "openai", "sglang": "openai", "sglang-oai": "openai", "openai-completions": "openai",
}
"""Names of protocols that other tools use, and ours."""


def _plain(text: str) -> str:
    """``text`` as typed on any keyboard: full-width forms are ASCII, and spaces beside punctuation do not count."""
    return re.sub(r"(?<![0-9.])\s+|\s+(?![0-9.])", "", text.translate(_FULL_WIDTH).strip())


def parse_length(text: str) -> Length:
    """``512``, ``512±10%``, ``512+-10%``, ``U(128,512)`` or ``N(480,240)`` tokens; uniform lengths are whole and include both ends."""
    plain = _plain(text)
    if found := re.fullmatch(_TOKENS, plain):
        return Length(mean=_tokens(found[1], text))
    if found := re.fullmatch(rf"{_TOKENS}(?:±|\+-|\+/-)({_NUMBER})%", plain):
        mean, spread = _tokens(found[1], text), float(found[2]) / 100
        if spread < 1:
            return Length(kind="uniform", mean=mean, low=max(1, round(mean * (1 - spread))), high=round(mean * (1 + spread)))
    if found := re.fullmatch(rf"[Uu]\({_TOKENS},{_TOKENS}\)", plain):
        low, high = _tokens(found[1], text), _tokens(found[2], text)
        if low <= high:
            return Length(kind="uniform", mean=(low + high) / 2, low=low, high=high)
    if found := re.fullmatch(rf"[Nn]\({_TOKENS},({_NUMBER})\)", plain):
        mean, deviation = _tokens(found[1], text), float(found[2])
        if deviation < LONGEST_TOKENS:
            return Length(kind="normal", mean=mean, deviation=deviation)
    raise _bad_length(text)


def _tokens(digits: str, text: str) -> int:
    if len(digits) > len(str(LONGEST_TOKENS)) or int(digits) >= LONGEST_TOKENS:
        raise _bad_length(text)
    return int(digits)


def _bad_length(text: str) -> UsageError:
    return UsageError("The length {text} cannot be read.", "Write 512, 512±10%, U(128,512) or N(480,240).", text=text)


def parse_shape(text: str) -> tuple[Length, Length]:
    """``D(512,256)``: input and output length, exact; ``N(480,240)/(300,150)`` and ``U(50,100)/(200,250)`` as genai-bench writes them."""
    plain = _plain(text)
    if found := re.fullmatch(rf"[Dd]\({_TOKENS},{_TOKENS}\)", plain):
        return Length(mean=_tokens(found[1], text)), Length(mean=_tokens(found[2], text))
    if found := re.fullmatch(r"([NUnu])(\([^()]*\))/(\([^()]*\))", plain):
        return parse_length(found[1] + found[2]), parse_length(found[1] + found[3])
    raise UsageError("The shape {text} cannot be read.", "Write D(512,256), N(480,240)/(300,150) or U(50,100)/(200,250).", text=text)


def parse_grid(text: str) -> tuple[float, ...]:
    """``1,2,4``, ``1..64*2``, ``10..100+10``, ``1-64*2``, ``1:64`` (doubling): each value once, in order; ``inf`` stays infinite.

    The steps are decimal, so that ``0.1..0.3+0.1`` has three values; a value that the last step would pass is not in it.
    """
    values: dict[float, None] = {}
    for part in _plain(text).split(","):
        for value in _range(part, text):
            values[float(value)] = None
            if len(values) > _MOST_GRID:
                raise UsageError("The list {text} has more than {most} values.", "Take larger steps.", text=text, most=_MOST_GRID)
    return tuple(values)


def _range(part: str, text: str) -> Iterator[Decimal]:
    if part.lower() in {"inf", "infinity"}:
        yield Decimal("inf")
        return
    found = re.fullmatch(rf"({_NUMBER})(?:(?:\.\.|-|:)({_NUMBER})(?:([*+])({_NUMBER}))?)?", part)
    if not found:
        raise _bad_grid(text)
    value, multiply = Decimal(found[1]), found[3] != "+"
    last, step = Decimal(found[2] or found[1]), Decimal(found[4] or 2)
    if not _LEAST <= value <= last <= _MOST or step <= multiply:
        raise _bad_grid(text)
    while value <= last:
        yield value
        value = value * step if multiply else value + step


def _bad_grid(text: str) -> UsageError:
    return UsageError("The list {text} cannot be read.", "Write 8, 1,2,4, 1..64*2 or 10..100+10.", text=text)


def parse_duration(text: str, *, zero: bool = False) -> float:
    """Seconds in ``60``, ``60s``, ``500ms``, ``2m`` or ``1h``; none at all only where ``zero`` makes sense."""
    found = re.fullmatch(rf"({_NUMBER})(ms|s|min|m|h|)", _plain(text).lower())
    length_s = float(found[1]) * _UNITS_S[found[2]] if found else -1.0
    if not (_SHORTEST_S <= length_s <= LONGEST_S or (zero and length_s == 0)):
        raise UsageError("The duration {text} cannot be read.", "Write 60s, 500ms, 2m or 1h.", text=text)
    return length_s


def parse_stages(text: str) -> tuple[Stage, ...]:
    """``30s@2,60s@8``: two requests a second for half a minute, then eight for a minute."""
    stages = []
    for part in _plain(text).split(","):
        duration, at, rate = part.partition("@")
        if not at or not re.fullmatch(_NUMBER, rate) or not _LEAST <= Decimal(rate) <= _MOST:
            raise UsageError("The stages {text} cannot be read.", "Write 30s@2,60s@8: a time, @, and requests per second.", text=text)
        stages.append(Stage(duration_s=parse_duration(duration), request_rate=float(rate)))
    return tuple(stages)


def parse_warmup(text: str, requests: int | None) -> dict[str, Any]:
    """The plan's keys for ``3`` requests, a share of the ``requests`` of a load (``10%`` or ``0.1``), a time (``30s``) or ``auto``."""
    plain = _plain(text).lower()
    if plain == "auto":
        return {"warmup": "auto", "warmup_s": None}
    if re.fullmatch(r"[0-9]{1,9}", plain):
        return {"warmup": int(plain), "warmup_s": None}
    if re.fullmatch(rf"{_NUMBER}[a-z]+", plain):
        return {"warmup_s": parse_duration(plain)}
    found = re.fullmatch(rf"({_NUMBER})(%?)", plain)
    share = float(found[1]) / (100 if found[2] else 1) if found else 2.0
    if share > 1:
        raise UsageError("--warmup takes a number of requests, a share of them such as 10%, a time such as 30s, or auto, not {value}.", "", value=text)
    if requests is None:
        raise UsageError("--warmup {value} is a share of a number of requests that is not given.", "Give --num-prompts, or a number: --warmup 3",
                         value=text)
    return {"warmup": round(share * requests), "warmup_s": None}


def parse_pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """``name=value`` (or ``name: value``), each name given once. What is given for a header may be a key: no error shows it."""
    pairs: dict[str, str] = {}
    for text in texts:
        found = re.match(r"([^=:]*)[=:]", text)
        name = found[1].strip() if found else ""
        if found is None or not name:
            raise UsageError("{option} takes name=value, not {text}.", "", option=option, text=text if option != "--header" else "…")
        if name.lower() in {known.lower() for known in pairs}:
            raise UsageError("{option} gives {name} twice.", "Keep one of them.", option=option, name=name)
        pairs[name] = text[found.end():].strip()
    return pairs


def parse_body(texts: tuple[str, ...]) -> dict[str, Any]:
    """Fields that are put into every request: a JSON object, or ``name:value`` where the value is JSON or else a text."""
    body: dict[str, Any] = {}
    for text in texts:
        named = re.fullmatch(r"\s*([A-Za-z_][\w.-]*)[:=](.*)", text, re.DOTALL)
        if named:
            body[named[1]] = _json_or_text(named[2])
            continue
        try:
            fields = _strict_json(text)
        except (ValueError, RecursionError) as error:
            raise UsageError("--extra-body is not JSON: {why}.", """Write for instance '{{"top_k": 1}}'.""", why=error) from error
        if not isinstance(fields, dict):
            raise UsageError("--extra-body must be a JSON object.", """Write for instance '{{"top_k": 1}}'.""")
        body |= fields
    return body


def _json_or_text(text: str) -> Any:
    try:
        return _strict_json(text)
    except (ValueError, RecursionError):
        return text


def _strict_json(text: str) -> Any:
    def no_number(word: str) -> NoReturn:
        raise ValueError(f"{word} is not a number of JSON")
    return json.loads(text, parse_constant=no_number)
