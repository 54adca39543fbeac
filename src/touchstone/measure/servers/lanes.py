"""A batch over HTTP: every request on a connection of its own, all written at once, all read by one thread onto one tape."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence

from touchstone.clock import now_ns
from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.load.connection import READ_BYTES, Address
from touchstone.measure.tape import Tape
from touchstone.wire.http import WireError, is_whole, parse_head

SILENCE_S = 600.0
"""A server that sends nothing at all for so long has failed."""
_CONNECT_S = 10.0
_CHUNKS_END = b"0\r\n\r\n"  # RFC 9112, section 7.1, without trailers
_DONE, _DONE_WITHIN = b"data: [DONE]", 64


class Lanes:
    """Open connections to ``address``, one per request of the next batch. Raises :class:`NotReadyError` where nobody listens."""

    def __init__(self, address: Address, count: int) -> None:
        self._sockets: list[socket.socket] = []
        try:
            while len(self._sockets) < count:
                self._sockets.append(_connect(address))
        except NotReadyError:
            self.close()
            raise

    def play(self, requests: Sequence[bytes], tape: Tape) -> list[bool]:
        """Write every one of ``requests``, and read until every answer is whole; returns which connections were closed by the server.

        Raises :class:`EngineError` where the server is silent for ``SILENCE_S``.
        """
        poll = select.poll()
        answers = [_Arriving() for _ in self._sockets]
        lanes: dict[int, int] = {}
        for lane, (line, request) in enumerate(zip(self._sockets, requests, strict=True)):
            tape.lane_sent_ns.append(now_ns())
            line.sendall(request)
            lanes[line.fileno()] = lane
            poll.register(line, select.POLLIN)
        ending: set[int] = set()
        while lanes:
            ready = poll.poll(0 if ending else SILENCE_S * 1000)
            if not ready and not ending:
                raise EngineError("The server sent nothing for {limit} s.", "Look at its log.", limit=round(SILENCE_S))
            over = set()
            for descriptor, _ in ready:
                lane = lanes[descriptor]
                chunk = _receive(self._sockets[lane])
                tape.keep_of(lane, chunk)
                if answers[lane].takes_last(chunk):
                    over.add(descriptor)
                elif answers[lane].may_be_whole:
                    ending.add(descriptor)
            if not ready:  # looking closely takes time, in which nothing must be waiting to be read
                over = {descriptor for descriptor in ending if answers[lanes[descriptor]].is_whole()}
                ending.clear()
            for descriptor in over:
                poll.unregister(descriptor)
                del lanes[descriptor]
            ending -= over
        return [answer.closed for answer in answers]

    def close(self) -> None:
        """Let go of the connections."""
        for line in self._sockets:
            line.close()


class _Arriving:
    """Looks only for the end of the message; everything else waits until the trial is over."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._whole_at: int | None = None
        self._known_head = False
        self.closed = False

    def takes_last(self, chunk: bytes) -> bool:
        """Whether the answer is certainly whole with ``chunk``."""
        if not chunk:
            self.closed = True
            return True
        self._raw += chunk
        if not self._known_head:
            self._read_head()
        if self._whole_at is not None:
            return len(self._raw) >= self._whole_at
        # What an event says is JSON, which holds no bare line ends: after [DONE] this can be nothing but the framing.
        return self.may_be_whole and _DONE in self._raw[-_DONE_WITHIN:]

    @property
    def may_be_whole(self) -> bool:
        """Whether it ends as the last chunk of a message does; so may the content of any other."""
        return self._raw.endswith(_CHUNKS_END)

    def is_whole(self) -> bool:
        """Whether all of the message is there, by its framing."""
        return is_whole(bytes(self._raw))

    def _read_head(self) -> None:
        try:
            head = parse_head(bytes(self._raw))
        except WireError:
            return
        if head is not None:
            self._known_head = True
            if head.length is not None:
                self._whole_at = head.end + head.length


def _receive(line: socket.socket) -> bytes:
    try:
        return line.recv(READ_BYTES)
    except ConnectionResetError:
        return b""


def _connect(address: Address) -> socket.socket:
    try:
        line = socket.create_connection((address.host, address.port), timeout=_CONNECT_S)
    except OSError as error:
        raise NotReadyError("No server can be reached at {server}: {why}.", "Look at its log.", server=address.host_header,
                            why=error.strerror or error) from error
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.settimeout(SILENCE_S)
    return line
