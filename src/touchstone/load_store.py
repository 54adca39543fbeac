"""A load test ⇄ its directory: ``run.json`` with one entry per point, ``requests.parquet``, ``events.parquet``, ``server.parquet``.

While a load test is going on its tables lie in parts, one for every few thousand answers of a worker; whatever kills the program,
the points that ended are whole. When it ends the parts are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from touchstone import parquet
from touchstone.errors import DataError
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, REQUEST_FACTS, REQUEST_WORDS, Column, Events, LoadRun, Point, Requests
from touchstone.store import PARTS, read_header

REQUESTS, EVENTS, SERVER = "requests", "events", "server"
TABLES: Mapping[str, Mapping[str, str]] = {
    REQUESTS: {**dict.fromkeys(REQUEST_WORDS, "utf8"), **dict.fromkeys((*REQUEST_FACTS, *REQUEST_COLUMNS), "int64")},
    EVENTS: dict.fromkeys(EVENT_COLUMNS, "int64"),
    SERVER: {"point": "int64", "at_ns": "int64", "engine": "utf8", "metric": "utf8", "value": "float64"},
}


def is_load(header: Mapping[str, Any]) -> bool:
    """Whether a run's header is of a load test."""
    return header.get("kind") == "load"


def append_answers(parts: Path, stem: str, requests: Mapping[str, Any], events: Mapping[str, Any]) -> None:
    """Keep a batch of answers as columns, the requests last: without them their events do not count."""
    parquet.write_batches(parts / f"{EVENTS}-{stem}.parquet", TABLES[EVENTS], [events])
    parquet.write_batches(parts / f"{REQUESTS}-{stem}.parquet", TABLES[REQUESTS], [requests])


def append_server(directory: Path, point: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep what the server said of itself during a point."""
    if rows:
        parquet.write_rows(directory / PARTS / f"{SERVER}-{point:04d}.parquet", TABLES[SERVER], rows)


def compact(directory: Path) -> None:
    """Merge the parts of every table into one file. Safe to repeat and to be interrupted."""
    for table, kinds in TABLES.items():
        whole = directory / f"{table}.parquet"
        parts = sorted((directory / PARTS).glob(f"{table}-*.parquet"))
        if parts and not whole.exists():
            parquet.merge(whole, kinds, parts)
        for part in parts:
            part.unlink()
    if (directory / PARTS).exists() and not any((directory / PARTS).iterdir()):
        (directory / PARTS).rmdir()


def load_test(directory: Path) -> LoadRun:
    """Read a load test, finished or not; only whole points count. Raises :class:`DataError` naming what is damaged."""
    header = read_header(directory)
    if not is_load(header):
        raise DataError("{directory} is not a load test.", "", directory=directory)
    points = tuple(Point(**point) for point in header.get("points", []))
    requests = _requests(directory, [point.index for point in points])

    def events() -> Iterator[Events]:
        for batch in _whole_requests(_batches(directory, EVENTS, EVENT_COLUMNS)):
            yield Events(**batch)
    return LoadRun(str(directory), header, points, requests, events)


def _requests(directory: Path, points: Sequence[int]) -> Requests:
    """The rows of whole points, in the order of the schedule. A million of them must not be in memory twice, so columns are filled in place."""
    count = sum(len(batch["request"]) for batch in _batches(directory, REQUESTS, ("request",)))
    numbers = {name: np.empty(count, _type(name)) for name in REQUEST_COLUMNS}
    unknown = {name: np.empty(count, np.bool_) for name in REQUEST_COLUMNS}
    filled = 0
    for batch in _batches(directory, REQUESTS, REQUEST_COLUMNS):
        rows = slice(filled, filled + len(batch["request"]))
        for name in REQUEST_COLUMNS:
            numbers[name][rows] = batch[name].data
            # A count that does not fit is not one that anybody made, and must not come out as another number.
            unknown[name][rows] = np.ma.getmaskarray(batch[name]) | (numbers[name][rows] != batch[name].data)
        filled = rows.stop
    order = np.lexsort((numbers["request"], numbers["point"]))
    order = order[np.isin(numbers["point"][order], points)]
    return Requests(**{name: _column(numbers.pop(name)[order], unknown.pop(name)[order]) for name in REQUEST_COLUMNS})


def _column(numbers: Any, unknown: Any) -> Column:
    """Without a mask where everything is known."""
    return np.ma.MaskedArray(numbers, unknown) if unknown.any() else np.ma.MaskedArray(numbers)


def _type(name: str) -> type[np.signedinteger[Any]]:
    """Stamps need 64 bits; what is counted is small and takes half the memory."""
    return np.int64 if name.endswith("_ns") else np.int32


def _batches(directory: Path, table: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    merged = directory / f"{table}.parquet"
    files = [merged] if merged.exists() else sorted((directory / PARTS).glob(f"{table}-*.parquet"))
    for path in files:
        yield from parquet.read_integers(path, names)


def _whole_requests(batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same rows, cut only where a request's events end."""
    rest: dict[str, Any] | None = None
    for batch in batches:
        joined = batch if rest is None else {name: _joined([rest[name], batch[name]]) for name in batch}
        owners = joined["point"].data * (1 << 40) + joined["request"].data
        others = np.flatnonzero(owners != owners[-1]) if len(owners) else owners
        last = int(others[-1]) + 1 if len(others) else 0
        rest = {name: column[last:] for name, column in joined.items()}
        if last:
            yield {name: column[:last] for name, column in joined.items()}
    if rest is not None and len(rest["request"]):
        yield rest


def _joined(parts: Sequence[Column]) -> Column:
    if not parts:
        return np.ma.MaskedArray(np.zeros(0, np.int64), np.zeros(0, np.bool_))
    flags = np.concatenate([np.ma.getmaskarray(part) for part in parts])
    return np.ma.MaskedArray(np.concatenate([part.data for part in parts]), flags)
