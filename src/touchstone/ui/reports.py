"""The reports of the runs of a shelf, each made when it is asked for and kept until the run's files change."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from touchstone.report.i18n import translator
from touchstone.run_directories import stamp_of
from touchstone.ui.kept import Kept
from touchstone.ui.shelf import Shelf

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
MEDIA: Mapping[str, str] = {"json": "application/json", "md": "text/markdown; charset=utf-8", "csv": "text/csv; charset=utf-8"}
"""The faces that can be downloaded, by the ending of their names."""


@dataclass(frozen=True)
class ReportPage:
    """A report as one HTML file, with the policy that it sets for itself."""

    text: str
    policy: str


class Reports:
    """Makes one report at a time."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._kept: Kept[tuple[Path, str], ReportPage] = Kept()
        self._making = threading.Lock()

    def page(self, directory: Path, lang: str) -> ReportPage:
        """The same page that ``touchstone report --format html`` writes. Raises :class:`touchstone.errors.DataError`."""
        with self._making:
            return self._kept.get((directory, lang), stamp_of(directory), lambda: self._made(directory, lang))

    def _made(self, directory: Path, lang: str) -> ReportPage:
        from touchstone.judge.plots import plots_of
        from touchstone.report.html.masking import masked
        from touchstone.report.html.page import to_html

        run, findings = self._shelf.judged(directory)
        text = to_html(masked(findings), plots_of(run, findings), lang)
        policy = _POLICY.search(text[:4096])
        return ReportPage(text, html.unescape(policy[1]) if policy else "default-src 'none'")

    def face(self, directory: Path, name: str, lang: str) -> str:
        """The report in one of ``MEDIA``. Raises :class:`touchstone.errors.DataError`."""
        from touchstone.judge.foreign.export import EXPORTS
        from touchstone.report import FACES

        run, findings = self._shelf.judged(directory)
        return EXPORTS["csv"](findings, run, {}) if name == "csv" else FACES[name](findings, translator(lang), lang)
