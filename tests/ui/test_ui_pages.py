"""The pages of the run browser over a real connection: what they show, and that names of runs stay names."""

from __future__ import annotations

import html
import json
import re
import shutil

import pytest
from builders import make_failure, make_run, plan_case
from compared_runs import engine_run, load_run, save_engine_run, save_load_run

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
from ui_server import browsing, posted

HOSTILE = '"><script>alert(1)</script>\u202e\x1b[31m'
TABLE = """Llama-2-7B FP16 on Ascend 910B

| Scenario | Input | Output | Batch Size | Mean TTFT (ms) | Decode speed (tokens/s/req) | Total throughput (tokens/s) |
|---|---|---|---|---|---|---|
| short | 7 | 128 | 1 | 68.32 | 20.2 | 20.14 |
| fast <img src=x onerror=alert(1)> | 7 | 128 | 1 | 68.32 | 20000 | 20.14 |
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pages") / "runs"
    save_engine_run(engine_run(launches=5, seed=1), directory / "old")
    save_engine_run(engine_run(slower=1.5, launches=5, seed=2), directory / "new")
    save_load_run(load_run(repeats=2, count=64), directory / "load")
    save_engine_run(make_run([make_failure(error=HOSTILE)], [plan_case("short")], id=HOSTILE, created=HOSTILE), directory / "<b>hostile<")
    (directory / "torn").mkdir()
    (directory / "torn" / "run.json").write_text("{", encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def client(runs):
    with browsing(runs) as (client, _):
        client.get("/")  # judges, for as long as it has patience
        yield client


def key_of(client, path, **query):
    """The name of a run in addresses, as a reader of the list would find it."""
    page = client.get("/", params={"q": path, **query}).text
    found = re.findall(r'value="([0-9a-f]{12})" aria-label="A: ([^"]*)"', page)
    return next(key for key, name in found if html.unescape(name) == path)


def test_the_list_shows_every_run_with_its_verdict_and_what_is_left_out(client):
    page = client.get("/").text
    assert page.count('name="old"') == 4
    assert "TRUSTED" in page
    assert "torn is left out" in page
    assert "<script" not in page
    assert "<b>hostile" not in page
    assert "&lt;b&gt;hostile&lt;" in page
    assert not {"\u202e", "\x1b"} & set(page)


def test_the_list_can_be_filtered_sorted_and_turned_over(client):
    assert client.get("/", params={"q": "LOAD"}).text.count('name="old"') == 1
    assert client.get("/", params={"q": "nothing has this"}).text.count('name="old"') == 0
    names = re.findall('aria-label="A: ([^"]*)"', client.get("/", params={"sort": "name"}).text)
    assert names == sorted(names)
    assert 'name="old"' not in client.get("/", params={"page": "99"}).text
    for odd in ({"page": "-1"}, {"page": "9" * 500}, {"page": "²"}, {"sort": "absent"}, {"q": "\x00<" * 5000}, {"lang": "xx"}):
        assert client.get("/", params=odd).status_code == 200


@pytest.mark.parametrize(("query", "header", "zh"), [({}, "zh-CN,zh;q=0.9,en;q=0.8", True), ({}, "en;q=0.1,zh;q=0.2", True), ({}, "fr", False), ({}, "zh;q=x", False),
                                                     ({"lang": "en"}, "zh", False), ({"lang": "zh"}, "en", True)])
def test_the_language_is_the_one_chosen_or_the_browsers(client, query, header, zh):
    page = client.get("/", params=query, headers={"Accept-Language": header}).text
    assert ('<html lang="zh-CN">' in page) is zh
    if query:  # and it goes with every link
        assert all(f"lang={query['lang']}" in link for link in re.findall(r'href="(/[^"]*)"', page))


def test_a_language_asked_for_at_the_start_is_kept_whatever_a_browser_prefers(runs):
    with browsing(runs.parent / "runs", "--lang", "zh") as (client, _):
        assert '<html lang="zh-CN">' in client.get("/audit", headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize("path", ["old", "load", "<b>hostile<"])
def test_a_report_is_the_page_that_report_writes_under_the_policy_it_names(client, runs, path):
    from touchstone.judge.plots import plots_of
    from touchstone.report.html.masking import masked
    from touchstone.report.html.page import to_html
    from touchstone.ui.shelf import Shelf

    answer = client.get(f"/runs/{key_of(client, path)}/report")
    run, findings = Shelf(runs).judged(runs / path)
    assert answer.text == to_html(masked(findings), plots_of(run, findings), "en")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert policy.endswith("frame-ancestors 'none'")


def test_a_report_is_made_again_when_the_run_changes(tmp_path):
    run = save_engine_run(engine_run(launches=1), tmp_path / "runs" / "one")
    with browsing(run.parent) as (client, _):
        key = key_of(client, "one")
        before = client.get(f"/runs/{key}/report.json").json()
        shutil.rmtree(run)
        save_engine_run(engine_run(launches=2), run)
        after = client.get(f"/runs/{key}/report.json").json()
        assert [one["cases"][0]["conditions"]["launches"] for one in (before, after)] == [1, 2]
        shutil.rmtree(run)
        assert client.get(f"/runs/{key}/report").status_code == 404


@pytest.mark.parametrize(("face", "kind"), [("json", "application/json"), ("md", "text/markdown"), ("csv", "text/csv")])
def test_faces_can_be_downloaded(client, face, kind):
    answer = client.get(f"/runs/{key_of(client, 'old')}/report.{face}")
    assert answer.headers["content-type"].startswith(kind)
    assert re.fullmatch(r'attachment; filename="report-[0-9a-f]{12}\.\w+"', answer.headers["content-disposition"])
    if face == "json":
        assert json.loads(answer.text)["run"]["id"] == "run-1"
    else:
        assert "batch-4" in answer.text


def test_two_runs_are_compared(client):
    old, new = key_of(client, "old"), key_of(client, "new")
    page = client.get("/compare", params={"old": old, "new": new}).text
    assert "worse" in page
    assert page.count("<table") >= 4
    assert 'role="alert"' not in page
    assert 'role="alert"' in client.get("/compare", params={"old": old, "new": old}).text


def test_runs_of_different_things_are_compared_only_when_that_is_wanted(client):
    keys = {"old": key_of(client, "old"), "new": key_of(client, "<b>hostile<")}
    refused = client.get("/compare", params=keys).text
    assert 'role="alert"' in refused
    assert "<script>" not in refused
    assert 'role="alert"' in client.get("/compare").text
    assert 'role="alert"' in client.get("/compare", params={"old": "../../etc", "new": keys["old"]}).text


def test_a_pasted_table_is_audited_and_hostile_text_is_inert(client):
    page = posted(client, {"text": TABLE}).text
    assert 'class="tone impossible"' in page
    assert 'class="tone pass"' in page
    assert "<img" not in page
    chosen = posted(client, {"text": TABLE, "model": "Qwen2-7B", "hardware": "H100", "dtype": "bf16", "devices": "2"}).text
    assert "Qwen2-7B" in chosen
    assert "H100" in chosen


@pytest.mark.parametrize("given", [{"hardware": "abacus"}, {"dtype": "fp17"}, {"devices": "-1"}, {"devices": "9" * 300}, {"text": "\x00" * 1000},
                                   {"text": "<" * 100_000}, {"text": "| a | b |\n" * 50_000}, {"text": "[" * 100_000}, {"text": "{" + '"a":{' * 50_000}])
def test_what_cannot_be_audited_is_said_without_a_traceback(client, given):
    answer = posted(client, {"text": TABLE, **given})
    assert answer.status_code == 200
    assert "Traceback" not in answer.text
    assert 'role="alert"' in answer.text or "nothing here could be audited" in answer.text


def test_a_run_that_is_being_written_is_listed_and_its_damage_is_a_page(tmp_path):
    run = save_engine_run(engine_run(launches=1, status="running"), tmp_path / "runs" / "now")
    with browsing(run.parent) as (client, _):
        assert "running" in client.get("/").text
        key = key_of(client, "now")
        (run / "trials.parquet").write_bytes(b"PAR1 and then the power went")
        answer = client.get(f"/runs/{key}/report")
        assert answer.status_code == 422
        assert "damaged or was only half written" in answer.text
