"""Chart → static SVG, by Vega-Lite inside vl-convert (the extra ``charts``). Both languages are in the drawing and a page shows one."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from touchstone.report.charts import svg
from touchstone.report.charts.chart import Chart
from touchstone.report.charts.encoding import LEFT, WIDTH
from touchstone.report.charts.stand_ins import StandIns

_FULL = WIDTH + LEFT + 28
Specs = Sequence[dict[str, Any]]


def draw(charts: Sequence[Chart]) -> list[str | None] | None:
    """One SVG per chart, in order; None where vl-convert is not installed.

    A picture that Vega cannot draw is None: its numbers stand in its table, and a report is not lost for it.
    """
    return _draw(charts, _in_this_process) if _installed() else None


def _installed() -> bool:
    return importlib.util.find_spec("vl_convert") is not None


def _draw(charts: Sequence[Chart], to_svg: Callable[[Specs], Iterable[str | None]]) -> list[str | None]:
    standing = [StandIns(chart.texts) for chart in charts]
    plain = to_svg([one.put_into(chart.spec) for one, chart in zip(standing, charts, strict=True)])
    return [None if one is None else svg.rewritten(one, chart, texts, _FULL) for one, chart, texts in zip(plain, charts, standing, strict=True)]


def _in_this_process(specs: Specs) -> Iterator[str | None]:
    from touchstone.report.charts.vega_process import drawn

    return map(drawn, specs)


class DrawingBoard:
    """A process that draws, ready by the time it is needed: its library takes 0.4 s to start, which no thread hides."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> DrawingBoard:  # noqa: PYI034 - typing.Self needs Python 3.11
        if _installed():
            self._process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("vega_process.py"))], stdin=subprocess.PIPE,
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

    def draw(self, charts: Sequence[Chart]) -> list[str | None] | None:
        """Once, what :func:`draw` gives."""
        return None if self._process is None else _draw(charts, self._answers)

    def _answers(self, specs: Specs) -> Iterator[str | None]:
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
