"""The connections of one client: opened before they are needed, kept warm, replaced when the server closes one."""

from __future__ import annotations

import select
import socket
import ssl

from touchstone.clock import now_ns
from touchstone.measure.load.connection import READ_BYTES, Address, Connection, State, tls_context
from touchstone.units import NS_PER_S

READABLE = select.EPOLLIN | select.EPOLLRDHUP
_AT_ONCE = 64  # gentle on a server's backlog


class Pool:
    """Connections to ``address`` under one ``epoll``. ``idle`` are ready for a request; ``by_fd`` are all."""

    def __init__(self, address: Address) -> None:
        self.epoll = select.epoll()
        self.idle: list[Connection] = []
        self.by_fd: dict[int, Connection] = {}
        self.opened = 0
        self.opening = 0
        self.refusals = 0
        self._address = address
        self._context: ssl.SSLContext | None = tls_context(verify=address.verify) if address.tls else None
        family, _, _, _, sockaddr = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        self._place = (int(family), sockaddr)

    def warm(self, connections: int, patience_s: float = 10.0) -> int:
        """Have ``connections`` open and ready; returns how many are. Raises ConnectionError if none could be opened."""
        give_up_ns = now_ns() + round(patience_s * NS_PER_S)
        while len(self.idle) < connections and now_ns() < give_up_ns and not self.refusals:
            self.provide(connections - len(self.idle))
            for fd, _ in self.epoll.poll(0.1):
                self.advance(self.by_fd[fd])
        if not self.idle:
            raise ConnectionError(f"{self._address.host_header} accepts no connection")
        return len(self.idle)

    def provide(self, wanted: int) -> None:
        """Have ``wanted`` connections on their way, but not too many at once."""
        while self.opening < min(wanted, _AT_ONCE):
            try:
                one = Connection(*self._place, self._address, self._context)
            except OSError:
                self.refusals += 1
                return
            self.by_fd[one.fd] = one
            self.epoll.register(one.fd, READABLE | select.EPOLLOUT)
            self.opening += 1
            self.opened += 1

    def advance(self, one: Connection) -> None:
        """Something happened on a connection that carries no request: it connects, shakes hands, or ends."""
        try:
            if one.state == State.CONNECTING:
                if one.connect_error():
                    self._refused(one)
                    return
                self.epoll.modify(one.fd, READABLE)
                if one.tls is None:
                    self._ready(one)
                else:
                    one.state = State.HANDSHAKE
                    one.handshake()
            elif one.state == State.HANDSHAKE:
                if one.shake(one.socket.recv(READ_BYTES)):
                    self._ready(one)
            else:
                received = one.socket.recv(READ_BYTES)
                if one.tls is None or not received or one.decrypt(received) or one.over:  # closed by the server, or it speaks out of turn
                    self.drop(one)
        except BlockingIOError:
            return
        except OSError:
            self._refused(one)

    def drop(self, one: Connection) -> None:
        """Let go of a connection."""
        self.by_fd.pop(one.fd, None)
        if one.state == State.IDLE:
            self.idle.remove(one)
        one.close()

    def close(self) -> None:
        """Let go of everything."""
        for one in self.by_fd.values():
            one.close()
        self.epoll.close()

    def _ready(self, one: Connection) -> None:
        one.state = State.IDLE
        self.opening -= 1
        self.refusals = 0
        self.idle.append(one)

    def _refused(self, one: Connection) -> None:
        if one.state != State.IDLE:
            self.opening -= 1
            self.refusals += 1
        self.drop(one)
