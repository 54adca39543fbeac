"""Where a checkpoint is put: nowhere until it is whole. It grows in ``NAME.partial`` beside its place and is renamed in one step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from touchstone.checkpoints.pull.listing import PRIVATE, RECORD_NAME, Listing
from touchstone.clock import sleep
from touchstone.errors import NotReadyError, UsageError
from touchstone.units import gigabytes

_LOCK_NAME = f"{PRIVATE}.lock"
_WAIT_S = 0.2
_SPARE_BYTES = 64 << 20
"""Left free beside the files: the record, the file system's own needs, and others who write."""


def partial_of(destination: Path) -> Path:
    """Where the checkpoint for ``destination`` grows."""
    return destination.with_name(destination.name + ".partial")


def check_free_name(destination: Path) -> None:
    """Raise :class:`UsageError` where something that was not pulled stands at ``destination``; an empty directory may."""
    if destination.is_dir() and not any(destination.iterdir()):
        return
    if destination.exists() or destination.is_symlink():
        raise UsageError("{path} exists and is something else.", "Choose another place with --output-dir, or remove it.", path=destination)


@contextlib.contextmanager
def locked(destination: Path, waiting: Callable[[], None]) -> Iterator[Path]:
    """The partial directory of ``destination``, ours alone; calls ``waiting`` while another process has it.

    The lock is on a file in the directory, so that nothing is left when it is renamed; a lock on a file that is no longer there is none.
    Raises :class:`NotReadyError` where nothing can be written.
    """
    partial = partial_of(destination)
    while True:
        with contextlib.ExitStack() as held:
            lock = _lock_file(partial)
            if lock is None:
                continue
            held.enter_context(lock)
            while not _take(lock.fileno()):
                waiting()
                sleep(_WAIT_S)
            if _is_still_there(lock.fileno(), partial / _LOCK_NAME):
                try:
                    yield partial
                finally:
                    _leave(lock.fileno(), partial)
                return


def _leave(descriptor: int, partial: Path) -> None:
    """Remove ``partial`` where it holds nothing that could be gone on with."""
    if _is_still_there(descriptor, partial / _LOCK_NAME) and [path.name for path in partial.iterdir()] == [_LOCK_NAME]:
        (partial / _LOCK_NAME).unlink()
        with contextlib.suppress(OSError):  # another process is quicker to begin anew
            partial.rmdir()


def _lock_file(partial: Path) -> TextIO | None:
    """The lock's file, opened; None where another process renamed its directory just now."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        try:
            return (partial / _LOCK_NAME).open("a", encoding="utf-8")
        except FileNotFoundError:
            return None
    except OSError as error:
        if isinstance(error, FileExistsError) and not partial.exists():
            return None
        raise NotReadyError("{path} cannot be written: {error}.", "Choose another place with --output-dir.",
                            path=partial, error=error.strerror) from error


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def size_of(partial: Path) -> int:
    """Bytes in the files of ``partial``, finished or not."""
    total = 0
    for path in partial.rglob("*"):
        with contextlib.suppress(OSError):  # finished and renamed meanwhile
            state = path.lstat()
            total += state.st_size if stat.S_ISREG(state.st_mode) else 0
    return total


def check_space(partial: Path, listing: Listing) -> None:
    """Raise :class:`NotReadyError` where the rest of ``listing`` does not fit on the disk of ``partial``."""
    needed = listing.total_bytes - size_of(partial) + _SPARE_BYTES
    free = shutil.disk_usage(partial).free
    if needed > free:
        raise NotReadyError("{needed} more are needed in {path}, and {free} are free.", "Make room, or choose another place with --output-dir.",
                            needed=gigabytes(needed), free=gigabytes(free), path=partial.parent)


def discard(partial: Path, names: Iterable[str]) -> None:
    """Delete the files of these ``names``, finished or not."""
    for name in names:
        for path in (partial / name, partial / f"{name}.incomplete"):
            path.unlink(missing_ok=True)


def install(partial: Path, destination: Path, names: frozenset[str]) -> None:
    """Make ``partial`` the ``destination``, with the files of these ``names`` and the record alone."""
    kept = names | {RECORD_NAME, _LOCK_NAME}
    for folder, folders, files in os.walk(partial, topdown=False):
        for name in files:
            path = Path(folder, name)
            if path.relative_to(partial).as_posix() not in kept:
                path.unlink()
        for name in folders:
            path = Path(folder, name)
            if path.is_symlink():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
    partial.rename(destination)
    (destination / _LOCK_NAME).unlink()
