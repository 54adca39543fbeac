"""Translations: gettext catalogues beside this file. English is the source text; ``make i18n`` brings the others up to date."""

from __future__ import annotations

import gettext
from pathlib import Path

from touchstone.message import Translate

CATALOGUES = Path(__file__).parent
DOMAIN = "touchstone"


def translator(lang: str) -> Translate:
    """A function from English to ``lang``; a text without a translation stays English."""
    catalogue = gettext.translation(DOMAIN, CATALOGUES, languages=[lang], fallback=True)
    return lambda text: catalogue.gettext(text) if text else ""  # gettext("") is the catalogue's own header
