"""Templates → pages in the reader's language, each under a policy that lets in its own style and script and nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse

from touchstone.errors import TouchstoneError
from touchstone.message import Message
from touchstone.report.charts import palette
from touchstone.report.i18n import translator
from touchstone.report.table import plain
from touchstone.ui.words import words_in

if TYPE_CHECKING:
    from jinja2 import Environment

LANGUAGES = ("en", "zh")
SPEECH = "touchstone.speech"
"""Where a request carries its :class:`Speech`."""
_LONGEST_HEADER = 500
_HERE = Path(__file__).parent
_REPORT = _HERE.parent / "report" / "html"


@dataclass(frozen=True)
class Speech:
    """The language that the pages were started in; ``fixed`` where it was asked for, whatever a browser prefers."""

    lang: str
    fixed: bool


def page(request: Request, name: str, *, status: int = 200, script: str | None = None, **content: Any) -> HTMLResponse:
    """The page of template ``name``; ``script`` is the file that it runs."""
    return HTMLResponse(fragment(request, f"{name}.html.j2", style=_style(), script=_text(script) if script else "", **content), status,
                        {"content-security-policy": _policy(script), "vary": "accept-language"})


def fragment(request: Request, template: str, **content: Any) -> str:
    """A template filled in: everything foreign is escaped, and without control characters."""
    lang = language_of(request)
    translate = translator(lang)

    def said(message: Message) -> str:
        return plain(message.render(translate))

    def link(path: str, **fields: str) -> str:
        chosen = {"lang": request.query_params["lang"]} if request.query_params.get("lang") in LANGUAGES else {}
        query = urlencode({**chosen, **fields})
        return f"{path}?{query}" if query else path

    others = {name: str(value) for name, value in request.query_params.items() if name != "lang"}
    switch = {code: f"?{urlencode({**others, 'lang': code})}" for code in LANGUAGES}
    return _templates().get_template(template).render(lang=lang, words=words_in(translate), said=said, link=link, switch=switch, path=request.url.path,
                                                      **content)


def failure(request: Request, status: int, error: TouchstoneError) -> HTMLResponse:
    """The page that says what went wrong and what to do next."""
    return page(request, "failure", status=status, **told(request, error))


def told(request: Request, error: TouchstoneError) -> Mapping[str, str]:
    """What an error says, and its cure, in the reader's language."""
    return {"error": "\n".join(map(plain, error.render(translator(language_of(request))).strip().splitlines()))}


def language_of(request: Request) -> str:
    """Which of ``LANGUAGES``: as the address says, as whoever started the pages insists, as the browser prefers, or as the pages were started."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return str(asked)
    speech: Speech = request.scope[SPEECH]
    ranked = [] if speech.fixed else sorted(_accepted(request.headers.get("accept-language", "")[:_LONGEST_HEADER]), key=lambda one: -one[0])
    return ranked[0][1] if ranked else speech.lang


def _accepted(header: str) -> list[tuple[float, str]]:
    """The languages we have of an Accept-Language, each with its weight."""
    found = []
    for part in header.split(","):
        name, _, weight = part.strip().partition(";q=")
        code = name.strip().lower()[:2]
        try:
            found += [(float(weight or 1), code)] if code in LANGUAGES else []
        except ValueError:
            continue
    return found


def _policy(script: str | None) -> str:
    active = f"script-src '{_digest(_text(script))}'; connect-src 'self'; " if script else ""
    return (f"default-src 'none'; style-src '{_digest(_style())}'; {active}img-src data:; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _style() -> str:
    """The look of the reports, and what only these pages have."""
    return palette.css() + (_REPORT / "style.css").read_text(encoding="utf-8") + _text("style.css")


@cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader([_HERE / "templates", _REPORT / "templates"]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)
    environment.filters |= {"plain": plain, "ours": Markup}
    return environment
