"""One process of the scripted server: an event loop over raw sockets with an agenda of absolute times.

It waits in the kernel until shortly before the next entry of the agenda is due and polls for the rest, because a sleeping process
is woken late. Nothing here is rendered, formatted or logged while streams run.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import itertools
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from touchstone.clock import cpu_time_ns, now_ns, sleep
from touchstone.measure.scripted.answers import Answers, Asked, message, refusal
from touchstone.measure.scripted.asking import CHAT, COMPLETIONS, BadRequestError, Head, read_body
from touchstone.measure.scripted.connection import SO_TIMESTAMPNS, Connection, KernelClock
from touchstone.measure.scripted.log import log_lines
from touchstone.measure.scripted.metrics import Counter, Counters
from touchstone.measure.scripted.prefix_cache import PrefixCache
from touchstone.measure.scripted.script import Script
from touchstone.measure.scripted.stream import Agenda, Stream
from touchstone.units import NS_PER_S

SPIN_NS = 200_000
"""How long before an entry is due the process stops sleeping."""
_FIRED_PER_TURN = 64
_HANDLED_PER_TURN = 4  # requests can wait, their arrival is stamped by the kernel; what is due cannot
_ACCEPTED_PER_TURN = 64
_LEAVING_NS = 1 * NS_PER_S


class Timer:
    """Something to do once, at a time."""

    def __init__(self, agenda: Agenda, action: Callable[[], None]) -> None:
        self._agenda, self._action = agenda, action

    def fire(self) -> None:
        heapq.heappop(self._agenda)
        self._action()


def listening_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """A socket that listens; with ``shared`` several may listen on the same port. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit both of these
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        listener.bind((host, port))
        listener.listen(4096)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class Server:
    """Serves until stopped. ``process`` is this process's place in ``counters``."""

    def __init__(self, script: Script, listener: socket.socket, tls: ssl.SSLContext | None, counters: Counters, process: int) -> None:
        self.script, self.counters, self.process = script, counters, process
        self.streams: list[Stream] = []
        self.all_logs: Callable[[], bytes] = self.own_log
        self._listener, self._tls = listener, tls
        self._answers, self._cache = Answers(script), PrefixCache() if script.cache else None
        self._poller = select.epoll()
        self._agenda: Agenda = []
        self._turn: Callable[[], int] = itertools.count().__next__
        self._clock = KernelClock()
        self._connections: dict[int, Connection] = {}
        self._watched: dict[int, Callable[[], None]] = {listener.fileno(): self._accept}
        self._waiting: deque[Stream] = deque()
        self._numbers = itertools.count()
        self._running = 0
        self._stopped = False
        self._poller.register(listener.fileno(), select.EPOLLIN)

    # --- the loop ---------------------------------------------------------------------------------------------------------------

    def watch(self, fd: int, action: Callable[[], None]) -> None:
        """Call ``action`` whenever ``fd`` can be read."""
        self._watched[fd] = action
        self._poller.register(fd, select.EPOLLIN)

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Call ``action`` once, ``delay_ns`` from now."""
        heapq.heappush(self._agenda, (now_ns() + delay_ns, self._turn(), Timer(self._agenda, action)))

    def stop(self) -> None:
        """Leave the loop after this turn."""
        self._stopped = True

    def serve(self) -> None:
        """Serve until :meth:`stop`. The collector is off: nothing that is made here is a cycle."""
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            while not self._stopped:
                self._stall()
                self._fire_due()
                for fd, mask in self._ready():
                    self._handle(fd, mask)
        finally:
            gc.enable()
            self._close()

    def _fire_due(self) -> None:
        agenda = self._agenda
        for _ in range(_FIRED_PER_TURN):
            if not agenda or agenda[0][0] > now_ns():
                return
            agenda[0][2].fire()

    def _ready(self) -> list[tuple[int, int]]:
        if not self._agenda:
            return self._poller.poll(-1, _HANDLED_PER_TURN)
        left_ns = self._agenda[0][0] - now_ns() - SPIN_NS
        if left_ns > 0:  # epoll waits in whole milliseconds, select in microseconds
            select.select([self._poller], [], [], left_ns / NS_PER_S)
        return self._poller.poll(0, _HANDLED_PER_TURN)

    def _stall(self) -> None:
        if self.script.stall_s:
            into_ns = now_ns() % round(self.script.stall_every_s * NS_PER_S)
            if into_ns < self.script.stall_s * NS_PER_S:
                sleep(self.script.stall_s - into_ns / NS_PER_S)

    def _handle(self, fd: int, mask: int) -> None:
        connection = self._connections.get(fd)
        if connection is None:
            if fd in self._watched:
                self._watched[fd]()
            return
        if mask & select.EPOLLOUT and connection.flush():
            stream = connection.stream
            if stream is not None:
                stream.resume()
            self._take(connection)
        if mask & ~select.EPOLLOUT and connection.fd >= 0 and connection.read(self._clock):
            self._take(connection)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_PER_TURN):
            try:
                sock, _ = self._listener.accept()
            except OSError:  # nobody waits any more, or no descriptor is free
                return
            sock.setblocking(False)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            connection = Connection(sock, next(self._numbers), self._poller, self)
            self._connections[connection.fd] = connection
            self._rest(connection, keep=True)

    def _close(self) -> None:
        for connection in list(self._connections.values()):
            connection.lost()
        for fd in self._watched:
            with contextlib.suppress(OSError):
                self._poller.unregister(fd)
        self._poller.close()
        self._listener.close()

    # --- connections ------------------------------------------------------------------------------------------------------------

    def _take(self, connection: Connection) -> None:
        """Start on the next request of ``connection``, if it is there whole and none is being answered."""
        while connection.fd >= 0 and connection.stream is None and not connection.blocked and not connection.leaving:
            request = connection.next_request()
            if request is None:
                return
            self._answer(connection, *request)

    def _answer(self, connection: Connection, head: Head, body: bytes) -> None:
        if head.path in {CHAT, COMPLETIONS} and head.method == "POST":
            try:
                asked, pieces = read_body(head.path, body, self.script)
            except BadRequestError as error:
                connection.write(refusal(error.status, error.reason))
            else:
                self._begin(connection, head, asked, pieces)
                return
        elif head.path in {CHAT, COMPLETIONS}:
            connection.write(refusal(405, "use POST", "Allow: POST\r\n"))
        elif head.path not in {"/v1/models", "/health", "/metrics", "/scripted/log"}:
            connection.write(refusal(404, "no such path"))
        elif head.method != "GET":
            connection.write(refusal(405, "use GET", "Allow: GET\r\n"))
        else:
            connection.write(self._page(head.path))
        self._rest(connection, keep=head.keep_alive)

    def _page(self, path: str) -> bytes:
        if path == "/health":
            return message(200, b"", "text/plain")
        if path == "/metrics":
            return message(200, self.counters.text(self.script.model, self.process), "text/plain; version=0.0.4")
        if path == "/scripted/log":
            return message(200, self.all_logs(), "application/x-ndjson")
        model = {"id": self.script.model, "object": "model", "created": 0, "owned_by": "touchstone"}
        return message(200, msgspec.json.encode({"object": "list", "data": [model]}))

    def own_log(self) -> bytes:
        """What this process has logged so far, as lines of JSON."""
        return b"".join(log_lines(list(self.streams), self.process))

    def _begin(self, connection: Connection, head: Head, asked: Asked, pieces: list[Any]) -> None:
        if self._cache is not None:
            asked = replace(asked, cached_tokens=self._cache.hits(pieces))
            self._count(Counter.CACHE_QUERIES, asked.prompt_tokens)
            self._count(Counter.CACHE_HITS, asked.cached_tokens)
        number = len(self.streams)
        fault = self._answers.fault(number)
        answer = self._answers.answer(asked, fault)
        offsets_ns = self._answers.jittered_ns(answer, asked, number) if self.script.jitter else answer.offsets_ns
        stream = Stream(number, asked, answer, offsets_ns, connection)
        stream.request_id, stream.fault = head.headers.get("x-request-id"), fault
        stream.received_ns, stream.kernel_stamp = connection.read_ns, connection.kernel_stamp
        stream.keep_alive = head.keep_alive
        connection.stream = stream
        self.streams.append(stream)
        if self.script.concurrency is not None and self._running >= self.script.concurrency:
            self._waiting.append(stream)
            self.counters.put(self.process, Counter.WAITING, len(self._waiting))
        else:
            self._start(stream, stream.received_ns)

    def _start(self, stream: Stream, base_ns: int) -> None:
        self._running += 1
        self.counters.put(self.process, Counter.RUNNING, self._running)
        self._count(Counter.PROMPT_TOKENS, stream.asked.prompt_tokens)
        stream.begin(base_ns, self._agenda, self._turn)

    def _end(self, connection: Connection) -> None:
        """The answer of ``connection`` is over, one way or another; whoever waits longest is next."""
        stream = connection.stream
        if stream is None:
            return
        connection.stream = stream.outlet = None
        if stream in self._waiting:
            self._waiting.remove(stream)
        else:
            self._running -= 1
            self._count(Counter.GENERATION_TOKENS, stream.tokens_sent())
            if self._waiting:
                self._start(self._waiting.popleft(), now_ns())
        self.counters.put(self.process, Counter.RUNNING, self._running)
        self.counters.put(self.process, Counter.WAITING, len(self._waiting))
        self.counters.put(self.process, Counter.CPU_NS, cpu_time_ns())

    def _count(self, counter: Counter, amount: int) -> None:
        self.counters.add(self.process, counter, amount)

    def finished(self, connection: Connection) -> None:
        """The stream of ``connection`` has sent its last write."""
        stream = connection.stream
        if stream is None or stream.answer.ending == "hold":
            return
        self._end(connection)
        if stream.answer.ending == "reset":
            connection.reset()
            return
        self._rest(connection, keep=stream.keep_alive and stream.answer.ending == "keep")
        self._take(connection)

    def dropped(self, connection: Connection) -> None:
        """``connection`` is gone; an answer that was under way is cut."""
        self._connections.pop(connection.fd, None)
        if connection.stream is not None:
            connection.stream.cut = True
            self._end(connection)

    def _rest(self, connection: Connection, *, keep: bool) -> None:
        """Between two requests, or after the last one."""
        if connection.fd < 0:
            return
        if not keep:
            connection.leave()
        elif self.script.close_idle_s is not None:
            since_ns = connection.idle_since_ns = now_ns()
            self.after(round(self.script.close_idle_s * NS_PER_S), lambda: self._close_idle(connection, since_ns))

    @staticmethod
    def _close_idle(connection: Connection, since_ns: int) -> None:
        if connection.idle_since_ns == since_ns:
            connection.lost()

    def left(self, connection: Connection) -> None:
        """Our side of ``connection`` is closed; the peer has a moment to close its own."""
        self.after(_LEAVING_NS, connection.lost)
