"""A request as it goes over the wire, built before the trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from touchstone import __version__
from touchstone.measure.load.connection import Address


def post(address: Address, path: str, body: Mapping[str, Any]) -> bytes:
    """An HTTP/1.1 POST of ``body`` as JSON, the answer to come uncompressed on a connection that then closes."""
    content = json.dumps(body).encode()
    accept = "text/event-stream" if body.get("stream") else "application/json"
    head = (f"POST {address.prefix}{path} HTTP/1.1\r\nHost: {address.host_header}\r\nUser-Agent: touchstone/{__version__}\r\n"
            f"Accept: {accept}\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(content)}\r\n\r\n")
    return head.encode("latin-1") + content
