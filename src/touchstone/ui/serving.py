"""A socket on this host only, and the server behind it."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from touchstone.errors import NotReadyError, UsageError
from touchstone.ui.app import create_app
from touchstone.ui.pages import Speech

_LOCAL = "localhost"
_SHUTDOWN_S = 3


@dataclass(frozen=True)
class Listening:
    """A socket that listens, and under which names (with the port, the first is the one to open) its pages may be asked for."""

    socket: socket.socket
    hosts: tuple[str, ...]


def listen(host: str, port: int) -> Listening:
    """Listen on a loopback address; port 0 is any free one. Raises :class:`UsageError` for any other address, :class:`NotReadyError`."""
    address = _loopback(host)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise NotReadyError("{host}:{port} cannot be listened on: {error}.", "Choose another port, or --port 0 for any free one.", host=host, port=port,
                            error=error.strerror or error) from error
    port = listener.getsockname()[1]
    names = (f"[{address}]" if address.version == 6 else str(address), "127.0.0.1", _LOCAL, "[::1]")
    return Listening(listener, tuple(dict.fromkeys(f"{name}:{port}" if port != 80 else name for name in names)))


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == _LOCAL else host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise UsageError("{host} is not an address of this machine alone, and these pages have no account: whoever reached them could read every run.",
                         "Leave --host out and reach them from elsewhere through ssh: ssh -L 8000:127.0.0.1:8000 HOST, with --port 8000 here.", host=host)
    return address


def serve(directory: Path, listening: Listening, speech: Speech, trouble: Callable[[str], None]) -> None:
    """Show the runs below ``directory`` until the process is told to stop; then what told it so takes its usual effect."""
    stopping = threading.Event()
    app = create_app(directory, listening.hosts, speech, stopping, trouble)
    # What proxies say of who asks is not believed, and nothing is written of who asked for what.
    config = uvicorn.Config(app, lifespan="off", log_config=None, log_level="critical", access_log=False, proxy_headers=False, server_header=False, ws="none",
                            timeout_graceful_shutdown=_SHUTDOWN_S, limit_concurrency=100)
    _Server(config, stopping).run(sockets=[listening.socket])


class _Server(uvicorn.Server):
    """Tells the pages that follow a run to end when the server is told to."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self._stopping.set()
        super().handle_exit(sig, frame)
