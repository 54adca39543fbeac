"""The server's side of one TCP connection: bytes in with the kernel's receive stamp, bytes out, and how it ends."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Protocol

from touchstone.clock import now_ns, realtime_ns
from touchstone.measure.scripted.answers import refusal
from touchstone.measure.scripted.asking import BODY_BYTES, BadRequestError, Head, parse_head
from touchstone.measure.scripted.stream import WOULD_BLOCK, Stream

READ_BYTES = 256 * 1024
SO_TIMESTAMPNS = 35  # Linux, every architecture but SPARC and PA-RISC; not in the socket module
_TIMESPEC = struct.Struct("qq")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close sends RST
_REFRESH_NS = 1_000_000_000


class KernelClock:
    """Carries the kernel's receive stamps, which are wall-clock times, over to the monotonic clock.

    The difference of the two clocks is read again every second, because the wall clock may be set.
    """

    def __init__(self) -> None:
        self._ahead_ns, self._read_ns = 0, -_REFRESH_NS

    def monotonic_ns(self, stamp_ns: int, read_ns: int) -> int:
        """The monotonic time of ``stamp_ns``, never later than ``read_ns``, when the bytes were in our hands."""
        if read_ns - self._read_ns >= _REFRESH_NS:
            self._ahead_ns, self._read_ns = min(self._sample() for _ in range(5))[1], read_ns
        return min(stamp_ns - self._ahead_ns, read_ns)

    @staticmethod
    def _sample() -> tuple[int, int]:
        before_ns = now_ns()
        wall_ns = realtime_ns()
        after_ns = now_ns()
        return after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2


class Keeper(Protocol):
    """The server, as a connection sees it."""

    def finished(self, connection: Connection) -> None: ...
    def left(self, connection: Connection) -> None: ...
    def dropped(self, connection: Connection) -> None: ...


class Connection:
    """A connection answers one request at a time; what follows waits in ``inbox``."""

    def __init__(self, sock: socket.socket, number: int, poller: select.epoll, keeper: Keeper) -> None:
        self.sock, self.number, self._poller, self._keeper = sock, number, poller, keeper
        self.fd = sock.fileno()
        self.transmit: Callable[[bytes | memoryview], int] = sock.send
        self.inbox = bytearray()
        self._head: Head | None = None
        self.stream: Stream | None = None
        self.read_ns, self.kernel_stamp = 0, False
        self.idle_since_ns: int | None = None
        self.leaving = False
        self._unsent = memoryview(b"")
        poller.register(self.fd, select.EPOLLIN)

    @property
    def blocked(self) -> bool:
        """Whether the peer has yet to take what was written."""
        return bool(self._unsent)

    # --- reading ----------------------------------------------------------------------------------------------------------------

    def read(self, clock: KernelClock) -> bool:
        """Take in what has arrived; False if the connection is gone."""
        try:
            data = self._read_tls() if isinstance(self.sock, ssl.SSLSocket) else self._read_plain(clock)
        except WOULD_BLOCK:
            return True
        except OSError:
            data = b""
        if not data or len(self.inbox) > 2 * BODY_BYTES:
            self.lost()
            return False
        if not self.leaving:
            self.inbox += data
        return True

    def _read_plain(self, clock: KernelClock) -> bytes:
        data, ancillary, _, _ = self.sock.recvmsg(READ_BYTES, 64)
        self.read_ns, self.kernel_stamp = now_ns(), False
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) == _TIMESPEC.size:
                whole_s, rest_ns = _TIMESPEC.unpack(content)
                self.read_ns, self.kernel_stamp = clock.monotonic_ns(whole_s * 1_000_000_000 + rest_ns, self.read_ns), True
        return data

    def _read_tls(self) -> bytes:
        data = self.sock.recv(READ_BYTES)  # shakes hands too, as far as that has come
        self.read_ns = now_ns()
        with contextlib.suppress(*WOULD_BLOCK):
            while more := self.sock.recv(READ_BYTES):
                data += more
        return data

    def next_request(self) -> tuple[Head, bytes] | None:
        """The next request, head and body, once it is there whole. What is no request is refused, and the connection left."""
        head = self._head
        if head is None:
            try:
                head = self._head = parse_head(self.inbox)
            except BadRequestError as error:
                self.write(refusal(error.status, error.reason, "Connection: close\r\n"))
                self.leave()
                return None
            if head is not None and head.headers.get("expect", "").lower() == "100-continue":
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if head is None or len(self.inbox) < head.end + head.length:
            return None
        body = bytes(self.inbox[head.end:head.end + head.length])
        del self.inbox[:head.end + head.length]
        self._head, self.idle_since_ns = None, None
        return head, body

    # --- writing ----------------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send ``data``, or keep what the connection does not take now."""
        if self._unsent:
            self._unsent = memoryview(bytes(self._unsent) + data)
            return
        try:
            count = self.transmit(data)
        except WOULD_BLOCK:
            count = 0
        except OSError:
            self.lost()
            return
        if count < len(data):
            self.keep_unsent(data[count:])

    def keep_unsent(self, rest: bytes) -> None:
        """Send ``rest`` when the connection takes it."""
        self._unsent = memoryview(rest)
        self._poller.modify(self.fd, select.EPOLLIN | select.EPOLLOUT)

    def flush(self) -> bool:
        """Send more of what is unsent; True once all of it has left."""
        try:
            self._unsent = self._unsent[self.transmit(self._unsent):]
        except WOULD_BLOCK:
            return False
        except OSError:
            self.lost()
            return False
        if self._unsent:
            return False
        self._poller.modify(self.fd, select.EPOLLIN)
        if self.leaving:
            self._part()
        return True

    # --- the end ----------------------------------------------------------------------------------------------------------------

    def finished(self) -> None:
        """The stream has sent its last write."""
        self._keeper.finished(self)

    def leave(self) -> None:
        """Take no more requests, and close our side once everything has left."""
        self.leaving = True
        self.inbox.clear()
        if not self._unsent:
            self._part()

    def _part(self) -> None:
        # Closed at once, a connection whose last bytes nobody read would be reset, and the answer lost with it.
        with contextlib.suppress(OSError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        self._keeper.left(self)

    def reset(self) -> None:
        """End the connection with a RST."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.lost()

    def lost(self) -> None:
        """The connection is no more."""
        if self.fd < 0:
            return
        with contextlib.suppress(OSError):
            self._poller.unregister(self.fd)
        self._keeper.dropped(self)
        self.sock.close()
        self.fd = -1
