"""A process that draws, ready by the time it is needed: its library takes 0.4 s to start, which no thread hides."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

Specs = Sequence[dict[str, Any]]


def installed() -> bool:
    """Whether there is anything to draw with."""
    return importlib.util.find_spec("vl_convert") is not None


def svgs_of(specs: Specs) -> Iterable[str | None]:
    """What this process itself draws, one after the other; None for what Vega cannot draw."""
    from touchstone.report.vega.process import drawn

    return map(drawn, specs)


class DrawingBoard:
    """Draws once; to be entered before whatever takes long and needs no picture."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> DrawingBoard:  # noqa: PYI034 - typing.Self needs Python 3.11
        if installed():
            self._process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("process.py"))], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8")
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    assert pipe is not None
                    pipe.close()

    def svgs_of(self, specs: Specs) -> Iterator[str | None]:
        """What the process drew, one after the other; None for all that it could not draw because it ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        writing = threading.Thread(target=_write, args=(self._process.stdin, specs), daemon=True)  # it answers before it has read all
        writing.start()
        for _ in specs:
            line = self._process.stdout.readline()
            yield json.loads(line) if line else None
        writing.join()


def _write(stdin: IO[str] | None, specs: Specs) -> None:
    assert stdin is not None
    with contextlib.suppress(BrokenPipeError), stdin:
        stdin.writelines(f"{json.dumps(spec)}\n" for spec in specs)
