"""Several server processes on one port: the kernel deals connections out to them, and a supervisor keeps them together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from touchstone.clock import now_ns, sleep
from touchstone.errors import NotReadyError
from touchstone.measure.scripted.log import log_lines
from touchstone.measure.scripted.metrics import Counter, Counters
from touchstone.measure.scripted.running import Signals, Stopped, serve_until_stopped
from touchstone.measure.scripted.script import Script
from touchstone.measure.scripted.server import Server
from touchstone.units import NS_PER_S

_LOG_WITHIN_S = 30.0
_STOPS_WITHIN_S = 30.0


class Team:
    """One process per listening socket. Each logs its own requests; asked for the log, one collects everybody's."""

    def __init__(self, script: Script, listeners: list[socket.socket], tls: ssl.SSLContext | None, log: Path | None) -> None:
        self._script, self._listeners, self._tls, self._log = script, listeners, tls, log
        self._counters = Counters(len(listeners))

    def serve(self, announce: Callable[[], None], lifeline: int | None) -> Stopped:
        """Serve until a signal or until ``lifeline`` ends. Raises :class:`NotReadyError` if one of the processes dies."""
        context = multiprocessing.get_context("fork")
        with TemporaryDirectory(prefix="touchstone-") as folder, Signals() as signals:
            self._folder = Path(folder)
            self._life = os.pipe()  # the processes end when the supervisor's end of it closes, however it dies
            workers = [context.Process(target=self._work, args=(place,)) for place in range(len(self._listeners))]
            for worker in workers:
                worker.start()
            for listener in self._listeners:
                listener.close()
            os.close(self._life[0])
            announce()
            try:
                stopped = self._supervise(workers, signals, lifeline)
            finally:
                os.close(self._life[1])
                for worker in workers:
                    worker.join(_STOPS_WITHIN_S)
                    worker.kill()
            if self._log is not None:
                self._log.write_bytes(self._parts())
            return stopped

    @staticmethod
    def _supervise(workers: Sequence[BaseProcess], signals: Signals, lifeline: int | None) -> Stopped:
        awaited = [signals.fd, *(worker.sentinel for worker in workers), *([] if lifeline is None else [lifeline])]
        while True:
            ready = multiprocessing.connection.wait(awaited)
            if signals.fd in ready:
                signals.drain()
                if signals.stopped:
                    return signals.stopped
            if lifeline in ready and not os.read(lifeline, 4096):
                return "terminated"
            if any(worker.sentinel in ready for worker in workers):
                raise NotReadyError("A process of the scripted server ended by itself.")

    def _parts(self) -> bytes:
        return b"".join(part.read_bytes() for part in sorted(self._folder.glob("log-*")))

    # --- in each process --------------------------------------------------------------------------------------------------------

    def _work(self, place: int) -> None:
        os.close(self._life[1])
        for other, listener in enumerate(self._listeners):
            if other != place:
                listener.close()
        server = Server(self._script, self._listeners[place], self._tls, self._counters, place)
        server.all_logs = lambda: self._collect(server)

        def write_log(_signal: int, _frame: FrameType | None) -> None:
            self._write_part(server)

        with Signals(interrupt=None) as signals:  # Ctrl-C reaches every process; only the supervisor heeds it
            signal.signal(signal.SIGUSR1, write_log)
            self._counters.put(place, Counter.PROCESS_ID, os.getpid())
            serve_until_stopped(server, signals, self._life[0])
            self._write_part(server)

    def _write_part(self, server: Server) -> None:
        part = self._folder / f"part-{server.process}"
        with part.open("wb") as file:
            file.writelines(log_lines(list(server.streams), server.process))
        part.rename(self._folder / f"log-{server.process}")
        self._counters.add(server.process, Counter.LOGS_WRITTEN)

    def _collect(self, server: Server) -> bytes:
        """Everybody's log. The others write theirs on a signal, even while they wait here themselves."""
        others = [place for place in range(self._counters.processes) if place != server.process]
        before = {place: self._counters.get(place, Counter.LOGS_WRITTEN) for place in others}
        for place in others:
            process_id = self._counters.get(place, Counter.PROCESS_ID)
            if process_id:
                os.kill(process_id, signal.SIGUSR1)
            else:
                del before[place]
        self._write_part(server)
        limit_ns = now_ns() + round(_LOG_WITHIN_S * NS_PER_S)
        while any(self._counters.get(place, Counter.LOGS_WRITTEN) == count for place, count in before.items()) and now_ns() < limit_ns:
            sleep(0.002)
        return self._parts()
