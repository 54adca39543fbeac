"""A report in which every name, title, value and quoted word is hostile: it is seen as it stands, does nothing, and breaks nothing."""

from __future__ import annotations

import pytest
from eyes import boxes, cut, overlapping, unfold
from shown_runs import TEMPTING

pytestmark = pytest.mark.slow
HAUNTED = pytest.mark.parametrize("name", ["hostile", "hostile-load"])


def _safe(page):
    """Nothing ran, and nothing is there that our templates have not made."""
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('script').length") <= 1
    assert page.evaluate("document.querySelectorAll('img, iframe, object, embed, link, base, video, audio, foreignObject').length") == 0
    assert page.evaluate("""() => [...document.querySelectorAll('*')].flatMap((one) => [...one.attributes])
        .filter((one) => /^on|^style$|^srcdoc$/i.test(one.name) || (/^(href|src|action|xlink:href)$/i.test(one.name) && !one.value.startsWith('#')))
        .map((one) => `${one.name}=${one.value}`)""") == []


@HAUNTED
@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_hostile_runs_or_becomes_an_element(report, name, scripts):
    page = report(name, java_script_enabled=scripts)
    page.wait_for_timeout(300)
    _safe(page)


@HAUNTED
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_hostile_words_are_seen_as_they_stand(report, name, lang):
    page = report(name, lang)
    unfold(page)
    for part in ("h1", ".identity", ".reasons", "#results", "#part-audit", "#part-environment", "#part-reproduce"):
        seen = page.locator(part).inner_text()
        assert [word for word in TEMPTING if word not in seen] == [], part
    assert "49 " not in page.locator("#first").inner_text()
    assert TEMPTING[0][:8] in "".join(page.locator("figure").all_inner_texts())
    whole = page.evaluate("document.documentElement.outerHTML")
    assert [character for character in set(whole) if not character.isprintable() and character != "\n"] == []


@HAUNTED
def test_every_deed_stays_harmless(report, name):
    page = report(name)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: {writeText: () => Promise.reject(new Error('no'))}})")
    page.click(".grid:has(#results) [data-do=markdown]")
    assert TEMPTING[0] in page.locator("dialog textarea").input_value().replace("\\", "")
    page.keyboard.press("Escape")
    for deed in ("csv", "png"):
        with page.expect_download() as saved:
            page.locator(f"[data-do={deed}]:visible").first.click()
        assert saved.value.suggested_filename.isascii()
    page.wait_for_timeout(200)
    _safe(page)


@pytest.mark.parametrize("name", ["hostile", "hostile-load", "endless"])
@pytest.mark.parametrize("width", [1280, 320])
def test_no_word_is_too_long_for_the_page(report, name, width):
    page = report(name, viewport={"width": width, "height": 720})
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert overlapping(boxes(page, "#first > :not(.unseen)")) == []
    assert cut(page, "h1, .identity li, .reasons li, .card h3, .card p:not(.none)") == []
    if width == 1280:
        assert cut(page, ".scroll:has(#results), .scroll:has(#facts), .scroll:has(#verdicts)") == []
