"""Which language to speak: --lang, then TOUCHSTONE_LANG, then the locale, then English."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

LANGUAGES = ("zh", "en")


def option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The ``--lang`` option of a verb."""
    return click.option("--lang", type=click.Choice([*LANGUAGES, "auto"]), default="auto", help="Language of the output.")(command)


def chosen(arguments: Sequence[str] = (), lang: str | None = None) -> str:
    """``zh`` or ``en``, from ``lang``, the raw ``arguments``, or the environment."""
    wanted = lang if lang in LANGUAGES else None
    for place, argument in enumerate(arguments):
        if argument == "--lang" and place + 1 < len(arguments):
            wanted = wanted or arguments[place + 1]
        elif argument.startswith("--lang="):
            wanted = wanted or argument.partition("=")[2]
    for name in ("TOUCHSTONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        wanted = wanted if wanted in LANGUAGES else os.environ.get(name)
        if wanted:
            return "zh" if wanted.lower().startswith("zh") else "en"
    return "en"
