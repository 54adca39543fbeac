"""Findings and plots → the page: templates filled in, style and script inside, and a policy that lets in nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from touchstone.finding import Findings
from touchstone.plots import Plots
from touchstone.report.both import Both, both
from touchstone.report.charts import charts_of, palette
from touchstone.report.charts.drawing import draw
from touchstone.report.html.blocks import Text
from touchstone.report.html.figures import gallery_of, swatch
from touchstone.report.html.first_screen import first_screen
from touchstone.report.html.sections import sections_of
from touchstone.report.html.words import WORDS
from touchstone.report.i18n import measured_on
from touchstone.report.table import TRUST_WORDS, plain, shortened

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from touchstone.report.vega.board import DrawingBoard

_HERE = Path(__file__).parent
_LONGEST = 4000
"""Of any text, in characters: a page stays readable and small whatever a model, a server or a machine says."""
_LONGEST_FIRST = 400
"""Of what is seen first; below it stands in full."""


def to_html(findings: Findings, plots: Plots, lang: str, board: DrawingBoard | None = None) -> str:
    """The report as one HTML file that carries English and Chinese and shows ``lang`` (en or zh) first; its pictures are drawn by ``board``."""
    from markupsafe import Markup

    with measured_on(findings.identity.get("device")):
        charts = charts_of(findings, plots)
        gallery = gallery_of(charts, draw(charts, board), findings, plots)
        first, sections = first_screen(findings, plots), sections_of(findings, gallery)
    style, script = palette.css() + _text("style.css"), _text("script.js")
    return _templates().get_template("page.html.j2").render(
        lang=lang, titles=_titles(findings), words={name: both(message) for name, message in WORDS.items()}, first=first,
        sections=sections, undrawn=not gallery.drawn, policy=_policy(style, script),
        style=Markup(style), script=Markup(script))  # noqa: S704 - our own files; what is foreign goes through autoescape


def _titles(findings: Findings) -> Mapping[str, str]:
    """The title of the page in each language; a window, a bookmark and a saved picture show it."""
    trust = both(TRUST_WORDS[findings.trust])
    model = shortened(findings.identity.get("model") or findings.plan_name, 100)
    return {lang: f"{model} · {word} · touchstone {plain(findings.run_id)}" for lang, word in (("en", trust.en), ("zh", trust.zh))}


def spoken(text: Text, longest: int = _LONGEST) -> Markup:
    """``text`` for the page: escaped, without control characters, in both languages where they differ."""
    from markupsafe import Markup, escape

    if isinstance(text, str):
        return escape(shortened(text, longest))
    english, chinese = shortened(text.en, longest), shortened(text.zh, longest)
    if english == chinese:
        return escape(english)
    return Markup('<span class="en" lang="en">{}</span><span class="zh" lang="zh-CN">{}</span>').format(english, chinese)


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy under which nothing runs but this page's own style and script, and nothing is fetched."""
    return (f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data: blob:; base-uri 'none'; "
            "form-action 'none'")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)
    environment.filters |= {"spoken": spoken, "brief": lambda text: spoken(text, _LONGEST_FIRST)}
    environment.filters |= {"drawing": Markup, "swatch": lambda key: Markup(swatch(key))}  # noqa: S704 - drawn by us
    environment.tests["both"] = lambda text: isinstance(text, Both)
    return environment
