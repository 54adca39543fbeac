"""Asks a hub's library, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from touchstone.checkpoints.pull.child import Asked
from touchstone.checkpoints.pull.hubs import Hub

_PERIOD_S = 0.2
_LARGEST_BYTES = 256 << 20


class HubTroubleError(Exception):
    """What the library's process reports: a word of ``trouble``, the library's text and the file it was at."""

    def __init__(self, kind: str, detail: str = "", file: str | None = None) -> None:
        super().__init__(kind, detail, file)
        self.kind, self.detail, self.file = kind, detail, file


@dataclass(frozen=True)
class Library:
    """A hub's library with its address and the whole environment of its process; the ``token`` is kept out of all texts."""

    hub: Hub
    endpoint: str
    variables: Mapping[str, str]
    token: str | None = None

    def ask(self, asked: Asked, tick: Callable[[], None] = lambda: None) -> Mapping[str, Any]:
        """The answer to ``asked``; ``tick`` is called a few times a second. Raises :class:`HubTroubleError`."""
        with tempfile.TemporaryFile() as noise, subprocess.Popen(
                [sys.executable, "-m", "touchstone.checkpoints.pull.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise,
                env=dict(self.variables), start_new_session=True) as process:
            try:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(json.dumps(asdict(asked)).encode() + b"\n")
                    process.stdin.flush()
                said = _read(process, tick)
            finally:
                process.kill()
            answer = _parsed(said)
            if answer is None:
                noise.seek(max(0, noise.seek(0, 2) - 2000))
                raise HubTroubleError("other", self._without_token(_last_line(noise.read())))
        if "trouble" in answer:
            told = answer["trouble"]
            raise HubTroubleError(told["kind"], self._without_token(told["detail"]), told["file"])
        return answer

    def _without_token(self, text: str) -> str:
        return text.replace(self.token, "…") if self.token else text


def _read(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> bytes:
    """All that ``process`` writes to stdout until it closes it."""
    assert process.stdout is not None
    said = bytearray()
    while len(said) < _LARGEST_BYTES:
        ready, _, _ = select.select([process.stdout], [], [], _PERIOD_S)
        tick()
        if ready:
            block = process.stdout.read1(1 << 16)  # type: ignore[attr-defined]
            if not block:
                break
            said += block
    return bytes(said)


def _parsed(said: bytes) -> Mapping[str, Any] | None:
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _last_line(noise: bytes) -> str:
    lines = noise.decode(errors="replace").strip().splitlines()
    return lines[-1][:400] if lines else "-"
