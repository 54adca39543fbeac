"""Calls openmind_hub, in a process of its own: it reads its variables, and refuses what is not https, when it is imported."""

from __future__ import annotations

import os
from pathlib import Path

from touchstone.checkpoints.pull.child import Asked, HubAnswer
from touchstone.checkpoints.pull.listing import is_commit


def _token() -> str | None:
    return os.environ.get("OPENMIND_TOKEN")


def cached(asked: Asked) -> HubAnswer | None:
    """The copy in the library's own cache, found without the network: its own search for snapshots asks the hub first."""
    from openmind_hub import try_to_load_from_cache

    found = try_to_load_from_cache(asked.model, "config.json", revision=asked.revision)
    if not isinstance(found, str):
        return None
    directory = Path(found).parent
    return {"path": str(directory), "revision": directory.name}


def listing(asked: Asked) -> HubAnswer:
    """The files of the commit that the revision names now."""
    from openmind_hub import OmApi, RepoFile

    api = OmApi(token=_token())
    commit = asked.revision
    if not is_commit(commit):
        commit = api.get_repo_last_commit(asked.model, revision=asked.revision, token=_token()).oid
    tree = api.list_repo_tree(asked.model, revision=commit, recursive=True, token=_token())
    files = [file for file in tree if isinstance(file, RepoFile)]
    return {"revision": commit, "files": [{"name": file.path, "bytes": file.size, "sha256": file.lfs.sha256 if file.lfs else None,
                                           "git_sha1": None if file.lfs else file.blob_id} for file in files]}


def fetch(asked: Asked, name: str, size: int, path: Path) -> None:
    """Append to ``path`` what is missing of a file.

    The library's function for one file is used: that for snapshots keeps a second copy and refuses to write below hidden folders.
    """
    from openmind_hub import build_om_headers, http_get, om_hub_url

    url = om_hub_url(asked.model, name, revision=asked.commit)
    with path.open("ab") as out:
        http_get(url, out, resume_size=out.tell(), headers=build_om_headers(token=_token()), expected_size=size)
