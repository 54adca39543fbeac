"""Calls modelscope_hub, in a process of its own: imported only there, with the environment already set."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from touchstone.checkpoints.pull.child import Asked, HubAnswer, NoRevisionError
from touchstone.checkpoints.pull.listing import PRIVATE, is_commit

_KIND = "model"


def cached(asked: Asked) -> HubAnswer | None:
    """The copy in the library's own cache (``MODELSCOPE_CACHE``), found without the network. Its folder is named as it was asked for."""
    from modelscope_hub import HubApi
    from modelscope_hub.errors import CacheNotFound

    try:
        directory = HubApi().download_repo(asked.model, _KIND, revision=asked.revision, local_files_only=True)
    except CacheNotFound:
        return None
    return {"path": str(directory), "revision": directory.name}


def listing(asked: Asked) -> HubAnswer:
    """The files of the newest commit that touched one of them.

    The hub names no commit for a branch, but one for each file. A file is at the newest of these what it is at the branch's end; the
    listing is asked for again at that commit, so that it cannot move while files are fetched.
    """
    from modelscope_hub.errors import NotExistError

    try:
        rows = _rows(asked, asked.revision)
    except NotExistError as error:
        raise _which(asked, error) from error
    if is_commit(asked.revision):
        return _answer(asked.revision, rows)
    newest = str(max(rows, key=lambda row: row.get("CommittedDate") or 0, default={}).get("Revision"))
    if is_commit(newest):
        with contextlib.suppress(NotExistError):
            return _answer(newest, _rows(asked, newest))
    return _answer(None, rows)


def _rows(asked: Asked, revision: str) -> list[dict[str, Any]]:
    from modelscope_hub import HubApi

    rows: list[dict[str, Any]] = HubApi(endpoint=asked.endpoint).legacy.list_repo_files(asked.model, _KIND, revision=revision)
    return [row for row in rows if row.get("Type") != "tree"]


def _answer(revision: str | None, rows: list[dict[str, Any]]) -> HubAnswer:
    files = [{"name": row.get("Path"), "bytes": row.get("Size"), "sha256": row.get("Sha256")} for row in rows]
    return {"revision": revision, "files": files}


def _which(asked: Asked, error: Exception) -> Exception:
    """Whether it is the model that the hub does not know, or only the revision: the answer to a listing is the same."""
    from modelscope_hub import HubApi
    from modelscope_hub.errors import HubError

    try:
        known = HubApi(endpoint=asked.endpoint).legacy.list_revisions(asked.model, _KIND)
    except HubError:
        return error
    return NoRevisionError(", ".join(str(row.get("Revision")) for row in known[:20]))


def fetch(asked: Asked, name: str, size: int, path: Path) -> None:
    """Fetch what is missing of a file; the unfinished one lies beside ``path`` and is gone on with."""
    from modelscope_hub import HubApi

    HubApi(endpoint=asked.endpoint).download_file(
        asked.model, _KIND, name, revision=asked.commit, cache_dir=Path(asked.partial) / PRIVATE, local_dir=asked.partial,
        file_size=size)
    if not path.is_file():
        raise FileNotFoundError(path)
