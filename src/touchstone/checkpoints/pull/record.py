"""What a pulled directory says of itself: ``touchstone-pull.json``, which hub, model and commit each of its files is of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from touchstone.checkpoints.pull.listing import RECORD_NAME, HubFile, is_commit, read_listing
from touchstone.errors import DataError

SCHEMA = 1
_LARGEST_BYTES = 64 << 20


@dataclass(frozen=True)
class PulledFile:
    """A file that lies in the directory. ``checked`` is what it was compared with: ``sha256``, ``git-sha1`` or only ``size``."""

    name: str
    bytes: int
    sha256: str | None
    checked: str


@dataclass(frozen=True)
class PulledRecord:
    """Where a checkpoint came from. ``revision`` is the commit, else ``revision_missing`` says in English why there is none.

    ``pulled_at`` is wall time, a label. Of a copy that we did not pull, the hub, its address and the time may be None.
    """

    hub: str | None
    model: str
    revision_asked: str | None
    revision: str | None
    files: tuple[PulledFile, ...]
    endpoint: str | None = None
    pulled_at: str | None = None
    revision_missing: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """The record as plain values."""
        return {"schema": SCHEMA, **asdict(self)}


def write_record(directory: Path, record: PulledRecord) -> None:
    """Put ``record`` into ``directory``."""
    (directory / RECORD_NAME).write_text(json.dumps(record.as_document(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def pulled_revision(directory: Path) -> PulledRecord | None:
    """The record in ``directory``, None where there is none that can be read: not every checkpoint was pulled by us."""
    path = directory / RECORD_NAME
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        return _record(content)
    except (OSError, ValueError, RecursionError, DataError, LookupError, TypeError, AttributeError):
        return None


def _record(content: Mapping[str, Any]) -> PulledRecord:
    if content["schema"] != SCHEMA:
        raise ValueError(content["schema"])
    # The same checks as on a hub's answer: a record may come with a directory from anywhere.
    files = {file.name: file for file in read_listing({"files": content["files"]}).files}
    words = [content[name] for name in ("hub", "model", "endpoint", "pulled_at")]
    asked, revision, missing = content["revision_asked"], content["revision"], content.get("revision_missing")
    sound = all(isinstance(word, str) for word in words) and all(word is None or isinstance(word, str) for word in (asked, missing))
    if not sound or not (revision is None or is_commit(revision)):
        raise TypeError(RECORD_NAME)
    variables = {str(name): str(value) for name, value in content.get("variables", {}).items()}
    rows = tuple(_row(files[row["name"]], row.get("checked")) for row in content["files"])
    hub, model, endpoint, pulled_at = words
    return PulledRecord(hub, model, asked, revision, rows, endpoint, pulled_at, missing, variables)


def _row(file: HubFile, checked: object) -> PulledFile:
    return PulledFile(file.name, file.bytes, file.sha256, checked if checked in {"sha256", "git-sha1"} else "size")
