"""Joins judging and reporting: a run's directory in, a report's text out."""

from __future__ import annotations

from pathlib import Path

from touchstone import load_store, store
from touchstone.cli.language import LANGUAGES
from touchstone.judge.findings import findings_of
from touchstone.record import Run
from touchstone.report import FACES
from touchstone.report.i18n import translator
from touchstone.served import LoadRun


def read_run(directory: Path) -> Run | LoadRun:
    """The run in ``directory``, of either kind. Raises :class:`touchstone.errors.DataError`."""
    return load_store.load_test(directory) if load_store.is_load(store.read_header(directory)) else store.load(directory)


def show(directory: Path, face: str, lang: str) -> str:
    """The report of the run in ``directory``."""
    return FACES[face](findings_of(read_run(directory)), translator(lang), lang)


def show_as(directory: Path, tool: str, face: str, lang: str) -> str:
    """The run in ``directory`` by the definitions of ``tool``."""
    from touchstone.judge.definitions import metrics_as_table
    from touchstone.report.foreign_text import FOREIGN_FACES

    text: str = FOREIGN_FACES[face](tool, metrics_as_table(read_run(directory), tool), translator(lang))
    return text


def write_and_show(directory: Path, face: str, lang: str) -> str:
    """Write the Markdown reports of both languages and the JSON into ``directory``; return the face asked for."""
    findings = findings_of(read_run(directory))
    for language in LANGUAGES:
        text = FACES["md"](findings, translator(language), language)
        (directory / f"report.{language}.md").write_text(text + "\n", encoding="utf-8")
    (directory / "report.json").write_text(FACES["json"](findings, translator("en"), "en") + "\n", encoding="utf-8")
    return FACES[face](findings, translator(lang), lang)
