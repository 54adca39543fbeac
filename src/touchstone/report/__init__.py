"""The reporting wing: findings → faces. A face is a function and a row; none computes a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from touchstone.finding import Findings
from touchstone.message import Translate
from touchstone.report.document import to_json
from touchstone.report.i18n import measured_on
from touchstone.report.load_markdown import to_load_markdown
from touchstone.report.load_text import to_load_text
from touchstone.report.markdown import to_markdown
from touchstone.report.text import to_text

Face = Callable[[Findings, Translate, str], str]


def _of_kind(faces: Mapping[str, Face]) -> Face:
    """The face for the kind of run that the findings are of."""
    def face(findings: Findings, translate: Translate, lang: str) -> str:
        with measured_on(findings.identity.get("device")):
            return faces[findings.kind](findings, translate, lang)

    return face


FACES: Mapping[str, Face] = {
    "text": _of_kind({"run": to_text, "load": to_load_text}), "md": _of_kind({"run": to_markdown, "load": to_load_markdown}),
    "json": _of_kind({"run": to_json, "load": to_json}),
}
"""Name → function of findings, a translator and a language code."""
