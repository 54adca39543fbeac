"""Reads what somebody hands over: a file, a directory of results, a model's config.json."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from touchstone.errors import DataError

if TYPE_CHECKING:
    from touchstone.device_list import DeviceList

_MOST_FILES, _MOST_SEEN = 200, 5000
_SUFFIXES = {".json", ".jsonl", ".csv", ".yaml"}
_LARGEST_CONFIG = 8 << 20
_LARGEST_RESULT = 256 << 20


@contextlib.contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The file ``name``, or standard input where it is ``-``. Raises :class:`DataError`, also where reading fails later."""
    try:
        with Path(name).open("rb") if name != "-" else open(0, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: object, error: OSError) -> DataError:
    return DataError("{path} cannot be read: {error}.", "Give a file, or - for standard input.", path=repr(name) if name == "" else name,
                     error=error.strerror or error)


def read_driver_listing(name: str) -> DeviceList:
    """The devices in a saved output of npu-smi or nvidia-smi. Raises :class:`DataError` where there is none to read."""
    from touchstone.smi import LARGEST_BYTES, decoded, read_listing

    with opened(name) as file:
        return read_listing(decoded(file.read(LARGEST_BYTES + 1)))


def read_bytes(path: Path, most: int) -> bytes:
    """What is in ``path``, of ``most`` bytes at most. Raises :class:`DataError`."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError("{path} cannot be read: {error}.", "", path=path, error=error.strerror or error) from error
    if len(content) > most:
        raise DataError("{path} is larger than {most}.", "Give a part of it.", path=path, most=f"{most >> 20} MiB" if most >> 20 else f"{most >> 10} KiB")
    return content


def read_results_at(path: Path) -> Any:
    """The results of other tools in the file or directory ``path``, or None if there are none. Raises :class:`DataError`."""
    from touchstone.judge.foreign import read_results

    return read_directory(path) if path.is_dir() else read_results({path.name: read_bytes(path, _LARGEST_RESULT)}, path.name)


def read_directory(path: Path) -> Any:
    """The results of other tools in a directory, or None if it has none. Raises :class:`DataError`."""
    from touchstone.judge.foreign import read_results

    seen = list(islice(path.rglob("*"), _MOST_SEEN + 1))
    found = [one for one in sorted(seen) if one.is_file() and one.suffix in _SUFFIXES]
    if len(seen) > _MOST_SEEN or len(found) > _MOST_FILES:
        raise DataError("{path} holds too many files to be the results of one measurement.", "Give the file, or the directory that the tool wrote.", path=path)
    files: Mapping[str, bytes] = {one.relative_to(path).as_posix(): read_bytes(one, _LARGEST_RESULT) for one in found}
    return read_results(files, path.resolve().name)


def read_config(path: Path) -> Any:
    """The model of a config.json, or of the directory that holds one. Raises :class:`DataError`."""
    from touchstone.simulate.architecture import architecture_of

    file = path / "config.json" if path.is_dir() else path
    if file.is_file() and file.suffix != ".json":
        raise DataError("{path} is no config.json.", "Give a directory that holds one, the file itself, or a model's name.", path=file)
    content = read_bytes(file, _LARGEST_CONFIG)
    try:
        config = json.loads(content)
    except ValueError as error:
        raise DataError("{path} cannot be read: {error}.", "", path=file, error=error) from error
    if not isinstance(config, dict):
        raise DataError("{path} cannot be read: {error}.", "", path=file, error="not a JSON object")
    return architecture_of(config, str(file))
