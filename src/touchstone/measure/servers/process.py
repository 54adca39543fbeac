"""A server of ours as a process: started behind its guard, watched, and ended with everything it started."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.last_words import LastWords, ending, last_words, was_killed
from touchstone.measure.servers.bounded_log import last_bytes, last_lines
from touchstone.measure.servers.commands import ServerCommand
from touchstone.measure.servers.guard import GRACE_S, end_tree
from touchstone.message import Message, say

_ORPHANS_GRACE_S = 2.0
"""How long workers may take to end whose server was killed under them."""


class ServerProcess:
    """Starts ``command`` with ``directory`` as its working directory and its output in ``log``."""

    def __init__(self, command: ServerCommand, directory: Path, log: Path) -> None:
        self.command, self.log = command, log
        self._directory = directory
        self._guard: subprocess.Popen[bytes] | None = None
        self._exit: int | None = None
        self._over = False
        self._log_begins = 0  # what stands before has nothing to do with how it ends
        self.pid: int | None = None

    def start(self) -> None:
        """Start the server; it is not ready yet. Raises :class:`NotReadyError` where the command does not exist."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path, text in self.command.files.items():
            file = Path(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o600)
        self._exit, self._over = None, False
        self.turn_page()
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "touchstone", "guard", str(self.log.resolve()), "--", *self.command.arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self._directory, env={**os.environ, **self.command.variables})
        said = self._hear(None)
        if "refused" in said:
            raise NotReadyError("The server cannot be started: {command}: {why}.", "Install the engine, or make the file executable.",
                                command=self.command.arguments[0], why=said["refused"])
        self.pid = said.get("pid")

    def _hear(self, timeout_s: float | None) -> Mapping[str, Any]:
        """The next thing the guard says; empty where it says nothing in time, or has ended."""
        assert self._guard is not None
        assert self._guard.stdout is not None
        if not select.select([self._guard.stdout], [], [], timeout_s)[0]:
            return {}
        line = self._guard.stdout.readline()
        if not line:
            self._over = True
            return {}
        said: Mapping[str, Any] = json.loads(line)
        return said

    def ended(self, patience_s: float = 0.0) -> Message | None:
        """How the server ended; None if it still runs after ``patience_s``."""
        if not self._over and "exit" in (said := self._hear(patience_s)):
            self._exit, self._over = said["exit"], True
        if not self._over:
            return None
        return say("the process that watches it was ended") if self._exit is None else ending(self._exit)

    def tree(self) -> list[psutil.Process]:
        """The server and everything it started, as far as it still runs."""
        if self._guard is None:
            return []
        try:
            return psutil.Process(self._guard.pid).children(recursive=True)
        except psutil.Error:
            return []

    def turn_page(self) -> None:
        """Nothing that the log holds by now is the reason of what may happen from now on: it is of an earlier server, or of a good start."""
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0

    def newest_line(self) -> str:
        """The last line it has written so far; empty where there is none yet."""
        return next(iter(last_lines(self.log, 1, since=self._log_begins)), "")

    def has_said(self, words: str) -> bool:
        """Whether its log has ``words`` among its last mebibyte."""
        return words.encode() in last_bytes(self.log, self._log_begins, 1 << 20)

    def last_words(self) -> LastWords:
        """What its log ends with."""
        return last_words(self.log, self._log_begins, explained=not (self._over and was_killed(self._exit)))

    def failure(self, how: Message) -> EngineError:
        """The error for a server that ended when it should not have."""
        words = self.last_words()
        return EngineError("The server ended ({how}). {said}", words.advice.template, how=how, said=words.said, **dict(words.advice.fields))

    def stop(self) -> None:
        """End the server and everything it started; returns when they are gone. Safe to repeat."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        assert guard.stdin is not None
        assert guard.stdout is not None
        guard.stdin.close()
        try:
            guard.wait(GRACE_S * 3)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
        guard.stdout.close()
        if guard.returncode < 0:  # killed, so that it could not end its server
            end_tree(self._session(), lambda: None, _ORPHANS_GRACE_S)
        self._over, self.pid = True, None

    def _session(self) -> list[psutil.Process]:
        """The processes of the session that the server was started in."""
        def belongs(pid: int) -> bool:
            try:
                return os.getsid(pid) == self.pid
            except OSError:  # ended meanwhile, or not ours to ask
                return False
        return [one for one in psutil.process_iter() if belongs(one.pid)]
