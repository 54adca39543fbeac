"""The page in a real browser, opened from disk: no request, no error, both languages, with and without JavaScript, by keyboard, small, dark, on paper."""

import csv
import io
import json
import shutil
import struct

import pytest
import test_faces
from test_html_page import TEMPTING, page

from touchstone.judge.findings import findings_of
from touchstone.judge.plots import plots_of
from touchstone.report.html.page import to_html

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
ALONE = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
SCREEN = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as player:
        running = player.chromium.launch(executable_path=CHROMIUM, args=list(ALONE))
        yield running
        running.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages on disk, by name."""
    directory = tmp_path_factory.mktemp("pages")
    run = test_faces.haunted_run("title", TEMPTING)
    found = findings_of(run)
    texts = {"six": page("six"), "load": page("load-several"), "mixed": page("run-mixed"), "hostile": to_html(found, plots_of(run, found), "en")}
    for name, text in texts.items():
        (directory / f"{name}.html").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture
def visit(browser, pages):
    """Opens a page; at the end nothing but the file itself may have been asked for, and nothing complained of."""
    opened, asked, said = [], [], []

    def _visit(name, **context):
        place = browser.new_context(**{"viewport": SCREEN, **context})
        shown = place.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("dialog", lambda dialog: said.append(dialog.message))
        shown.goto((pages / f"{name}.html").as_uri())
        opened.append((place, (pages / f"{name}.html").as_uri()))
        return shown

    yield _visit
    for place, _ in opened:
        place.close()
    assert [url for url in asked if url not in {uri for _, uri in opened} and not url.startswith(("blob:", "data:"))] == []
    assert said == []


@pytest.mark.parametrize("name", ["six", "load", "hostile"])
@pytest.mark.parametrize("scripts", [True, False])
def test_a_page_opens_from_disk_without_a_request_or_a_complaint(visit, name, scripts):
    shown = visit(name, java_script_enabled=scripts)
    assert shown.locator("h1").inner_text()
    assert shown.locator("figure svg").count() > 3


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("scripts", [True, False])
def test_the_first_screen_holds_everything_in_both_languages(visit, lang, scripts):
    shown = visit("six", java_script_enabled=scripts)
    shown.check(f"#lang-{lang}")
    for part in ("h1", ".trust", ".cards", "#results"):
        box = shown.locator(part).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= SCREEN["height"], part
    words = {"en": ("Mean TTFT (ms)", "Decode speed"), "zh": ("平均首token延迟(ms)", "解码速度")}
    seen = shown.locator("#first").inner_text()
    assert all(word in seen for word in words[lang])
    assert not any(word in seen for other in words if other != lang for word in words[other][:1])
    assert shown.locator("#results tbody tr").count() == 6


def test_the_language_of_the_document_follows_the_switch(visit):
    shown = visit("six")
    for lang, tag in (("zh", "zh-CN"), ("en", "en")):
        shown.check(f"#lang-{lang}")
        assert shown.evaluate("document.documentElement.lang") == tag


def _ground(shown):
    return shown.evaluate("getComputedStyle(document.body).backgroundColor") if shown else ""


def test_the_theme_follows_the_system_until_it_is_chosen(visit):
    shown = visit("six", color_scheme="dark")
    dark = _ground(shown)
    shown.check("#theme-light")
    light = _ground(shown)
    shown.check("#theme-dark")
    assert _ground(shown) == dark != light == "rgb(255, 255, 255)"
    shown.emulate_media(media="print")
    assert _ground(shown) == light


def test_on_paper_there_is_no_control_and_the_numbers_are_there(visit):
    shown = visit("six")
    shown.emulate_media(media="print")
    for control in (".switches", "nav", "button", ".what", ".filter"):
        assert shown.locator(control).first.is_hidden(), control
    assert shown.locator("#results").is_visible()
    assert shown.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("name", ["six", "load", "hostile"])
def test_at_400_percent_nothing_is_wider_than_the_screen(visit, name):
    shown = visit(name, viewport={"width": 320, "height": 256})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 320
    assert shown.locator("h1").is_visible()


def test_a_definition_opens_and_closes_by_keyboard(visit):
    shown = visit("six")
    first = shown.locator(".what").first
    first.locator("summary").focus()
    shown.keyboard.press("Enter")
    assert first.locator(".box").is_visible()
    shown.keyboard.press("Escape")
    assert first.locator(".box").is_hidden()
    assert shown.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_definition_opens_without_javascript(visit):
    shown = visit("six", java_script_enabled=False)
    first = shown.locator(".what").first
    assert first.locator(".box").is_hidden()
    first.locator("summary").click()
    assert first.locator(".box").is_visible()


def test_the_skip_link_is_the_first_stop_of_the_keyboard(visit):
    shown = visit("six")
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.getAttribute('href')") == "#first"
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.name") == "lang"


@pytest.mark.parametrize("scripts", [True, False])
def test_the_audit_is_filtered_by_status(visit, scripts):
    shown = visit("mixed", java_script_enabled=scripts)
    everything = shown.locator("#verdicts tbody tr:visible").count()
    tone = shown.locator("#verdicts tbody tr").first.get_attribute("class")
    alike = shown.locator(f"#verdicts tbody tr.{tone}").count()
    shown.check(f"#verdicts-{tone}")
    assert 0 < shown.locator("#verdicts tbody tr:visible").count() == alike < everything


def test_without_javascript_there_is_no_dead_button(visit):
    shown = visit("six", java_script_enabled=False)
    assert shown.locator("button:visible").count() == 0


def _button(shown, deed):
    return shown.locator(f".grid:has(#results) [data-do={deed}]")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_table_is_saved_as_csv_that_a_spreadsheet_opens(visit, lang):
    shown = visit("six")
    shown.check(f"#lang-{lang}")
    with shown.expect_download() as saved:
        _button(shown, "csv").click()
    content = saved.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) == 7
    assert {len(row) for row in rows} == {11}
    assert rows[1][0] == {"en": "Scenario first-short", "zh": "场景 first-short"}[lang]


def test_a_formula_in_a_table_stays_text_in_a_spreadsheet(visit):
    shown = visit("six")
    shown.evaluate("document.querySelector('#results tbody th').textContent = '=1+1'")
    with shown.expect_download() as saved:
        _button(shown, "csv").click()
    assert '"\'=1+1"' in saved.value.path().read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("forbidden", [True, False])
def test_a_table_is_copied_as_markdown_even_where_the_browser_forbids_it(visit, forbidden):
    shown = visit("six")
    refuse = "Promise.reject(new Error('no'))" if forbidden else "(window.copied = text, Promise.resolve())"
    shown.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{value: {{writeText: (text) => {refuse}}}}})")
    _button(shown, "markdown").click()
    text = shown.locator("dialog textarea").input_value() if forbidden else shown.evaluate("window.copied")
    lines = text.splitlines()
    assert lines[0].startswith("| Scenario | Input length |")
    assert lines[1] == "|" + " --- |" * 11
    assert len(lines) == 8
    assert shown.locator("dialog").is_visible() == forbidden


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_saved_as_png_in_the_theme_that_is_shown(visit, theme):
    shown = visit("six")
    shown.check(f"#theme-{theme}")
    with shown.expect_download() as saved:
        shown.locator("figure [data-do=png]").first.click()
    content = saved.value.path().read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    view = shown.locator("figure svg.chart").first.get_attribute("viewBox")
    assert width >= 2 * float(view.split()[2]) - 2
    assert height > 2 * float(view.split()[3])
    corner = shown.evaluate("""async (bytes) => {
        const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: 'image/png'}));
        const pen = Object.assign(document.createElement('canvas'), {width: 4, height: 4}).getContext('2d');
        pen.drawImage(bitmap, 0, 0);
        return [...pen.getImageData(1, 1, 1, 1).data].slice(0, 3);
    }""", list(content))
    assert json.dumps(corner) == json.dumps([255, 255, 255]) if theme == "light" else max(corner) < 60


def test_hostile_text_is_seen_and_does_nothing(visit):
    shown = visit("hostile")
    shown.wait_for_timeout(200)
    assert "<script>" in shown.locator("#first").inner_text()
    assert shown.evaluate("document.querySelectorAll('script').length") == 1
