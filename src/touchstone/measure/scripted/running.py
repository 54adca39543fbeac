"""Starting and stopping the scripted server: one process or several on one port, in the foreground or from Python."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Literal

from touchstone.errors import NotReadyError, UsageError
from touchstone.measure.scripted.log import Entry, log_lines, parse_log
from touchstone.measure.scripted.metrics import Counters
from touchstone.measure.scripted.script import Script
from touchstone.measure.scripted.server import Server, listening_socket

Stopped = Literal["terminated", "interrupted"]
_STARTS_WITHIN_S = 30.0
_STOPS_WITHIN_S = 30.0
_LOG_WITHIN_S = 60.0
COMMAND = (sys.executable, "-m", "touchstone", "serve", "--scripted")


@dataclass(frozen=True)
class Address:
    """Where to serve, by how many processes, and with which certificate and key if over TLS. Port 0 is any free port."""

    host: str = "127.0.0.1"
    port: int = 0
    processes: int = 1
    tls_cert: str | None = None
    tls_key: str | None = None

    @property
    def base_url(self) -> str:
        """As a client writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"


class Signals:
    """While entered, SIGTERM and SIGINT do not raise: ``stopped`` says which came, and ``fd`` can be read after any signal."""

    def __init__(self, interrupt: Stopped | None = "interrupted") -> None:
        self.stopped: Stopped | None = None
        self._words: dict[int, Stopped | None] = {signal.SIGTERM: "terminated", signal.SIGINT: interrupt}

    def __enter__(self) -> Signals:  # noqa: PYI034 - Self is of Python 3.11
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self.fd = self._reader.fileno()
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._note) for number in self._words}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.stopped = self.stopped or self._words.get(number)

    def drain(self) -> None:
        """Forget that signals came; not which."""
        self._reader.recv(64)


def serve_forever(script: Script, address: Address, announce: Callable[[str], None], *, log: Path | None = None,
                  lifeline: int | None = None) -> Stopped:
    """Serve until SIGTERM or SIGINT, or until the file descriptor ``lifeline`` ends; then write the log to the file ``log``.

    ``announce`` gets the base URL once connections are accepted. Raises :class:`NotReadyError` if the address cannot be had and
    :class:`UsageError` if the script cannot be shared by several processes, or the certificate not be used.
    """
    from touchstone.measure.scripted.team import Team

    if address.processes > 1 and script.concurrency is not None:
        raise UsageError("One queue is kept by one process: concurrency needs --processes 1.")
    tls = _tls(address)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        listeners = _listeners(address)
        bound = replace(address, port=listeners[0].getsockname()[1])
        if address.processes > 1:
            return Team(script, listeners, tls, log).serve(lambda: announce(bound.base_url), lifeline)
        server = Server(script, listeners[0], tls, Counters(1), 0)
        with Signals() as signals:
            announce(bound.base_url)
            serve_until_stopped(server, signals, lifeline)
        if log is not None:
            with log.open("wb") as file:
                file.writelines(log_lines(server.streams, 0))
        return signals.stopped or "terminated"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def serve_until_stopped(server: Server, signals: Signals, lifeline: int | None) -> None:
    """Serve until a signal stops it, or until ``lifeline`` ends."""
    def wake() -> None:
        signals.drain()
        if signals.stopped:
            server.stop()

    def alive() -> None:
        if lifeline is not None and not os.read(lifeline, 4096):
            server.stop()

    server.watch(signals.fd, wake)
    if lifeline is not None:
        server.watch(lifeline, alive)
    server.serve()


def _listeners(address: Address) -> list[socket.socket]:
    """One listening socket per process, all on the same port."""
    listeners: list[socket.socket] = []
    try:
        for _ in range(address.processes):
            port = listeners[0].getsockname()[1] if listeners else address.port
            listeners.append(listening_socket(address.host, port, shared=address.processes > 1))
    except (OSError, OverflowError) as error:
        for listener in listeners:
            listener.close()
        raise NotReadyError("{host}:{port} cannot be listened on: {error}.", "Choose another --port, or 0 for any free one.",
                            host=address.host, port=address.port, error=getattr(error, "strerror", None) or error) from error
    return listeners


def _tls(address: Address) -> ssl.SSLContext | None:
    if address.tls_cert is None and address.tls_key is None:
        return None
    if address.tls_cert is None or address.tls_key is None:
        raise UsageError("TLS needs both --tls-cert and --tls-key.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(address.tls_cert, address.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError("The certificate {path} cannot be used: {error}.", path=address.tls_cert, error=error) from error
    return context


class ScriptedServer:
    """A scripted server in a process of its own, while entered.

    ::

        with ScriptedServer(Script(ttft_s=0.05)) as server:
            ...  # play against server.base_url
            entries = server.log()

    ``tls`` is a certificate and a key file. Entering raises :class:`NotReadyError` with what the process said if it does not start.
    """

    def __init__(self, script: Script, host: str = "127.0.0.1", port: int = 0, processes: int = 1,
                 tls: tuple[str, str] | None = None) -> None:
        self.script = script
        self.base_url = ""
        self._tls = tls
        options = ["--script", script.model_dump_json(), "--host", host, "--port", str(port), "--processes", str(processes)]
        if tls:
            options += ["--tls-cert", tls[0], "--tls-key", tls[1]]
        self._command = [*COMMAND, *options, "--until-stdin-ends"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int:
        """Of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> ScriptedServer:  # noqa: PYI034 - Self is of Python 3.11
        # Options may come from the environment too; this server is to follow its script and nothing else.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHSTONE_SERVE_")}
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         env=environment)
        line = self._first_line()
        self.base_url = line.removeprefix("listening on ").strip()
        if not self.base_url.startswith("http"):
            said = self._stop()
            raise NotReadyError("The scripted server did not start: {said}", said=said or line)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _STARTS_WITHIN_S)
        return self._process.stdout.readline().decode() if ready else ""

    def _stop(self) -> str:
        """End the process; what it had said on stderr."""
        process = self._process
        if process is None:
            return ""
        process.terminate()
        try:
            _, said = process.communicate(timeout=_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
        self._process = None
        return said.decode(errors="replace").strip()

    def log(self) -> list[Entry]:
        """The true times of every request so far, in the order in which they were received. Asking disturbs running streams."""
        return parse_log(self.get("/scripted/log"))

    def get(self, path: str) -> bytes:
        """The body of a GET, past any proxy. Raises OSError."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self._tls:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self._tls[0])))
        with urllib.request.build_opener(*handlers).open(self.base_url + path, timeout=_LOG_WITHIN_S) as answer:
            content: bytes = answer.read()
            return content
