"""Compares files with what they should be: by size, and by the hashes that hubs publish."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from touchstone.checkpoints.pull.listing import HubFile
from touchstone.checkpoints.pull.record import PulledFile

_BLOCK = 1 << 20
_LARGEST_HEADER = 100 << 20  # the format's own limit, https://github.com/huggingface/safetensors#format
_INDEX_SUFFIX = ".safetensors.index.json"

Read = Callable[[int], None]
"""Told how many more bytes were read."""


def check_file(path: Path, file: HubFile, read: Read) -> PulledFile | None:
    """``path`` as it goes into the record, or None where it is not ``file``. A git blob's hash is of ``blob SIZE NUL`` and the content."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size != file.bytes:
        return None
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False) if file.git_sha1 and not file.sha256 else None
    with path.open("rb") as content:
        for block in _blocks(content):
            sha256.update(block)
            if blob:
                blob.update(block)
            read(len(block))
    digest = sha256.hexdigest()
    if file.sha256 is not None:
        return PulledFile(file.name, file.bytes, digest, "sha256") if digest == file.sha256 else None
    if blob is not None:
        return PulledFile(file.name, file.bytes, digest, "git-sha1") if blob.hexdigest() == file.git_sha1 else None
    return PulledFile(file.name, file.bytes, digest, "size")


def _blocks(content: BinaryIO) -> Iterable[bytes]:
    return iter(lambda: content.read(_BLOCK), b"")


def damaged(directory: Path, files: Iterable[PulledFile], *, hashes: bool, read: Read = lambda _: None) -> str | None:
    """The first of ``files`` that is missing from ``directory`` or not what it was, by size and with ``hashes`` by content too."""
    for file in files:
        path = directory / file.name
        if not path.is_file() or path.stat().st_size != file.bytes:
            return file.name
        if hashes and file.sha256 and check_file(path.resolve(), HubFile(file.name, file.bytes, file.sha256, None), read) is None:
            return file.name
    return None


def incomplete(directory: Path) -> str | None:
    """The first thing that a directory of unknown origin lacks to be a whole checkpoint, None where nothing is seen to be missing.

    The weights' index names their files, and a safetensors file says in its header how long it is.
    """
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        return None if any(directory.glob("*.gguf")) or any(directory.glob("*.bin")) else "*.safetensors"
    if not (directory / "config.json").is_file():
        return "config.json"
    for index in directory.glob(f"*{_INDEX_SUFFIX}"):
        missing = next((name for name in _indexed(index) if not (directory / name).is_file()), None)
        if missing is not None:
            return missing
    return next((path.name for path in weights if not _is_whole(path)), None)


def _indexed(index: Path) -> list[str]:
    try:
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return sorted({str(name) for name in shards.values()})
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return [f"{index.name}?"]  # an index that cannot be read names no file there is


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says: 8 bytes of length, the header, and tensors up to the last offset."""
    try:
        with path.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            if length > _LARGEST_HEADER:
                return False
            header = json.loads(content.read(length))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        return path.stat().st_size == 8 + length + max(ends, default=0)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return False
