"""The hubs that checkpoints are pulled from: names, libraries, addresses, and the variables each library reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from touchstone.errors import UsageError


@dataclass(frozen=True)
class Hub:
    """A hub and the library that speaks its protocol.

    ``variables`` are those that hold the hub's address, the one we set first; ``token_variable`` is where its token is looked for.
    ``adapter`` is our module that calls the library, in a process of its own.
    """

    name: str
    title: str
    extra: str
    adapter: str
    home: str
    default_revision: str
    variables: tuple[str, ...]
    token_variable: str
    https_only: bool = False


_TABLE = (
    Hub("hf", "Hugging Face", "hf", "touchstone.checkpoints.pull.library_hf", "https://huggingface.co", "main", ("HF_ENDPOINT",), "HF_TOKEN"),
    Hub("modelscope", "ModelScope", "modelscope", "touchstone.checkpoints.pull.library_modelscope", "https://modelscope.cn", "master",
        ("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"), "MODELSCOPE_API_TOKEN"),
    # openmind_hub reads no token from the environment; the name is ours.
    Hub("openmind", "openMind", "openmind", "touchstone.checkpoints.pull.library_openmind", "https://modelers.cn", "main",
        ("OPENMIND_HUB_ENDPOINT",), "OPENMIND_TOKEN", https_only=True),
)
HUBS: Mapping[str, Hub] = {hub.name: hub for hub in _TABLE}

_QUIET = {
    "hf": {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "30"},
    "modelscope": {"MODELSCOPE_DOWNLOAD_TIMEOUT": "30", "MODELSCOPE_API_MAX_RETRIES": "1"},
    "openmind": {"OM_HUB_DISABLE_PROGRESS_BARS": "1", "DEFAULT_REQUEST_TIMEOUT": "30"},
}
"""What we set where the user has not. Our own retries come on top of the libraries'."""
_RECORDED = ("HF_HUB_DISABLE_XET", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "MODELSCOPE_DOWNLOAD_TIMEOUT",
             "MODELSCOPE_DOWNLOAD_PARALLEL_WORKERS", "OPENMIND_PLATFORM", "HUB_WHITE_LIST_PATHS")


def endpoint_of(hub: Hub, asked: str | None, own: Mapping[str, str] = os.environ) -> str:
    """The address to ask: ``asked``, else the user's variable, else the hub's own. Raises :class:`UsageError`."""
    chosen = asked or next((own[name] for name in hub.variables if own.get(name)), hub.home)
    address = chosen if "://" in chosen else f"https://{chosen}"
    try:
        parts = urlsplit(address)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError("{endpoint} is not the address of a hub.", "Give it as https://host or http://host:port.", endpoint=chosen)
    if hub.https_only and parts.scheme != "https":
        raise UsageError("{hub} is asked over https only, not at {endpoint}.", "Give an address that starts with https://.",
                         hub=hub.title, endpoint=public(address))
    return address.rstrip("/")


def public(endpoint: str) -> str:
    """``endpoint`` without a user's name and password, to be shown and kept."""
    parts = urlsplit(endpoint)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def environment(hub: Hub, endpoint: str, destination: Path, token: str | None, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment for the library's process, where its variables must stand before it is imported."""
    variables = {**_QUIET[hub.name], **own, hub.variables[0]: endpoint, "PYTHONUNBUFFERED": "1"}
    if hub.name == "hf" and endpoint != hub.home:
        variables.setdefault("HF_HUB_DISABLE_XET", "1")  # a mirror serves files, not Xet's chunks
    if hub.name == "openmind":
        allowed = filter(None, (own.get("HUB_WHITE_LIST_PATHS"), str(destination.parent)))
        variables["HUB_WHITE_LIST_PATHS"] = ",".join(allowed)
    if token:
        variables[hub.token_variable] = token
    return variables


def recorded(variables: Mapping[str, str]) -> dict[str, str]:
    """Those variables that say how a pull was made; never a token."""
    return {name: variables[name] for name in _RECORDED if name in variables}
