"""Calls huggingface_hub, in a process of its own: imported only there, with the environment already set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from touchstone.checkpoints.pull.child import Asked, HubAnswer


def cached(asked: Asked) -> HubAnswer | None:
    """The copy in the library's own cache (``HF_HOME``, ``HF_HUB_CACHE``), found without the network."""
    from huggingface_hub import snapshot_download

    try:
        directory = snapshot_download(asked.model, revision=asked.revision, local_files_only=True)
    except OSError:  # the library's own errors of this kind say that nothing is there
        return None
    return {"path": directory, "revision": Path(directory).name}


def listing(asked: Asked) -> HubAnswer:
    """The files of the commit that the revision names now."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=asked.endpoint).model_info(asked.model, revision=asked.revision, files_metadata=True)
    return {"revision": info.sha, "files": [_row(file) for file in info.siblings or ()]}


def _row(file: Any) -> dict[str, Any]:
    if file.lfs is not None:
        return {"name": file.rfilename, "bytes": file.lfs.size, "sha256": file.lfs.sha256}
    return {"name": file.rfilename, "bytes": file.size, "git_sha1": file.blob_id}


def fetch(asked: Asked, name: str, size: int, path: Path) -> None:
    """Append to ``path`` what is missing of a file.

    Downloads of whole snapshots throw away what they have of a file when they are stopped (since huggingface_hub 2); the library's
    function for one file goes on where the last attempt ended. It refuses files that are only served in Xet's chunks.
    """
    from huggingface_hub import constants, hf_hub_download, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    if size > getattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", size):
        hf_hub_download(asked.model, name, revision=asked.commit, local_dir=asked.partial, endpoint=asked.endpoint)
        return
    url = hf_hub_url(asked.model, name, revision=asked.commit, endpoint=asked.endpoint)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # what is compressed cannot be gone on with
    with path.open("ab") as out:
        http_get(url, out, resume_size=out.tell(), headers=headers, expected_size=size)
