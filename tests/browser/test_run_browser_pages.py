"""``touchstone ui`` in a browser: a measurement followed while it happens, two runs compared, a hostile table audited, and pages for everyone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from compared_runs import engine_run, save_engine_run
from eyes import cut, faint, heard, stops, texts
from shown_runs import ENDLESS, HOSTILE, TEMPTING, load, six

from touchstone.measure.scripted import Script, ScriptedServer

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
from compared_runs import save_load_run
from ui_server import browsing

pytestmark = pytest.mark.slow
TABLE = """| Scenario | Output length | Batch Size | TTFT (ms) | Decode speed (tokens/s) | Throughput (tokens/s) |
|---|---|---|---|---|---|
| one | 128 | 1 | 50 | 100 | 97 |
| {bad} | 128 | 8 | 60 | 100 | 900000 |
"""
LANGUAGES = {"en": {"locale": "en-US"}, "zh": {"locale": "zh-CN"}}
EVERY_LANGUAGE = pytest.mark.parametrize("lang", list(LANGUAGES))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of both kinds, two that can be compared, one that hates its readers, and one that is going on."""
    directory = tmp_path_factory.mktemp("pages") / "runs"
    save_engine_run(six(), directory / "six")
    save_load_run(load(), directory / "load")
    save_engine_run(engine_run(launches=2, seed=1), directory / "old")
    save_engine_run(engine_run(slower=1.2, launches=2, seed=2), directory / "new")
    target = {"engine": "transformers", "device": "cuda", "model": f"/models/{HOSTILE}", "dtype": "bf16", "options": {}}
    save_engine_run(engine_run(launches=1, seed=3, target=target, asked={"model": HOSTILE, "suite": HOSTILE}), directory / "<img src=x onerror=hacked=1>")
    return directory


@pytest.fixture(scope="module")
def address(runs):
    with browsing(runs) as (client, _):
        while "judged" in client.get("/", params={"lang": "en"}).text.split("still to be")[0].rsplit("<li>", 1)[-1]:  # the list judges a few at a time
            pass
        yield str(client.base_url).rstrip("/")


def _path(page, name):
    """Where the list leads to, for the run called ``name``."""
    return page.locator("tbody a", has_text=re.compile(f"^{re.escape(name)}$")).get_attribute("href")


@pytest.fixture
def visit(window, address):
    """Opens a page of the run browser, and goes on from the list to ``run``, to the comparison or to the audit."""
    def _visit(where="list", lang="en", theme="light", **settings):
        page = window(address, color_scheme=theme, **LANGUAGES[lang], **settings)
        page.goto(address)
        if where == "compare":
            page.check("[aria-label='A: old']")
            page.check("[aria-label='B: new']")
            page.click("form[action='/compare'] button")
        elif where == "audit":
            page.goto(f"{address}/audit")
            page.fill("textarea", TABLE.format(bad=HOSTILE))
            page.click("form.fields button")
        elif where != "list":
            page.goto(address + _path(page, where))
        page.wait_for_load_state()
        return page

    return _visit


WHERE = pytest.mark.parametrize("where", ["list", "compare", "audit"])


@WHERE
@pytest.mark.parametrize(("lang", "theme"), [("en", "dark"), ("zh", "light")])
def test_every_text_stands_out_and_is_in_its_language(visit, where, lang, theme):
    page = visit(where, lang, theme)
    assert page.get_attribute("html", "lang") == {"en": "en", "zh": "zh-CN"}[lang]
    found = texts(page)
    assert len(found) > 20
    assert faint(page) == set()
    if lang == "en":
        assert [text["text"] for text in found if re.search(r"[\u4e00-\u9fff]", text["text"]) and text["text"] != "中文"] == []
    else:
        assert sum(bool(re.search(r"[\u4e00-\u9fff]", text["text"])) for text in found) > 8


@WHERE
def test_the_keyboard_reaches_everything(visit, where):
    page = visit(where)
    reached = stops(page)
    assert [stop for stop in reached if not stop["seen"]] == []
    assert reached[0]["href"] == "#content"
    shown = page.evaluate("""() => [...document.querySelectorAll('a[href], button, select, textarea, input:not([type=hidden], [type=radio]), [tabindex="0"]')]
        .filter((one) => one.checkVisibility()).length""")
    radios = len({stop["name"] for stop in reached if stop["tag"] == "INPUT" and stop["name"] in {"old", "new"}})
    assert len([stop for stop in reached if stop["name"] not in {"old", "new"}]) == shown
    assert radios == (2 if where == "list" else 0)


@WHERE
@EVERY_LANGUAGE
def test_at_400_percent_only_tables_scroll_sideways(visit, where, lang):
    page = visit(where, lang)
    page.set_viewport_size({"width": 320, "height": 256})
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert cut(page, "h1, h2, p, label, button, .notes li") == []


@WHERE
def test_it_can_be_heard(visit, where):
    page = visit(where)
    told = heard(page)
    for role in ("heading", "table", "region", "radio", "textbox", "searchbox", "combobox", "button", "link", "columnheader", "rowheader"):
        assert all(node["name"] for node in told if node["role"] == role), role
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.locator("th:not([scope])").count() == 0


@EVERY_LANGUAGE
@pytest.mark.parametrize("run", ["six", "load", "<img src=x onerror=hacked=1>"])
def test_a_report_opens_inside_as_it_does_from_disk(visit, run, lang):
    page = visit(run, lang)
    assert page.get_attribute("html", "lang") == {"en": "en", "zh": "zh-CN"}[lang]
    assert page.locator("figure svg.chart").count() > 3
    assert page.evaluate("document.querySelector('.sentence, .trust').getBoundingClientRect().bottom <= 720")
    with page.expect_download() as saved:
        page.click(".grid:has(#results) [data-do=csv]")
    assert saved.value.path().read_bytes().startswith(b"\xef\xbb\xbf")
    assert page.evaluate("window.hacked") is None


@EVERY_LANGUAGE
def test_a_hostile_table_is_audited_and_inert(visit, lang):
    page = visit("audit", lang)
    assert page.locator("tbody tr .tone.impossible, tbody tr .tone.inconsistent").count() >= 1
    said = page.locator("main").inner_text()
    assert TEMPTING[5] in said  # an element in a cell of Markdown is no text of it
    assert page.input_value("textarea").startswith("| Scenario")
    assert page.evaluate("[window.hacked, document.querySelectorAll('img, main script').length]") == [None, 0]


def test_an_endless_word_does_not_widen_the_page(visit, address):
    page = visit("audit")
    page.fill("textarea", TABLE.format(bad=ENDLESS))
    page.click("form.fields button")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_a_comparison_of_what_differs_says_so_and_can_be_had_anyway(visit, address):
    page = visit()
    page.check("[aria-label='A: six']")
    page.check("[aria-label='B: load']")
    page.click("form[action='/compare'] button")
    assert page.locator("[role=alert]").inner_text()
    page.goto(f"{address}/compare")
    assert page.locator("[role=alert]").count() == 1


@EVERY_LANGUAGE
def test_a_real_measurement_is_followed_until_its_report(visit, runs, lang):
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.01)) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "touchstone", "load", "--base-url", server.base_url, "--no-calibrate", "--ui", "none", "-o", str(runs / f"live-{lang}"),
             "--concurrency", "2", "--num-prompts", "60", "--input-len", "8", "--output-len", "8"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
        try:
            give_up = time.monotonic() + 60
            while not (runs / f"live-{lang}" / "events.jsonl").exists() and time.monotonic() < give_up and process.poll() is None:
                time.sleep(0.05)
            page = visit(f"live-{lang}", lang)
            assert page.url.endswith("/live")
            page.evaluate("window.same = true")
            page.wait_for_function("() => document.querySelector('#live tbody td')?.innerText.match(/[1-9]/)", timeout=60_000)
            assert re.search(r"[\u4e00-\u9fff]" if lang == "zh" else r"Done", page.locator("#live").inner_text())
            page.wait_for_selector("#live p.answer a[href*='/report']", timeout=60_000)
            assert page.evaluate("window.same") is True
        finally:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        page.click("#live p.answer a")
        assert page.locator("#results tbody tr").count() == 1
