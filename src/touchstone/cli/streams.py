"""Where results go: stdout and stderr, which may be closed, full, or read by somebody who has seen enough, such as ``head``; or a named file."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

import click

from touchstone.errors import NotReadyError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def ready() -> None:
    """Make both usable: in Chinese without a locale, and where one is closed.

    Containers often have no locale, and a report in Chinese must come out of a pipe whole; a terminal reads what it says that it reads.
    """
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w", encoding="utf-8") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115, PTH123 - for good
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=stream.encoding if stream.isatty() else "utf-8", errors="replace")


def print_result(text: str) -> None:
    """Print ``text`` on stdout. That nobody reads on ends nothing: the exit code is that of the work. Raises :class:`NotReadyError` on a full disk."""
    try:
        click.echo(text)
    except BrokenPipeError:
        silence()
    except OSError as error:
        raise unprinted(error) from error


def print_aside(text: str) -> None:
    """Print ``text`` on stderr, as far as anybody can read it: what is said beside the work never fails it."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def write_file(path: Path, text: str) -> None:
    """Write ``text`` to the file that was named instead of stdout, whole or not at all. Raises :class:`NotReadyError`.

    A device or a pipe takes it as it is: /dev/null must not become a file, nor a link.
    """
    from touchstone.parquet import replace_file, unwritable

    content = (text.rstrip("\n") + "\n").encode("utf-8", "replace")
    if path.is_file() or not path.exists():
        replace_file(Path(os.path.realpath(path)), content)
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        raise unwritable(path, error) from error


def unprinted(error: OSError) -> NotReadyError:
    """The failure to print that ``error`` is; raises ``error`` where it is another."""
    if error.errno not in _NO_ROOM or error.filename is not None:
        raise error
    silence()
    return NotReadyError("The output cannot be written: {error}.", "Free some space, or send it elsewhere.", error=error.strerror)


def silence() -> None:
    """Let go of stdout, so that what is left in its buffer fails nothing at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
