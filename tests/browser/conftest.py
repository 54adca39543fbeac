"""Chromium without a network: whatever a page asks for beyond itself, and whatever it complains of, fails the test that opened it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from shown_runs import PAGES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALONE = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
SCREEN = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What pages said on their console, threw, or asked in a dialog; a test that provokes something takes it out."""
    return []


@pytest.fixture
def asked() -> list[str]:
    """Whatever pages asked for that is not their own; Chromium counts what a policy stops before it leaves."""
    return []


@pytest.fixture
def window(chromium: Any, complaints: list[str], asked: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens an empty page that may ask for what begins with ``own`` and for nothing else."""
    contexts = []

    def _window(own: str, **settings: Any) -> Any:
        context = chromium.new_context(**{"viewport": SCREEN, "offline": own.startswith("file:"), **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: None if request.url.startswith((own, "blob:", "data:")) else asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        return page

    yield _window
    for context in contexts:
        context.close()
    assert asked == []
    assert complaints == []


@pytest.fixture(scope="session")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of a report, by the name of its run; each is made once."""
    directory = tmp_path_factory.mktemp("pages")

    @cache
    def _on_disk(name: str) -> Path:
        path = directory / f"{name}.html"
        path.write_text(PAGES[name](), encoding="utf-8")
        return path

    return _on_disk


@pytest.fixture
def report(window: Callable[..., Any], on_disk: Callable[[str], Path]) -> Callable[..., Any]:
    """Opens the report of a run from disk, in a language and a theme."""
    def _report(name: str, lang: str = "en", theme: str = "light", **settings: Any) -> Any:
        address = on_disk(name).as_uri()
        page = window(address, **settings)
        page.goto(address)
        if lang != "en":
            page.check(f"#lang-{lang}")
        if theme != "light":
            page.check(f"#theme-{theme}")
        return page

    return _report
