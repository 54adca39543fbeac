"""Leaves the name of a measured server out of findings that are going to be passed on."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from touchstone.finding import Findings

MASK = "server.masked"
_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost"})


def masked(findings: Findings) -> Findings:
    """``findings`` with a mask in place of the host of the server's address, wherever it stands; an address of this very host stays.

    What stands before the host in an address (a user, a password) goes with it.
    """
    host = _host(findings.identity.get("base_url"))
    if not host or is_local(host):
        return findings
    name = re.escape(host)
    address = re.compile(rf"(?<=//)(?:[^/\s@]*@)?\[?{name}\]?(?![\w.-])", re.IGNORECASE)
    # A name without a dot may be an English word: outside an address it is left alone.
    alone = re.compile(rf"(?<![\w.-]){name}(?![\w-]|\.\w)", re.IGNORECASE) if re.search(r"[.:]", host) else None

    def mask(text: str) -> str:
        text = address.sub(MASK, text)
        return alone.sub(MASK, text) if alone else text

    changed: Findings = _with_texts(findings, mask)
    return changed


def _host(base_url: object) -> str | None:
    try:
        return urlsplit(str(base_url)).hostname if base_url else None
    except ValueError:
        return None


def is_local(host: str) -> bool:
    """Whether ``host`` names this very machine: nothing is given away by it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOCAL_NAMES


def _with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with every string in it changed: in dataclasses, mappings and tuples, to any depth that findings have."""
    if isinstance(value, Enum) or value is None:
        return value
    if isinstance(value, str):
        return change(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{one.name: _with_texts(getattr(value, one.name), change) for one in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return {_with_texts(name, change): _with_texts(one, change) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        changed = [_with_texts(one, change) for one in value]
        return type(value)(*changed) if hasattr(value, "_fields") else type(value)(changed)
    return value
