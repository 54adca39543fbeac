"""The reporting wing: findings → faces. A face is a function and a row; none computes a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from touchstone.finding import Findings
from touchstone.message import Translate
from touchstone.report.document import to_json
from touchstone.report.markdown import to_markdown
from touchstone.report.text import to_text

FACES: Mapping[str, Callable[[Findings, Translate, str], str]] = {"text": to_text, "md": to_markdown, "json": to_json}
"""Name → function of findings, a translator and a language code."""
