"""What a hub says it has: the files of one commit. All of it comes from outside and is checked before a path is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from touchstone.errors import DataError, UsageError
from touchstone.message import Message, say
from touchstone.units import gigabytes

RECORD_NAME = "touchstone-pull.json"
PRIVATE = ".touchstone"
"""A folder of our own in an unfinished copy; no file of a hub may lie in it."""

_MOST_FILES = 100_000
_LARGEST_BYTES = 1 << 50
_LONGEST_PART = 255
_PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
_OTHER_FRAMEWORKS = frozenset({".h5", ".msgpack", ".ot"})
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it. ``sha256`` and ``git_sha1`` (of the git blob) are None where the hub publishes none."""

    name: str
    bytes: int
    sha256: str | None
    git_sha1: str | None


@dataclass(frozen=True)
class Listing:
    """The files of ``revision``, a commit, or None with the reason ``unpinned`` where the hub names none."""

    revision: str | None
    files: tuple[HubFile, ...]
    unpinned: Message | None = None

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)


def is_commit(revision: str | None) -> bool:
    """Whether ``revision`` is a full commit hash, which never moves."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def is_model_name(model: str) -> bool:
    """Whether ``model`` can be the name of a model on a hub: ``owner/name`` or, from older days, ``name``."""
    return _NAME.fullmatch(model) is not None and ".." not in model


def check_request(model: str, revision: str | None) -> None:
    """Raise :class:`UsageError` where ``model`` cannot be a model's name on a hub, or ``revision`` one of its revisions."""
    if not is_model_name(model):
        raise UsageError("{model} is no model on this machine, and cannot be the name of one on a hub.",
                         "Write it as owner/name, such as Qwen/Qwen2.5-7B-Instruct.", model=model)
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision):
        raise UsageError("{revision} cannot be a revision.", "Give a branch, a tag or a commit.", revision=revision)


def read_listing(said: Mapping[str, Any]) -> Listing:
    """The listing in an answer of the library's process. Raises :class:`DataError` where a name or size cannot be honest."""
    rows = said.get("files")
    if not isinstance(rows, list) or len(rows) > _MOST_FILES:
        raise DataError("The hub's list of files cannot be read.", "Try again, or another hub with --hub.")
    files = tuple(_file(row) for row in rows)
    names = [file.name for file in files]
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    twice = next((name for name in names if name in folders), None) or (max(names, key=names.count) if len(set(names)) < len(names) else None)
    if twice is not None:
        raise _hostile(twice)
    revision = said.get("revision")
    pinned = isinstance(revision, str) and is_commit(revision)
    return Listing(revision if pinned else None, files, None if pinned else say("the hub does not say which commit its files are of"))


def _file(row: object) -> HubFile:
    if not isinstance(row, Mapping):
        raise DataError("The hub's list of files cannot be read.", "Try again, or another hub with --hub.")
    name, size = row.get("name"), row.get("bytes")
    if not isinstance(name, str) or not _is_harmless(name):
        raise _hostile(str(name))
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _LARGEST_BYTES:
        raise DataError("The hub gives no size for {file}.", "Try again, or another hub with --hub.", file=name)
    return HubFile(name, size, _digest(row.get("sha256"), 64), _digest(row.get("git_sha1"), 40))


def _is_harmless(name: str) -> bool:
    """Whether ``name`` is a path below a directory, and nothing that a terminal, a shell or this program reads in another way."""
    parts = name.split("/")
    return (name.isprintable() and "\\" not in name and all(part not in {"", ".", ".."} for part in parts)
            and all(len(part.encode(errors="replace")) <= _LONGEST_PART for part in parts) and not re.match(r"[A-Za-z]:", name)
            and name != RECORD_NAME and parts[0] != PRIVATE)


def _hostile(name: str) -> DataError:
    return DataError("The hub lists a file named {file}, which would not stay in its directory. Nothing was fetched.",
                     "Do not trust this copy of the model; take it from another owner or hub.", file=name[:200])


def _digest(value: object, digits: int) -> str | None:
    return value.lower() if isinstance(value, str) and re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", value) else None


def choose(listing: Listing) -> tuple[Listing, tuple[Message, ...]]:
    """What of ``listing`` is fetched, and what there is to say of it.

    Where there are safetensors, the same weights as pickles (which run code when they are opened) and for other frameworks are left out.
    """
    notes = []
    suffixes = {file.name: PurePosixPath(file.name).suffix.lower() for file in listing.files}
    kept: Sequence[HubFile] = listing.files
    if ".safetensors" in suffixes.values():
        kept = [file for file in listing.files if suffixes[file.name] not in _PICKLED | _OTHER_FRAMEWORKS]
    left_out = listing.total_bytes - sum(file.bytes for file in kept)
    if len(kept) < len(listing.files):
        notes.append(say("left out {count} files ({size}): the weights are there as safetensors", count=len(listing.files) - len(kept),
                         size=gigabytes(left_out)))
    code = [file.name for file in kept if suffixes[file.name] == ".py"]
    if code:
        notes.append(say("the model brings Python code: {files}. It runs only with --trust-remote-code; read it first.",
                         files=", ".join(code[:5]) + (", …" if len(code) > 5 else "")))
    return Listing(listing.revision, tuple(kept), listing.unpinned), tuple(notes)
