"""Brings the translation catalogues up to date with the source: ``make i18n``.

Collects every English sentence that a person may see (first argument of ``say`` and ``translate``, message and cure of every
error), merges it into each ``.po`` and compiles the ``.mo``. ``--check`` changes nothing and fails on any difference.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "touchstone"
CATALOGUES = SOURCE / "report" / "i18n"
_FIXED_DATE = datetime(2026, 11, 20, tzinfo=timezone.utc)  # today's would change the file every time
_ONE_TEXT = {"say", "translate", "_translate"}
_OUR_ERRORS = {"UsageError", "NotReadyError", "EngineError", "DataError"}


def texts(source: Path = SOURCE) -> dict[str, list[tuple[str, int]]]:
    """Every sentence with the places it stands."""
    found: dict[str, list[tuple[str, int]]] = {}
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for text in _texts_of(node):
                    found.setdefault(text, []).append((str(path.relative_to(ROOT)), node.lineno))
    return {text: places for text, places in found.items() if text}


def _texts_of(call: ast.Call) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""
    wanted = 1 if name in _ONE_TEXT else 2 if name in _OUR_ERRORS else 0
    for argument in call.args[:wanted]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value
        elif isinstance(argument, ast.IfExp):
            yield from (side.value for side in (argument.body, argument.orelse) if isinstance(side, ast.Constant))


def updated(language: str) -> Catalog:
    """The catalogue of ``language`` with today's sentences; translations of vanished ones are dropped."""
    path = CATALOGUES / language / "LC_MESSAGES" / "touchstone.po"
    old = read_po(io.BytesIO(path.read_bytes()), locale=language) if path.exists() else Catalog(locale=language)
    new = Catalog(locale=language, project="llm-touchstone", fuzzy=False, header_comment="# Touchstone, Apache-2.0.")
    for text, places in sorted(texts().items()):
        known = old.get(text)
        new.add(text, known.string if known else "", locations=[(path, 0) for path in sorted({path for path, _ in places})])
    return new


def main() -> int:
    """Write the catalogues, or with --check report what would change."""
    stale = []
    for directory in sorted(CATALOGUES.glob("*/LC_MESSAGES")):
        catalogue = updated(directory.parent.name)
        catalogue.creation_date = catalogue.revision_date = _FIXED_DATE
        text, compiled = io.BytesIO(), io.BytesIO()
        write_po(text, catalogue, width=0, include_lineno=False)
        write_mo(compiled, catalogue)
        for name, content in (("touchstone.po", text.getvalue()), ("touchstone.mo", compiled.getvalue())):
            path = directory / name
            if not path.exists() or path.read_bytes() != content:
                stale.append(str(path.relative_to(ROOT)))
                if "--check" not in sys.argv:
                    path.write_bytes(content)
        missing = [message.id for message in catalogue if message.id and not message.string]
        print(f"{directory.parent.name}: {len(catalogue)} texts, {len(missing)} untranslated")
        for text_id in missing:
            print("  ", repr(text_id))
    if stale and "--check" in sys.argv:
        print("out of date (run make i18n):", ", ".join(stale))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
