"""``--track``: a finished run goes to the trackers of a team. What goes wrong there is said, and costs the run nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli.inert import inert
from touchstone.cli.streams import print_aside
from touchstone.trackers import TRACKERS, require

if TYPE_CHECKING:
    from touchstone.finding import Findings
    from touchstone.histogram import Histogram
    from touchstone.trackers.tracked import Tracked


def _required(_ctx: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """A missing library is said before anything is measured, not after it."""
    require(names)
    return tuple(dict.fromkeys(names))


def option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The ``--track`` option of a verb that measures; its names arrive as ``trackers``."""
    return click.option("--track", "trackers", multiple=True, type=click.Choice(list(TRACKERS)), callback=_required,
                        help="When the run is finished, keep it for this tracker too: below its directory, to be uploaded later. May be repeated.")(command)


def after(directory: Path, names: Sequence[str], lang: str) -> None:
    """Give the run in ``directory`` to each of the trackers ``names`` and say on stderr what came of it. Raises nothing."""
    if not names:
        return
    from touchstone.errors import TouchstoneError
    from touchstone.judge.findings import findings_of
    from touchstone.report.i18n import translator
    from touchstone.run_directories import read_run
    from touchstone.trackers import send
    from touchstone.trackers.tracked import Settings

    translate, judged = translator(lang), cache(lambda: tracked(directory, findings_of(read_run(directory)), lang))
    for name in names:
        try:
            said = f"{name}: {send(name, judged(), Settings()).where.render(translate)}"
        except TouchstoneError as error:
            said = error.render(translate)
        except Exception as error:  # noqa: BLE001 - the run is measured and saved; nothing here may undo that
            said = f"{name}: {type(error).__name__}: {error}"
        print_aside(f"touchstone: {inert(said)}")


def tracked(directory: Path, findings: Findings, lang: str, labels: Mapping[str, str] | None = None) -> Tracked:
    """The run in ``directory`` as trackers take it; ``labels`` outrank those that it was started with."""
    from touchstone import store
    from touchstone.report.i18n import translator
    from touchstone.trackers.tracked import Tracked

    header = store.read_header(directory)
    kept, ended, sentence = header.get("labels"), header.get("ended"), findings.headline.sentence
    return Tracked(findings, directory, ended if isinstance(ended, str) else None, {**(kept if isinstance(kept, dict) else {}), **(labels or {})},
                   sentence.render(translator(lang)) if sentence else "", lambda: _histograms(directory, findings))


def _histograms(directory: Path, findings: Findings) -> tuple[Histogram, ...]:
    from touchstone.judge.foreign.export.operations import operations
    from touchstone.run_directories import read_run

    return operations(findings, read_run(directory))
