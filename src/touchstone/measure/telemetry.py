"""The sampler as the parent of a run sees it: another process, started before the measured one and ended after it.

Whatever goes wrong with it is written down as missing telemetry; it never ends or delays a run for long.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from touchstone.clock import now_ns
from touchstone.message import Message, say
from touchstone.plan import Target

PERIOD_S = 0.25
_READY_LIMIT_S = 40.0  # a first call of npu-smi may take half a minute
_END_LIMIT_S = 10.0
_COMMAND = (sys.executable, "-m", "touchstone", "sample")


class Sampler:
    """Watches one process of a launch, and the devices of its target, from before it starts.

    ``facts`` are when the measured process started and, at the end, what the sampler did, cost and missed.
    """

    def __init__(self, directory: Path, launch: int, process: int, target: Target, command: Sequence[str] = _COMMAND) -> None:
        options = target.options
        self._spec = {
            "directory": str(directory), "launch": launch, "process": process, "device": target.device,
            "count": options.tensor_parallel or 1, "base_url": options.base_url, "period_s": PERIOD_S,
        }
        self._command = command
        self._sampler: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {"launch": launch, "process": process}

    def __enter__(self) -> Sampler:  # noqa: PYI034 - typing.Self needs Python 3.11
        """Start it, and wait until it has seen the idle device."""
        try:
            self._sampler = subprocess.Popen(
                [*self._command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                bufsize=0, start_new_session=True)  # Ctrl-C is not for it
        except OSError as error:
            self._fail(say("the sampler cannot be started: {error}", error=str(error)))
            return self
        self._tell(self._spec)
        assert self._sampler.stdout is not None
        if select.select([self._sampler.stdout], [], [], _READY_LIMIT_S)[0]:
            self._sampler.stdout.readline()
        self.facts["started_ns"] = now_ns()
        return self

    def watch(self, pid: int) -> None:
        """The measured process has started."""
        self._tell({"pid": pid})

    def __exit__(self, *_: object) -> None:
        if self._sampler is None:
            return
        try:
            said, _nothing = self._sampler.communicate(timeout=_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._sampler.kill()
            said, _nothing = self._sampler.communicate()
        try:
            self.facts |= json.loads(said.splitlines()[-1])
        except (IndexError, ValueError, TypeError):
            self._fail(say("the sampler ended without a word (exit code {code})", code=self._sampler.returncode))

    def _tell(self, order: Mapping[str, object]) -> None:
        if self._sampler is not None and self._sampler.stdin is not None:
            with contextlib.suppress(OSError):  # it has died; its end says so
                self._sampler.stdin.write(json.dumps(order).encode() + b"\n")

    def _fail(self, reason: Message) -> None:
        fields = {name: str(value) for name, value in reason.fields}
        self.facts["missing"] = [{"of": "sampler", "template": reason.template, "fields": fields}]
