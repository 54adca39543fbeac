"""The process between a run and a server it started: whatever becomes of the run, the server and all its children end.

The guard starts the server, keeps its output within bounds, and ends its whole tree when its own standard input closes: that
happens when the run lets go of it, and as well when the run is killed. Where the guard itself is killed, the kernel kills the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import psutil

from touchstone.measure.servers.bounded_log import BoundedLog

GRACE_S = 15.0
"""How long a server may take to end by itself when asked to; then it is killed."""
_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.2
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def run_guarded(command: Sequence[str], log_path: Path, line: BinaryIO, started: Callable[[int], None]) -> int | None:
    """Run ``command`` until it ends or ``line`` closes; call ``started`` with its pid.

    Returns its exit code (negative: a signal), None where it was ended from here.

    Raises OSError where the command cannot be started.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # a worker of the server whose parent died is still found
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run decides
    log = BoundedLog(log_path)
    try:
        with subprocess.Popen([*command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              start_new_session=True, preexec_fn=_die_with_guard) as server:  # noqa: PLW1509 - one thread alone runs here
            started(server.pid)
            try:
                return _follow(server, log, line)
            finally:
                end_tree(psutil.Process().children(recursive=True), _drain(server, log))
    finally:
        log.close()


def _drain(server: subprocess.Popen[bytes], log: BoundedLog) -> Callable[[], None]:
    """A function that moves what the server has said since to its log, so that it never blocks on a full pipe while it ends."""
    def drain() -> None:
        assert server.stdout is not None
        while select.select([server.stdout], [], [], 0)[0] and (chunk := os.read(server.stdout.fileno(), _CHUNK_BYTES)):
            log.write(chunk)
    return drain


def _follow(server: subprocess.Popen[bytes], log: BoundedLog, line: BinaryIO) -> int | None:
    """Keep the output until the server ends (its exit code) or the line closes (None)."""
    assert server.stdout is not None
    watched = [server.stdout.fileno(), line.fileno()]
    while server.poll() is None:
        ready, _, _ = select.select(watched, [], [], _LOOK_S)
        if line.fileno() in ready and not os.read(line.fileno(), 1):
            return None
        if server.stdout.fileno() in ready:
            chunk = os.read(server.stdout.fileno(), _CHUNK_BYTES)
            if chunk:
                log.write(chunk)
            else:
                watched = [line.fileno()]  # it closed its output and lives on
    return server.returncode


def end_tree(processes: Sequence[psutil.Process], meanwhile: Callable[[], None], grace_s: float = GRACE_S) -> None:
    """Ask ``processes`` to end, and kill those that have not within ``grace_s``; ``meanwhile`` is called while waiting."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    alive = list(processes)
    for _ in range(max(1, round(grace_s / _LOOK_S))):
        meanwhile()
        _, alive = psutil.wait_procs(alive, timeout=_LOOK_S)
        if not alive:
            break
    late = {process for one in alive for process in [one, *_children(one)]}
    for process in late:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(late, timeout=_LOOK_S * 10)
    meanwhile()


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _die_with_guard() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # what the guard ignores its server would ignore too
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Ask the kernel for it; Linux only, elsewhere nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
