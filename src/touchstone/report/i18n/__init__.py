"""Translations: gettext catalogues beside this file. English is the source text; ``make i18n`` brings the others up to date."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from touchstone.message import Translate

CATALOGUES = Path(__file__).parent
DOMAIN = "touchstone"
_OF_A_HOST = {"zh": ("显存", "内存")}
"""The word for a device's memory, which the catalogue has, and the one where the device is the host's processor."""
_on_host: ContextVar[bool] = ContextVar("on_host", default=False)


@cache
def translator(lang: str) -> Translate:
    """A function from English to ``lang``; a text without a translation stays English."""
    catalogue = gettext.translation(DOMAIN, CATALOGUES, languages=[lang], fallback=True)
    devices, hosts = _OF_A_HOST.get(lang, ("", ""))

    def translated(text: str) -> str:
        told = catalogue.gettext(text) if text else ""  # gettext("") is the catalogue's own header
        return told.replace(devices, hosts) if _on_host.get() else told

    return translated


@contextmanager
def measured_on(device: object) -> Iterator[None]:
    """Inside, texts are about a measurement on ``device``, such as ``cpu`` or ``npu:0``.

    A CPU's memory is the host's, and some languages have another word for that.
    """
    token = _on_host.set(str(device).partition(":")[0] == "cpu")
    try:
        yield
    finally:
        _on_host.reset(token)
