"""Who is told of a measurement while it goes on, and how it is stopped: what ``run``, ``load`` and ``search`` have in common."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import gates, tracking
from touchstone.cli.streams import print_aside, print_result
from touchstone.message import Translate

if TYPE_CHECKING:
    from touchstone.cli.audience import Audience, Listener
    from touchstone.cli.events import Subject
    from touchstone.cli.outlets import Outlet

STDOUT = "-"
OPTIONS = ("events", "metrics_port", "trackers", "fail_on")
_REASONS = 3


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of who is told, meanwhile and afterwards, and of what the exit code is to say."""
    command = tracking.option(gates.option(command))
    command = click.option("--metrics-port", metavar="PORT", type=click.IntRange(0, 65535),
                           help="Serve Prometheus metrics on this machine meanwhile; 0 is any free port.")(command)
    return click.option("--events", metavar="FILE|-",
                        help="Write what happens as JSON lines, too; with - to stdout, and then the report only into its files.")(command)


@contextlib.contextmanager
def outlets_of(given: Mapping[str, Any], translate: Translate) -> Iterator[list[Outlet]]:
    """Where ``given`` wants the events, opened before anything is measured. Raises :class:`touchstone.errors.TouchstoneError`."""
    with contextlib.ExitStack() as stack:
        outlets: list[Outlet] = []
        if given["events"] is not None:
            lines = _lines(given["events"])
            stack.callback(lines.close)
            outlets.append(lines)
        if given["metrics_port"] is not None:
            from touchstone.cli.metrics_endpoint import MetricsEndpoint

            endpoint = MetricsEndpoint(given["metrics_port"])
            stack.callback(endpoint.close)
            outlets.append(endpoint)
            print_aside(translate("metrics: {url}").format(url=endpoint.url))
        yield outlets


def _lines(name: str) -> Any:
    from touchstone.cli.outlets import LineFile
    from touchstone.errors import UsageError

    try:
        return LineFile("stdout", os.dup(1)) if name == STDOUT else LineFile.at(Path(name))
    except OSError as error:
        raise UsageError("No events can be written to {path}: {error}.", "Choose another file for --events.", path=name,
                         error=error.strerror or error) from error


@contextlib.contextmanager
def audience(subject: Subject, outlets: Sequence[Outlet], progress: Listener) -> Iterator[Audience]:
    """Everybody who hears of the measurement of ``subject``; how it failed, too, if it does."""
    from touchstone.cli.audience import Audience
    from touchstone.cli.events import Journal

    journal = Journal(subject, outlets)
    with Audience([progress, journal]) as heard:
        journal.warn = heard
        try:
            yield heard
        except KeyboardInterrupt:
            heard("end", {"status": "interrupted", "exit_code": gates.INTERRUPTED, "error": None})
            raise
        except BaseException as error:
            heard("end", {"status": "failed", "exit_code": getattr(error, "exit_code", 1), "error": str(error) or type(error).__name__})
            raise


def finish(heard: Audience, directory: Path, closed_by: tuple[str, ...]) -> int:
    """Tell how the run in ``directory``, whose report is written, was judged; returns the exit code."""
    report = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    for verdict in _verdicts(report):
        heard("verdict", verdict)
    status = report["run"]["status"]
    code = gates.INTERRUPTED if status == "interrupted" else gates.exit_code(report, closed_by)
    heard("end", {"status": status, "exit_code": code, "error": None})
    return code


def show(shown: str, given: Mapping[str, Any], translate: Translate) -> None:
    """Print the face that was asked for, unless stdout is for events."""
    if given["events"] == STDOUT:
        return
    from touchstone.report.end_screen import painted

    print_result(painted(shown, translate) if given["face"] == "text" and _coloured() else shown)


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _verdicts(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of each case, and then of the whole."""
    doubts = [one for one in report["verdicts"] if one["status"] not in {"pass", "cannot tell"}]
    for case in (*report["cases"], {"name": None, "trust": report["run"]["trust"]}):
        reasons = [{name: one[name] for name in ("rule", "status", "message")} for one in doubts if case["name"] in {None, one["case"]}]
        levels = [{name: level[name] for name in ("level", "outcome")} for level in case.get("slos", ())]
        yield {"case": case["name"], "trust": case["trust"], "reasons": reasons[:_REASONS], "levels": levels}


@contextlib.contextmanager
def stoppable(interrupted: Callable[[], None], terminated: Callable[[], None]) -> Iterator[None]:
    """Meanwhile Ctrl-C is ``interrupted``, and ``terminated`` whatever the system sends to end us."""
    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        interrupted()

    def on_end(_signal: int, _frame: FrameType | None) -> None:
        terminated()

    handlers = {signal.SIGINT: on_interrupt, signal.SIGTERM: on_end}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup the measurement outlives its terminal
        handlers[signal.SIGHUP] = on_end
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
