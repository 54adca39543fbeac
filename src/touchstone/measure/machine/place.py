"""Where a machine is read: a tree of files and an environment. A test gives its own."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MOST_BYTES = 1 << 18  # the longest file read here has a few kilobytes
_MOST_CHARACTERS = 200
_MOST_ENTRIES = 1024


@dataclass(frozen=True)
class Place:
    """A machine's files below ``root``, its ``environment``, and ``packages``: the folders of installed distributions (None: ours).

    All names are absolute ones of that machine. A file that is not there, may not be read or has an impossible name is None.
    """

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    packages: Sequence[str] | None = None
    architecture: str = field(default_factory=platform.machine)
    python: str = field(default_factory=platform.python_version)
    disk: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    access: Callable[[Path, int], bool] = os.access

    def path(self, name: str) -> Path:
        """Where ``name`` lies below the root."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """The file's text without blanks around it."""
        content = self.content(name)
        return None if content is None else content.decode("utf-8", errors="replace").strip()

    def content(self, name: str, most_bytes: int = _MOST_BYTES) -> bytes | None:
        """The file's first bytes."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(most_bytes)
        except (OSError, ValueError):
            return None

    def is_there(self, name: str) -> bool:
        """Whether ``name`` leads to something."""
        try:
            return self.path(name).exists()
        except (OSError, ValueError):
            return False

    def entries(self, folder: str, pattern: str) -> list[str]:
        """Full names of what is in ``folder`` and matches ``pattern``, in order."""
        try:
            found = sorted(self.path(folder).glob(pattern))[:_MOST_ENTRIES]
        except (OSError, ValueError):
            return []
        return [f"/{path.relative_to(self.root)}" for path in found]

    def link(self, name: str) -> str | None:
        """What the link ``name`` points to, as written in it."""
        try:
            return str(self.path(name).readlink())
        except (OSError, ValueError):
            return None

    def real(self, name: str) -> str:
        """Where ``name`` lies after all links, to see whether two names are one file."""
        try:
            return os.path.realpath(self.path(name))
        except (OSError, ValueError):
            return name

    def may_open(self, name: str) -> bool:
        """Whether this user may read and write ``name``."""
        return self.access(self.path(name), os.R_OK | os.W_OK)

    def space(self, name: str) -> tuple[int, int] | None:
        """Total and free bytes of the file system that ``name``, or its nearest parent that is there, lies on."""
        folder = Path(name)
        while not self.is_there(str(folder)) and folder != folder.parent:
            folder = folder.parent
        try:
            total, _, free = self.disk(self.path(str(folder)))
        except (OSError, ValueError):
            return None
        return total, free

    def shown(self, name: str) -> str:
        """``name`` with the user's home folder, which may be a person's name, as ``~``."""
        home = self.environment.get("HOME", "").rstrip("/")
        return f"~{name[len(home):]}" if home and (name == home or name.startswith(f"{home}/")) else name


def properties(text: str | None) -> dict[str, str]:
    """The ``key=value`` lines of a file, keys in lower case, long values cut."""
    pairs = (line.partition("=") for line in (text or "").splitlines() if "=" in line)
    return {key.strip().lower(): value.strip()[:_MOST_CHARACTERS] for key, _, value in pairs}


def whole(text: str | None) -> int | None:
    """A count of at most 18 digits; None for anything else."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None
