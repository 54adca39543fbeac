"""The run browser in a real browser: no error, no request to anywhere else, live without a reload, and usable without JavaScript."""

from __future__ import annotations

import json
import shutil

import pytest
from compared_runs import engine_run, save_engine_run

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
from ui_server import browsing

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
OPTIONS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
HOSTILE = '<img src="http://192.0.2.1/x.png" onerror="alert(1)">'


def line(event, **fields):
    return json.dumps({"v": 1, "ts": "2026-11-21T18:00:00.000+00:00", "run_id": "x", "event": event, **fields}) + "\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("browser") / "runs"
    save_engine_run(engine_run(launches=2, seed=1), directory / "old")
    save_engine_run(engine_run(launches=2, seed=2), directory / "new")
    run = save_engine_run(engine_run(launches=1, seed=3, status="running"), directory / "now")
    (run / "events.jsonl").write_text(line("run.start", kind="run", plan=HOSTILE, model=HOSTILE, resumed=False, cases=[{"case": HOSTILE, "repeats": 3}]))
    return directory


@pytest.fixture(scope="module")
def address(runs):
    with browsing(runs) as (client, _):
        client.get("/")
        yield str(client.base_url)


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def troubles():
    return []


def opened(chromium, address, troubles, **settings):
    page = chromium.new_context(viewport={"width": 1280, "height": 720}, **settings).new_page()
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.on("request", lambda request: None if request.url.startswith((address, "data:")) else troubles.append(request.url))
    return page


@pytest.mark.parametrize(("locale", "lang"), [("zh-CN", "zh-CN"), ("en-US", "en")])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_quiet_in_both_languages_and_themes(chromium, address, troubles, locale, lang, theme):
    page = opened(chromium, address, troubles, locale=locale, color_scheme=theme)
    page.goto(address)
    assert page.get_attribute("html", "lang") == lang
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ("rgb(255, 255, 255)" if theme == "light" else "rgb(21, 25, 30)")
    report = page.get_attribute("a[href$='/report']", "href")
    page.check("[aria-label='A: old']")
    page.check("[aria-label='B: new']")
    page.click("form[action='/compare'] button")
    assert page.locator("table").count() >= 4
    page.goto(address + "audit")
    page.fill("textarea", f"| Batch | TTFT (ms) | TPOT (ms) |\n|---|---|---|\n| 1 | 50 | 10 |\n\n{HOSTILE}")
    page.click("form button")
    assert page.locator("p.answer").count() == 1
    page.goto(address.rstrip("/") + report)
    assert page.locator("h1").count() == 1
    assert troubles == []


def test_a_running_run_is_followed_without_loading_the_page_again(chromium, address, runs, troubles):
    page = opened(chromium, address, troubles)
    page.goto(address)
    page.click("a[href$='/live']")
    assert page.locator("#live th[scope=row]").inner_text() == HOSTILE
    page.evaluate("window.same = true")
    with (runs / "now" / "events.jsonl").open("a") as file:
        file.write(line("trial", case=HOSTILE, phase="measured", index=0, status="ok", progress=0.5))
    page.wait_for_selector("progress[value='0.5']", timeout=20_000)
    with (runs / "now" / "events.jsonl").open("a") as file:
        file.write(line("warning", code="x", case=None, message=HOSTILE) + line("run.end", status="complete", exit_code=0, error=None))
    page.wait_for_selector("p.answer a[href$='/report']", timeout=20_000)
    assert page.evaluate("window.same") is True
    assert page.locator("img").count() == 0
    assert troubles == []


def test_without_javascript_everything_can_be_reached(chromium, address, troubles):
    page = opened(chromium, address, troubles, java_script_enabled=False)
    page.goto(address)
    page.fill("input[name=q]", "old")
    page.press("input[name=q]", "Enter")
    assert page.locator("tbody tr").count() == 1
    page.click("nav a[hreflang=zh-CN]")
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert page.input_value("input[name=q]") == "old"
    page.click("tbody a[href*='/report']")
    assert page.locator("h1").inner_text()
    assert troubles == []


def test_a_narrow_window_scrolls_only_inside_tables(chromium, address, troubles):
    page = opened(chromium, address, troubles)
    page.set_viewport_size({"width": 320, "height": 600})
    for path in ("", "audit"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
