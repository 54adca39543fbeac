"""Joins judging and reporting: a run's directory in, a report's text out."""

from __future__ import annotations

from pathlib import Path

from touchstone.cli.inert import inert
from touchstone.cli.language import LANGUAGES
from touchstone.cli.streams import print_aside
from touchstone.errors import making_sense_of
from touchstone.finding import Findings
from touchstone.message import say
from touchstone.parquet import replace_file
from touchstone.record import Run
from touchstone.report import FACES
from touchstone.report.i18n import translator
from touchstone.report.vega.board import DrawingBoard
from touchstone.served import LoadRun

PAGE = "report.html"


def show(directory: Path, face: str, lang: str, *, redact: bool = True) -> tuple[str, Findings]:
    """The report of the run in ``directory`` and the findings it shows.

    ``redact`` masks the address of its server in the page, which is made to be passed on.
    """
    if face == "html":
        with DrawingBoard() as board:
            run, findings = _judged(directory)
            return _page(run, findings, board, lang, redact=redact), findings
    _, findings = _judged(directory)
    with making_sense_of(directory):
        return FACES[face](findings, translator(lang), lang), findings


def _judged(directory: Path) -> tuple[Run | LoadRun, Findings]:
    """The run in ``directory`` and its findings. The judge is imported here, where a board already warms up."""
    from touchstone.judge.findings import findings_of
    from touchstone.run_directories import read_run

    run = read_run(directory)
    return run, findings_of(run)


def show_as(directory: Path, tool: str, face: str, lang: str) -> str:
    """The run in ``directory`` by the definitions of ``tool``."""
    from touchstone.judge.definitions import metrics_as_table
    from touchstone.report.foreign_text import FOREIGN_FACES
    from touchstone.run_directories import read_run

    text: str = FOREIGN_FACES[face](tool, metrics_as_table(read_run(directory), tool), translator(lang))
    return text


def write_and_show(directory: Path, face: str, lang: str) -> str:
    """Write the page, the Markdown reports of both languages and the JSON into ``directory``; return the face asked for."""
    try:
        return _write_and_show(directory, face, lang)
    except BaseException:  # Ctrl-C, a full disk: nothing that was measured is lost
        print_aside(inert(say("what was measured is kept; for its report: touchstone report {directory}", directory=directory).render(translator(lang))))
        raise


def _write_and_show(directory: Path, face: str, lang: str) -> str:
    with DrawingBoard() as board:
        run, findings = _judged(directory)
        for language in LANGUAGES:
            text = FACES["md"](findings, translator(language), language)
            (directory / f"report.{language}.md").write_text(text + "\n", encoding="utf-8")
        (directory / "report.json").write_text(FACES["json"](findings, translator("en"), "en") + "\n", encoding="utf-8")
        replace_file(directory / PAGE, _page(run, findings, board, lang).encode())
    return FACES[face](findings, translator(lang), lang)


def _page(run: Run | LoadRun, findings: Findings, board: DrawingBoard, lang: str, *, redact: bool = True) -> str:
    from touchstone.judge.plots import plots_of
    from touchstone.report.html.masking import masked
    from touchstone.report.html.page import to_html

    with making_sense_of(run.path):
        return to_html(masked(findings) if redact else findings, plots_of(run, findings), lang, board)
