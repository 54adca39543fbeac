"""Recorded loads: when requests came, how long they were, and which blocks of their prompts they share.

Two published formats, told apart by their content: Mooncake (JSON lines, https://github.com/kvcache-ai/Mooncake) and the Azure LLM
inference traces (CSV, https://github.com/Azure/AzurePublicDataset).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from touchstone.errors import DataError
from touchstone.units import NS_PER_MS, NS_PER_S

BLOCK_TOKENS = 512
"""Tokens that one hash of a Mooncake trace stands for; the last block of a prompt may be shorter."""

_LINE_LIMIT = 1 << 24
_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_LONGEST_TOKENS = 1 << 31
_LONGEST_NS = 100 * 365 * 86_400 * NS_PER_S


@dataclass(frozen=True)
class Trace:
    """One row per request, in order of time, ``offset_ns`` counted from the first.

    ``blocks`` are the hashes of each prompt's blocks of ``BLOCK_TOKENS`` from its beginning, None where the trace has none: equal
    hashes are equal text.
    """

    offset_ns: NDArray[np.int64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    blocks: tuple[tuple[int, ...], ...] | None

    def __len__(self) -> int:
        return len(self.offset_ns)


Tokens = Annotated[int, msgspec.Meta(ge=1, lt=_LONGEST_TOKENS)]


class _MooncakeRow(msgspec.Struct):
    timestamp: Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
    input_length: Tokens
    output_length: Tokens
    hash_ids: tuple[int, ...] | None = None


def read_trace(path: Path) -> Trace:
    """The trace in ``path``. Raises :class:`DataError`, with the number of the line, for what is not a trace."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _lines(file, path)
            first = next(lines, (0, ""))
            if first[1].startswith("{"):
                return _read_mooncake(path, first, lines)
            if [name.strip() for name in first[1].split(",")] == list(_AZURE):
                return _read_azure(path, lines)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("The trace {path} cannot be read: {error}.", "", path=path, error=error) from error
    raise DataError("{path} is no trace that touchstone knows.", "Known are Mooncake (JSON lines) and Azure (CSV: {columns}).",
                    path=path, columns=",".join(_AZURE))


def _lines(file: Iterable[str], path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank."""
    for number, line in enumerate(file, start=1):
        if len(line) > _LINE_LIMIT:
            raise _bad(path, number, "the line is too long")
        if line.strip():
            yield number, line.strip()


def _read_mooncake(path: Path, first: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Trace:
    decode = msgspec.json.Decoder(_MooncakeRow).decode
    rows: list[tuple[int, int, int]] = []
    blocks: list[tuple[int, ...] | None] = []
    for number, line in [first, *lines]:
        try:
            row = decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _bad(path, number, str(error)) from error
        if row.hash_ids is not None and len(row.hash_ids) > -(-row.input_length // BLOCK_TOKENS):
            raise _bad(path, number, f"{len(row.hash_ids)} hash_ids are more than {row.input_length} tokens have blocks")
        _append(path, number, rows, (round(row.timestamp * NS_PER_MS), row.input_length, row.output_length))
        blocks.append(row.hash_ids)
    shared = tuple(one or () for one in blocks) if any(one is not None for one in blocks) else None
    return _trace(rows, shared)


def _read_azure(path: Path, lines: Iterator[tuple[int, str]]) -> Trace:
    rows: list[tuple[int, int, int]] = []
    for number, line in lines:
        try:
            at, context, generated = line.split(",")
            row = (_nanoseconds(at), int(context), int(generated))
        except ValueError as error:
            raise _bad(path, number, str(error)) from error
        if not (0 < row[1] < _LONGEST_TOKENS and 0 < row[2] < _LONGEST_TOKENS):
            raise _bad(path, number, f"{context} and {generated} are not two numbers of tokens")
        _append(path, number, rows, row)
    if not rows:
        raise _bad(path, 1, "no request follows")
    return _trace(rows, None)


def _append(path: Path, number: int, rows: list[tuple[int, int, int]], row: tuple[int, int, int]) -> None:
    if rows and row[0] < rows[-1][0]:
        raise _bad(path, number, "it is earlier than the line before")
    if rows and row[0] - rows[0][0] >= _LONGEST_NS:
        raise _bad(path, number, "it is more than a century after the first")
    rows.append(row)


def _trace(rows: list[tuple[int, int, int]], blocks: tuple[tuple[int, ...], ...] | None) -> Trace:
    first_ns = rows[0][0]
    table = np.array([(at_ns - first_ns, *lengths) for at_ns, *lengths in rows], dtype=np.int64)
    return Trace(table[:, 0], table[:, 1], table[:, 2], blocks)


def _nanoseconds(text: str) -> int:
    """Nanoseconds of ``2023-11-16 18:15:46.6805900``, exactly; an offset from UTC may follow. Raises ValueError."""
    moment, fraction, offset = text[:19], text[19:], ""
    for sign in "+-":
        fraction, found, rest = fraction.partition(sign)
        offset = found + rest or offset
    digits = fraction[1:]
    if fraction and not (fraction[0] == "." and digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise ValueError(f"{text!r} is no time")
    zone = timezone.utc if not offset else None
    parsed = datetime.fromisoformat(moment + offset)
    seconds = (parsed.replace(tzinfo=zone) if zone else parsed) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (seconds.days * 86_400 + seconds.seconds) * NS_PER_S + int(digits.ljust(9, "0") or 0)


def _bad(path: Path, number: int, why: str) -> DataError:
    return DataError("Line {number} of the trace {path} cannot be used: {why}.", "", number=number, path=path, why=why.rstrip("."))
