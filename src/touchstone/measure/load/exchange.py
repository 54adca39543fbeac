"""One request, one answer, in peace: for probing a server before a load, through the same reader as the load itself."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass, replace
from typing import Any

from touchstone.clock import now_ns, sleep
from touchstone.errors import NotReadyError
from touchstone.measure.load.connection import READ_BYTES, Address, tls_context
from touchstone.units import NS_PER_S
from touchstone.wire.answer import Answer, read_answer
from touchstone.wire.http import is_whole, parse_head

_MOST_BYTES = 64 << 20
_RETRY_S = 0.1


@dataclass(frozen=True)
class Exchanged:
    """An answer with the clock: when it was sent, when each read came, and how many bytes there were after each.

    ``closes``: the server closed the connection after a whole answer, which had not said so.
    """

    answer: Answer
    sent_ns: int
    read_ns: tuple[int, ...]
    read_ends: tuple[int, ...]
    raw: bytes
    closes: bool = False

    def event_ns(self, event: int) -> int:
        """When event number ``event`` was complete."""
        end = self.answer.ends[event]
        return next(at_ns for at_ns, read_end in zip(self.read_ns, self.read_ends, strict=True) if read_end >= end)


def exchange(address: Address, request: bytes, *, streamed: bool, timeout_s: float, linger_s: float = 0.0) -> Exchanged:
    """Send ``request`` over a connection of its own, and see for ``linger_s`` after the answer whether the server closes it.

    Raises :class:`NotReadyError` if nobody answers in time.
    """
    try:
        with socket.create_connection((address.host, address.port), timeout=min(timeout_s, 10.0)) as plain:
            plain.settimeout(timeout_s)
            line = tls_context(verify=address.verify).wrap_socket(plain, server_hostname=address.host) if address.tls else plain
            line.sendall(request)
            exchanged = _read(line, streamed=streamed, give_up_ns=now_ns() + round(timeout_s * NS_PER_S))
            return replace(exchanged, closes=_closes(line, exchanged.raw, linger_s)) if linger_s else exchanged
    except TimeoutError as error:
        raise NotReadyError("{server} did not answer within {limit} s.",
                            "Look at the server's log; --timeout allows more time.", server=address.host_header, limit=timeout_s) from error
    except OSError as error:
        raise _unreachable(address, error) from error


def _read(line: socket.socket, *, streamed: bool, give_up_ns: int) -> Exchanged:
    sent_ns = now_ns()
    raw = bytearray()
    stamps: list[int] = []
    ends: list[int] = []
    closed = False
    while len(raw) < _MOST_BYTES and now_ns() < give_up_ns:
        try:
            received = line.recv(READ_BYTES)
        except ConnectionResetError:
            received = b""
        stamps.append(now_ns())
        raw += received
        ends.append(len(raw))
        closed = not received
        if closed or is_whole(bytes(raw)):
            break
    else:
        raise TimeoutError
    return Exchanged(read_answer(bytes(raw), closed=closed, streamed=streamed), sent_ns, tuple(stamps), tuple(ends), bytes(raw))


def _closes(line: socket.socket, raw: bytes, linger_s: float) -> bool:
    """Whether the peer closes within ``linger_s`` although the head of its answer promised to keep the connection."""
    if not is_whole(raw) or not (head := parse_head(raw)) or not head.keep_alive:
        return False
    line.settimeout(linger_s)
    try:
        return not line.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def get_json(address: Address, path: str, headers: dict[str, str], timeout_s: float = 10.0) -> tuple[int, Any, str | None]:
    """GET ``path``: status, decoded body (None if it is not JSON) and the Server header. Raises :class:`NotReadyError`."""
    line = http.client.HTTPSConnection(address.host, address.port, timeout=timeout_s, context=tls_context(verify=address.verify)) \
        if address.tls else http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        line.request("GET", f"{address.prefix}{path}", headers=headers)
        answer = line.getresponse()
        content = answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(address, error) from error
    finally:
        line.close()
    try:
        return answer.status, json.loads(content), answer.getheader("Server")
    except ValueError:
        return answer.status, None, answer.getheader("Server")


def _unreachable(address: Address, error: Exception) -> NotReadyError:
    return NotReadyError("No server can be reached at {server}: {why}.",
                         "Start it, or check --base-url (and the scheme: http or https).", server=address.host_header,
                         why=getattr(error, "strerror", None) or error or type(error).__name__)


def await_server(address: Address, patience_s: float) -> None:
    """Return once ``address`` accepts a connection, or when ``patience_s`` is over: whoever talks to it then says what is wrong."""
    give_up_ns = now_ns() + round(patience_s * NS_PER_S)
    while now_ns() < give_up_ns:
        try:
            socket.create_connection((address.host, address.port), timeout=1.0).close()
        except ConnectionRefusedError:  # noqa: PERF203 - once in a tenth of a second
            sleep(_RETRY_S)
        except OSError:
            return
        else:
            return
