"""Parquet in and out, by rows or by columns. The only module that knows the Parquet library (docs/design/0001).

A table's columns are a mapping name → ``int64``, ``float64`` or ``utf8``; every column may hold nulls.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from touchstone.errors import DataError, NotReadyError

Kinds = Mapping[str, str]
Batch = Mapping[str, Any]
"""Column name → masked array of int64, or list."""

_MAGIC = b"PAR1"
_LEAST_BYTES = 12  # the mark, the length of the footer, the mark
_COMPRESSION = "zstd(1)"
_BATCH_ROWS = 1 << 16


def write_rows(path: Path, kinds: Kinds, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows`` whole or not at all; a key that is missing is null. Raises :class:`NotReadyError`, on a full disk for instance."""
    write_batches(path, kinds, [{name: [row.get(name) for row in rows] for name in kinds}])


def write_batches(path: Path, kinds: Kinds, batches: Iterable[Batch]) -> None:
    """Write batches of columns as they come, one at a time in memory; the file appears under its name when it is whole."""
    from arro3.core import RecordBatchReader

    schema = _schema(kinds)
    _write(path, RecordBatchReader.from_batches(schema, (_record_batch(schema, kinds, batch) for batch in batches)))


def merge(path: Path, kinds: Kinds, parts: Sequence[Path]) -> None:
    """Put the rows of ``parts`` into one file, without having them all in memory. Raises :class:`DataError` naming a damaged part."""
    from arro3.core import RecordBatchReader

    damage: list[DataError] = []

    def batches() -> Iterator[Any]:
        try:
            for part in parts:
                yield from _open(part)
        except DataError as error:
            damage.append(error)
            raise
    try:
        _write(path, RecordBatchReader.from_batches(_schema(kinds), batches()))
    except Exception:  # the library turns what a source raises into an error of its own
        if damage:
            raise damage[0] from None
        raise


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows. Raises :class:`DataError` naming a file that is damaged."""
    rows: list[dict[str, Any]] = []
    for batch in _open(path):
        columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows


def read_integers(path: Path, names: Sequence[str]) -> Iterator[dict[str, np.ma.MaskedArray[Any, np.dtype[np.int64]]]]:
    """The int64 columns ``names``, a batch of rows at a time, nulls masked. Raises :class:`DataError`."""
    for batch in _open(path):
        yield {name: _masked(batch.column(name)) for name in names}


def masked(values: Iterable[int | None], count: int) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
    """``count`` values as a column; None is masked."""
    listed = list(values)
    flags = np.fromiter((value is None for value in listed), np.bool_, count)
    return np.ma.MaskedArray(np.fromiter((value or 0 for value in listed), np.int64, count), flags)


def _masked(column: Any) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
    if column.null_count == 0:
        numbers = np.asarray(column.to_numpy())
        return np.ma.MaskedArray(numbers, np.zeros(len(numbers), np.bool_))
    if column.null_count == len(column):
        return np.ma.MaskedArray(np.zeros(len(column), np.int64), np.ones(len(column), np.bool_))
    return masked(column.to_pylist(), len(column))


def _schema(kinds: Kinds) -> Any:
    from arro3.core import Field, Schema

    return Schema([Field(name, _type(kind), nullable=True) for name, kind in kinds.items()])


def _type(kind: str) -> Any:
    from arro3.core import DataType

    return {"int64": DataType.int64, "float64": DataType.float64, "utf8": DataType.utf8}[kind]()


def _record_batch(schema: Any, kinds: Kinds, batch: Batch) -> Any:
    from arro3.core import Array, RecordBatch

    arrays = []
    for name, kind in kinds.items():
        values = batch[name]
        if isinstance(values, np.ma.MaskedArray):
            numbers = np.ascontiguousarray(values.data, np.int64) if not np.ma.is_masked(values) else values.tolist()
            arrays.append(Array(numbers, _type(kind)) if isinstance(numbers, list) else Array.from_numpy(numbers))
        else:
            arrays.append(Array([_storable(value) for value in values] if kind == "utf8" else list(values), _type(kind)))
    return RecordBatch.from_arrays(arrays, schema=schema)


def _storable(value: Any) -> Any:
    """Text that an engine cut in the middle of a character may hold what UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _write(path: Path, reader: Any) -> None:
    from arro3.io import write_parquet

    scratch = path.with_suffix(".partial")
    try:
        with _Sink(scratch, "wb") as file:
            write_parquet(reader, file, compression=_COMPRESSION, max_row_group_size=2 * _BATCH_ROWS)
        if file.failure is not None:
            raise file.failure
        scratch.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


class _Sink(io.FileIO):
    """A file that says only afterwards that it took no more: the library panics over one that says so while it is closed."""

    failure: OSError | None = None

    def write(self, content: bytes, /) -> int:  # type: ignore[override]  # this library gives nothing else
        """Write as much as there is room for."""
        try:
            return super().write(content)
        except OSError as error:
            self.failure = self.failure or error
            return len(content)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises :class:`NotReadyError`."""
    scratch = path.with_suffix(".partial")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> NotReadyError:
    """The error for a file or directory that cannot be written."""
    return NotReadyError("{path} cannot be written: {why}.", "Free some space, or choose another directory with -o.",
                         path=path, why=error.strerror or error)


def _open(path: Path) -> Iterator[Any]:
    from arro3.io import read_parquet

    if not _is_whole(path):
        raise damaged(path, "cut short")
    try:
        yield from read_parquet(str(path), batch_size=_BATCH_ROWS)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # the library panics, outside Exception, on some damaged pages
        raise damaged(path, " ".join(str(error).split())[:200]) from error


def _is_whole(path: Path) -> bool:
    """Whether the file has Parquet's mark at both ends and room for the footer it announces."""
    size = path.stat().st_size
    if size < _LEAST_BYTES:
        return False
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        file.seek(-8, os.SEEK_END)
        footer, end = int.from_bytes(file.read(4), "little"), file.read()
    return start == _MAGIC == end and footer + _LEAST_BYTES <= size


def damaged(path: Path, why: str) -> DataError:
    """The error for a table that cannot be read."""
    directory = path.parent.parent if path.parent.name == "parts" else path.parent
    return DataError("{path} is damaged or was only half written ({why}).",
                     "Nothing else is lost: move that file away to read the rest, then go on with the run: "
                     "touchstone run --resume {directory}", path=path, why=why, directory=directory)
