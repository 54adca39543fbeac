"""One kept-alive connection to a server: a non-blocking socket, in the clear or under TLS, with the kernel's receive stamps.

The event loop touches its fields directly: a method call per read would cost as much as the read.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import sys
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import urlsplit

from touchstone.errors import UsageError
from touchstone.wire.http import Head

READ_BYTES = 1 << 16
NOTE_BYTES = socket.CMSG_SPACE(16)
NO_STAMP = bytes(16)
NOTHING = memoryview(b"")
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h, on x86-64 and arm64; the socket module does not name it


class State(IntEnum):
    """Where a connection is between two requests."""

    CONNECTING = 0
    HANDSHAKE = 1
    IDLE = 2
    HEAD = 3
    EVENTS = 4
    COUNTED = 5
    CHUNKS = 6
    UNTIL_CLOSE = 7


@dataclass(frozen=True)
class Address:
    """Where a server listens. ``host_header`` is what HTTP calls it; ``prefix`` the path in front of every endpoint."""

    host: str
    port: int
    tls: bool
    verify: bool
    prefix: str

    @property
    def host_header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_address(base_url: str, *, verify: bool = True) -> Address:
    """The address in ``http[s]://host[:port][/prefix]``; a scheme may be left out. Raises :class:`UsageError`."""
    text = base_url if "://" in base_url else f"http://{base_url}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError("{url} is not the address of a server.", "Give something like http://127.0.0.1:8000", url=_without_secret(base_url))
    tls = parts.scheme == "https"
    return Address(parts.hostname, port or (443 if tls else 80), tls, verify, parts.path.rstrip("/"))


def _without_secret(url: str) -> str:
    """``url`` as far as it can be shown: a name, a password, or a key in the query is left out."""
    return url.rpartition("@")[2].partition("?")[0].partition("#")[0]


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Certificates are checked against the system's store unless the user said not to."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """A socket and what is under way on it. ``recvmsg`` is bound once, so that a read costs one call."""

    __slots__ = ("_incoming", "_outgoing", "at_ns", "blocked", "chunks", "fd", "head", "over", "recvmsg", "row", "scheduled_ns", "sent_ns", "socket",
                 "stamps", "state", "tls", "unsent")

    def __init__(self, family: int, sockaddr: object, address: Address, context: ssl.SSLContext | None) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.fd = self.socket.fileno()
        self.recvmsg = self.socket.recvmsg
        self.tls: ssl.SSLObject | None = None
        if context is not None:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=address.host)
        self.state = State.CONNECTING
        self.row = -1
        self.scheduled_ns = self.sent_ns = 0
        self.unsent = NOTHING
        self.blocked = self.over = False
        self.head: Head | None = None
        self.at_ns: list[int] = []
        self.stamps: list[bytes] = []
        self.chunks: list[bytes] = []
        code = self.socket.connect_ex(sockaddr)  # type: ignore[arg-type]
        if code not in {0, errno.EINPROGRESS}:
            self.socket.close()
            raise OSError(code, errno.errorcode.get(code, "connect"))

    def take(self) -> tuple[list[int], list[bytes], list[bytes]]:
        """The reads of the answer that has ended (our stamps, the kernel's, the bytes); the connection is ready for the next."""
        reads = self.at_ns, self.stamps, self.chunks
        self.row = -1
        self.head = None
        self.at_ns, self.stamps, self.chunks = [], [], []
        return reads

    def connect_error(self) -> int:
        """The error number of a connect that has been decided; 0 if it succeeded."""
        return self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def handshake(self) -> bool:
        """Go on with the TLS handshake as far as the bytes allow; True when done. Raises OSError (ssl.SSLError is one)."""
        assert self.tls is not None
        try:
            self.tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        self._flush()
        return done

    def encrypt(self, request: bytes) -> bytes:
        """``request`` as it goes over the wire."""
        if self.tls is None:
            return request
        self.tls.write(request)
        return self._outgoing.read()

    def shake(self, received: bytes) -> bool:
        """Go on with the handshake after ``received``; True when done. Raises OSError."""
        if not received:
            raise ConnectionResetError(errno.ECONNRESET, "closed during the handshake")
        self._incoming.write(received)
        return self.handshake()

    def decrypt(self, received: bytes) -> bytes:
        """What ``received`` TLS records say; empty where a record is not whole yet or carries no data. Raises OSError.

        Where the server says that nothing follows, the connection is ``over``, and reads as closed even if the server leaves it open.
        """
        assert self.tls is not None
        self._incoming.write(received)
        parts = []
        try:
            while part := self.tls.read(READ_BYTES):
                parts.append(part)
            self.over = True
            with contextlib.suppress(OSError):  # the peer may have closed already
                self.socket.shutdown(socket.SHUT_RD)
        except ssl.SSLWantReadError:
            pass
        return b"".join(parts)

    def _flush(self) -> None:
        """Handshake records are small and go out on a connection that carries nothing else."""
        records = self._outgoing.read()
        if records and self.socket.send(records) != len(records):
            raise OSError(errno.EAGAIN, "the handshake does not fit into the socket's buffer")

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()

