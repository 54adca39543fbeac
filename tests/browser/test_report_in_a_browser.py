"""The report, opened from disk: quiet and alone, whole on one screen, readable by everyone, in either language, with and without JavaScript."""

from __future__ import annotations

import csv
import io
import re
import struct
from itertools import pairwise

import pytest
from eyes import boxes, cut, faint, heard, overlapping, stops, texts, unfold
from shown_runs import RUNS

pytestmark = pytest.mark.slow
EVERY_REPORT = pytest.mark.parametrize("name", list(RUNS))
EVERY_LANGUAGE = pytest.mark.parametrize("lang", ["en", "zh"])
MEASURED = ("six", "trusted", "load", "open", "interrupted", "rejected")
PARTS = ("header", ".trust", ".cards", ".grid:has(#results)", "#first > .sentence")


# ── quiet and alone ──────────────────────────────────────────────────────────────────────────────────────────────────────


@EVERY_REPORT
@pytest.mark.parametrize("scripts", [True, False])
def test_every_report_opens_without_a_request_or_a_complaint(report, on_disk, name, scripts):
    page = report(name, java_script_enabled=scripts)
    assert page.locator("h1").inner_text()
    assert page.locator("section").count() >= 3
    assert on_disk(name).stat().st_size <= {"six": 400_000}.get(name, 1_500_000)


def test_the_policy_stops_a_script_that_somebody_adds(report, complaints):
    page = report("six")
    found = page.evaluate("""() => new Promise((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve([event.effectiveDirective, event.blockedURI]));
        document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}));
        setTimeout(() => resolve(null), 5000);
    })""")
    assert found == ["script-src-elem", "inline"]
    assert page.evaluate("window.hacked") is None
    assert len(complaints) == 1
    complaints.clear()


@pytest.mark.parametrize(("directive", "added"), [
    ("img-src", "Object.assign(new Image(), {src: 'https://example.com/x.png'})"),
    ("style-src-attr", "Object.assign(document.createElement('i'), {innerHTML: '<b style=\"color:red\"></b>'})"),
    ("script-src-attr", "Object.assign(document.createElement('i'), {innerHTML: '<b onclick=\"1\"></b>'})"),
    ("frame-src", "Object.assign(document.createElement('iframe'), {src: 'https://example.com/'})"),
    ("object-src", "Object.assign(document.createElement('object'), {data: 'https://example.com/'})"),
    ("style-src-elem", "Object.assign(document.createElement('link'), {rel: 'stylesheet', href: 'https://example.com/x.css'})"),
])
def test_the_policy_stops_whatever_else_could_fetch_or_run(report, complaints, asked, directive, added):
    page = report("empty")
    found = page.evaluate(f"""() => new Promise((resolve) => {{
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        const one = {added};
        document.body.append(one);
        one.querySelector?.('b')?.click();
        setTimeout(() => resolve(null), 5000);
    }})""")
    assert found == directive
    complaints.clear()
    asked.clear()


# ── the first screen ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", MEASURED)
@EVERY_LANGUAGE
def test_the_first_screen_holds_everything_and_nothing_is_covered_or_cut(report, name, lang):
    page = report(name, lang)
    whole = [box for part in PARTS for box in boxes(page, part)]
    rows = page.locator("#results tbody tr").count()
    inside = [box for part in ("h1", ".identity li", ".word", ".reasons li", ".card", ".card *", "#results tr", "#first > .sentence") for box in boxes(page, part)]
    assert [box for box in (*whole, *inside) if box[0] < 0 or box[1] < 0 or box[2] > 1280 or box[3] > 720] == []
    assert len(whole) == len(PARTS) - (not page.locator("#first > .sentence").count())
    assert rows >= 1
    assert len(boxes(page, ".reasons li")) >= min(3, page.locator("#verdicts tr:not(.pass)").count() - 1)
    assert len(boxes(page, ".card")) >= 4
    for part in ("header > *", "#first > :not(.unseen)", ".card", ".reasons li", ".identity li", "#results tr"):
        assert overlapping(boxes(page, part)) == [], part

    assert cut(page, "h1, .identity li, .word, .reasons li, .card h3, .card p, #results th, #results td, .scroll:has(#results), .sentence") == []


@EVERY_LANGUAGE
def test_the_words_of_the_verdict_are_those_of_the_language(report, lang):
    for name, words in (("trusted", {"en": "TRUSTED", "zh": "可信"}), ("six", {"en": "SUSPECT", "zh": "存疑"}), ("rejected", {"en": "REJECTED", "zh": "不可信"})):
        page = report(name, lang)
        assert page.locator(".word").inner_text().endswith(words[lang])
        assert page.locator(".word .sign").is_visible()


# ── without JavaScript ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["six", "load"])
def test_without_javascript_the_page_says_the_same_and_has_no_dead_button(report, name):
    quiet, busy = report(name, java_script_enabled=False), report(name)
    tools = "document.querySelectorAll('.tools').forEach((one) => one.remove())"
    busy.evaluate(tools)
    for lang in ("en", "zh"):
        quiet.check(f"#lang-{lang}")
        busy.check(f"#lang-{lang}")
        assert quiet.locator(".page").inner_text() == busy.locator(".page").inner_text()
    assert quiet.locator("button:visible").count() == 0
    assert quiet.locator("section table").count() >= 5


def test_without_javascript_everything_that_opens_can_be_opened(report):
    page = report("six", java_script_enabled=False)
    for summary in (page.locator(".what summary").first, page.locator(".numbers summary").first):
        inside = summary.locator("xpath=../*[2]")
        assert inside.is_hidden()
        summary.click()
        assert inside.is_visible()
    for theme, ground in (("dark", "rgb(21, 25, 30)"), ("light", "rgb(255, 255, 255)")):
        page.check(f"#theme-{theme}")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground


# ── by keyboard ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["six", "load"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(report, name):
    page = report(name)
    reached = stops(page)
    assert [stop for stop in reached if not stop["seen"]] == []
    assert reached[0]["href"] == "#first"
    assert {stop["name"] for stop in reached if stop["tag"] == "INPUT"} == {"lang", "theme", "verdicts-only"}
    count = {kind: sum(stop["tag"] == tag and test(stop) for stop in reached) for kind, (tag, test) in {
        "definitions": ("SUMMARY", lambda stop: True), "links": ("A", lambda stop: True), "buttons": ("BUTTON", lambda stop: True),
        "tables": ("DIV", lambda stop: stop["role"] == "region")}.items()}
    shown = page.evaluate("""() => Object.fromEntries(Object.entries(
        {definitions: 'summary', links: 'a', buttons: '.page button', tables: '.scroll'})
        .map(([kind, selector]) => [kind, [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).length]))""")
    assert count == shown
    assert shown["definitions"] > 5


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_definition_opens_and_closes_by_keyboard_and_covers_no_other_control(report, key):
    page = report("six")
    for card in page.locator(".card").all():
        card.locator("summary").focus()
        page.keyboard.press(key)
        assert card.locator(".box").is_visible()
        left, _, right, bottom = boxes(page, ".what[open] .box")[0]
        assert left >= 0
        assert right <= 1280
        assert bottom <= 720
        page.keyboard.press("Escape")
        assert card.locator(".box").is_hidden()
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_switches_obey_the_arrows(report):
    page = report("six", "en")
    page.focus("#lang-en")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("[document.documentElement.lang, document.title.includes('可信') || document.title.includes('存疑')]") == ["zh-CN", True]


# ── small, and in the dark ───────────────────────────────────────────────────────────────────────────────────────────────


@EVERY_REPORT
def test_at_400_percent_only_tables_and_pictures_scroll_sideways(report, name):
    page = report(name, viewport={"width": 320, "height": 256})
    for lang in ("zh", "en"):
        page.check(f"#lang-{lang}")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert page.evaluate("""() => [...document.querySelectorAll('.page *')].filter((one) => one.checkVisibility() && !one.closest('.scroll, .picture, .unseen'))
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 200))""") == []
    for region in page.locator(".scroll:visible").all():
        assert region.evaluate("(one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && one.tabIndex === 0")


@pytest.mark.parametrize(("name", "lang", "theme"), [("six", "en", "light"), ("six", "zh", "dark"), ("load", "zh", "light"), ("load", "en", "dark"),
                                                     ("rejected", "en", "dark")])
def test_every_text_stands_out_from_what_is_under_it(report, name, lang, theme):
    page = report(name, lang, theme)
    unfold(page)
    found = texts(page)
    assert len(found) > 300
    assert sum(text["drawn"] for text in found) > 30
    assert faint(page) == set()


# ── for who cannot see it ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "lang"), [("six", "en"), ("load", "en"), ("load", "zh"), ("empty", "en")])
def test_it_can_be_heard(report, name, lang):
    page = report(name, lang)
    unfold(page)
    told = heard(page)
    other = re.compile(r"[\u4e00-\u9fff]") if lang == "en" else None
    for role in ("heading", "image", "table", "region", "radio", "button", "link", "columnheader", "group", "navigation", "main", "banner"):
        names = [node["name"] for node in told if node["role"] == role]
        assert all(names) or role in {"main", "banner", "group"}, role
        assert not other or [one for one in names if other.search(one) and one != "中文"] == [], role
    pictures = [node["name"] for node in told if node["role"] == "image"]
    assert len(pictures) == len(set(pictures)) == page.locator("figure svg.chart").count()
    assert len([node for node in told if node["role"] == "table"]) == page.locator("table").count()
    assert {node["name"] for node in told if node["role"] == "radio"} >= {"中文", "English"}


@EVERY_REPORT
def test_headings_descend_step_by_step_and_tables_have_heads(report, name):
    page = report(name)
    unfold(page)
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))")
    assert levels[0] == levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.locator("th:not([scope])").count() == 0
    assert page.evaluate("[...document.querySelectorAll('table')].every((one) => one.caption || one.hasAttribute('aria-labelledby') || one.hasAttribute('aria-label'))")


def test_nothing_moves_for_who_wants_it_still(report):
    page = report("six", reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


# ── languages ────────────────────────────────────────────────────────────────────────────────────────────────────────────

ALLOWED = frozenset(["ttft", "tpot", "itl", "ttfe", "ttfo", "e2e", "p50", "p90", "p95", "p99", "slo", "kv", "cache", "batch", "size", "token", "tokens", "prefill", "decode", "goodput", "req", "flop", "gflop", "tflop", "byte", "bytes", "gib", "roofline", "touchstone", "english", "markdown", "csv", "png", "json", "yaml", "html", "prompt", "warmup", "poisson", "closed", "constant", "gamma", "eager", "sdpa", "dtype", "javascript", "front", "cv", "cpu", "npu", "gpu", "cuda", "cann", "amd", "epyc", "nvidia", "llama", "xllamacpp", "vllm", "transformers", "scripted", "vl", "convert", "pip", "install", "llm", "charts"])
"""Words that stay English in a Chinese sentence, and names."""


@pytest.mark.parametrize("name", [name for name in RUNS if name != "rejected"])
def test_nothing_is_said_in_english_only_to_a_chinese_reader(report, name):
    page = report(name, "zh")
    unfold(page)
    untold = set()
    for text in texts(page):
        words = [word.lower() for word in re.findall(r"[A-Za-z][A-Za-z-]{2,}", re.sub(r"--[\w-]+", "", text["text"]))]
        foreign = [word for word in words if word not in ALLOWED and not re.search(r"\d", word)]
        if len(foreign) > 1 and not text["data"] and not re.search(r"[\u4e00-\u9fff]", text["text"]):
            untold.add((text["where"], text["text"][:120]))
    assert {one for one in untold if not re.match(r"(→ )?(touchstone|http:|/)", one[1])} == set()


@EVERY_REPORT
def test_nothing_is_said_in_chinese_to_an_english_reader(report, name):
    page = report(name, "en")
    unfold(page)
    assert [text for text in texts(page) if re.search(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]", text["text"]) and text["text"] != "中文"] == []


# ── taken along ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cells(page, table):
    """The texts of a table as they are seen, without the small names of cases."""
    return page.evaluate("""(id) => [...document.getElementById(id).rows].filter((row) => row.checkVisibility())
        .map((row) => [...row.cells].map((cell) => [...cell.childNodes].filter((node) => !node.classList?.contains('name'))
            .map((node) => node.data ?? (node.checkVisibility() ? node.innerText : '')).join('').replace(/\\s+/g, ' ').trim()))""", table)


@pytest.mark.parametrize(("name", "lang"), [("six", "en"), ("load", "zh")])
def test_tables_can_be_copied_and_saved_as_they_are_seen(report, name, lang):
    page = report(name, lang)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: {writeText: (text) => (window.copied = text, Promise.resolve())}})")
    unfold(page)
    names = page.evaluate("[...document.querySelectorAll('table')].map((one) => one.id)")
    assert len(names) > 10
    for place, table in enumerate(names):
        grid = page.locator(f".grid:has(#{table})")
        seen = _cells(page, table)
        grid.locator("[data-do=markdown]").click()
        lines = page.evaluate("window.copied").splitlines()
        copied = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        assert [copied[0], *copied[2:]] == seen, table
        assert set(copied[1]) == {"---"}
        if place % 3:  # Chromium lets a page save ten files and asks before the next
            continue
        with page.expect_download() as saved:
            grid.locator("[data-do=csv]").click()
        content = saved.value.path().read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert [[cell.removeprefix("'") for cell in row] for row in rows] == seen, table


def test_what_a_browser_refuses_to_copy_can_be_copied_by_hand(report):
    page = report("six")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: {writeText: () => Promise.reject(new Error('no'))}})")
    page.click(".grid:has(#results) [data-do=markdown]")
    area = page.locator("dialog textarea")
    assert area.is_visible()
    assert area.evaluate("(one) => one.value.slice(one.selectionStart, one.selectionEnd) === one.value && one.value.startsWith('| ')")
    assert not [one for one in faint(page) if one[0] == "by-hand"]
    page.keyboard.press("Escape")
    assert area.is_hidden()


def test_copying_works_from_disk_with_the_clipboard_of_the_browser(report):
    page = report("six", permissions=["clipboard-read", "clipboard-write"])
    page.click(".command [data-do=text]")
    page.wait_for_selector("#told:not(:empty), dialog[open]")
    assert page.locator("#told").inner_text() == "copied" or page.locator("dialog textarea").input_value().startswith("touchstone run")


@pytest.mark.parametrize(("name", "theme"), [("six", "dark"), ("load", "light")])
def test_a_picture_can_be_saved_as_it_is_seen(report, name, theme):
    page = report(name, "zh", theme)
    unfold(page)
    for figure in page.locator("figure:has(svg.chart)").all()[::4]:
        with page.expect_download() as saved:
            figure.locator("[data-do=png]").click()
        content = saved.value.path().read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", content[16:24])
        assert width >= 600
        assert height >= 200
        ground, inks = page.evaluate("""async (bytes) => {
            const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: 'image/png'}));
            const pen = Object.assign(document.createElement('canvas'), {width: bitmap.width, height: bitmap.height}).getContext('2d');
            pen.drawImage(bitmap, 0, 0);
            const dots = pen.getImageData(0, 0, bitmap.width, bitmap.height).data, seen = new Set();
            for (let at = 0; at < dots.length; at += 4 * 31) seen.add(`${dots[at]},${dots[at + 1]},${dots[at + 2]}`);
            return [[...dots.slice(0, 4)], seen.size];
        }""", list(content))
        assert ground == ([21, 25, 30, 255] if theme == "dark" else [255, 255, 255, 255])
        assert inks > 20
