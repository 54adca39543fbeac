"""Checkpoints that are on this machine already: given as a directory, pulled before, or in a library's own cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from touchstone.checkpoints.pull.hubs import HUBS
from touchstone.checkpoints.pull.listing import is_commit, is_model_name
from touchstone.checkpoints.pull.record import PulledFile, PulledRecord, pulled_revision
from touchstone.checkpoints.pull.verify import damaged

_SHORTEST_COMMIT = 7


def pulled_directory() -> Path:
    """The folder of all that was pulled without a place of its own: ``pulled`` in the cache of this program."""
    from touchstone.checkpoints.synthetic import cache_directory

    return cache_directory() / "pulled"


def default_place(hub: str, model: str, revision: str) -> Path:
    """Where ``model`` of ``hub`` goes at ``revision``, a commit or else a name."""
    return pulled_directory() / hub / model.replace("/", "--") / revision.replace("/", "--")


def is_checkpoint(directory: Path) -> bool:
    """Whether ``directory`` is one that an engine can be given."""
    try:
        return (directory / "config.json").is_file() or (directory.is_dir() and any(directory.glob("*.gguf")))
    except OSError:  # a name too long for a path, or a directory that is closed to us
        return False


def find_pulled(model: str, hub: str, revision: str | None) -> tuple[Path, PulledRecord] | None:
    """The newest pulled copy of ``model`` that is what ``revision`` asks for: a branch or tag as it was, or a commit by its first digits."""
    default = HUBS[hub].default_revision
    found = [(record.pulled_at or "", path, record) for path, record in _pulled(hub, model) if _is_asked(record, revision, default)]
    if not found:
        return None
    _, path, record = max(found, key=lambda one: one[:2])
    return path, record


def _pulled(hub: str, model: str) -> Iterator[tuple[Path, PulledRecord]]:
    folder = default_place(hub, model, "-").parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        record = None if path.name.endswith(".partial") else pulled_revision(path)
        if record is not None and (record.hub, record.model) == (hub, model):
            yield path, record


def _is_asked(record: PulledRecord, revision: str | None, default: str) -> bool:
    if revision is not None and len(revision) >= _SHORTEST_COMMIT and (record.revision or "").startswith(revision):
        return True
    return not is_commit(revision) and (record.revision_asked or default) == (revision or default)


def find_local(model: str) -> Path | None:
    """The directory of ``model`` if it was pulled before, from whichever hub, and still has all files in their size. No network."""
    for hub in HUBS if is_model_name(model) else ():
        found = find_pulled(model, hub, None)
        if found and damaged(found[0], found[1].files, hashes=False) is None:
            return found[0]
    return None


def files_of(directory: Path) -> tuple[PulledFile, ...]:
    """The files in a directory that we have no record of, by name and size alone."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return tuple(PulledFile(path.relative_to(directory).as_posix(), path.stat().st_size, None, "size") for path in files)
