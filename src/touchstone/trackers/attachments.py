"""The reports of a run as files to be attached: copies in which no address of a server and no key stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from touchstone.finding import Findings
from touchstone.report.html.masking import is_local

_SUFFIXES = {".html", ".md", ".json"}
_KEY = re.compile(r"(--(?:[\w-]*-)?(?:api-?key|key|token|secret|password)[=\s]\s*)[^\s\"'<&\\]+", re.IGNORECASE)
_MASK = "…"


def attach(findings: Findings, directory: Path, place: Path) -> list[Path]:
    """Copy the reports in ``directory`` that exist into ``place``. Raises OSError."""
    hidden = list(dict.fromkeys(_addresses(findings)))
    copies = []
    for report in sorted(directory.glob("report.*")):
        if report.suffix in _SUFFIXES and report.is_file():
            place.mkdir(parents=True, exist_ok=True)
            text = report.read_text(encoding="utf-8", errors="replace")
            copies.append(place / report.name)
            copies[-1].write_text(masked(text, hidden), encoding="utf-8")
    return copies


def masked(text: str, hidden: list[str]) -> str:
    """``text`` without the words that are ``hidden`` and without the values of options that hold a key."""
    for word in hidden:
        text = text.replace(word, _MASK)
    return _KEY.sub(rf"\g<1>{_MASK}", text)


def _addresses(findings: Findings) -> Iterator[str]:
    """Addresses of the server, the longest form first: with port, then alone if it cannot be an ordinary word."""
    for url in _urls(findings):
        try:
            host = urlsplit(url).hostname
            rest = urlsplit(url).netloc
        except ValueError:
            continue
        if host and not is_local(host):
            yield url
            if ":" in rest or "." in rest:
                yield rest
            if "." in host or ":" in host:
                yield host


def _urls(findings: Findings) -> Iterator[str]:
    if findings.identity.get("base_url"):
        yield str(findings.identity["base_url"])
    for command in findings.reproduce:
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        yield from (after for word, after in pairwise(words) if word == "--base-url")
