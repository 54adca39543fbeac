"""Faces of a load run: the JSON contract, one case on one screen, several in a table, and hostile text that stays text."""

import json
import math
import re

import numpy as np
import pytest
from builders import MS, clean_run, make_load, make_load_run, make_requests, steady_requests
from rich.cells import cell_len
from test_faces import HOSTILE, skeleton, table_rows

from touchstone.judge.findings import findings_of
from touchstone.judge.load.summarize import REPORTED
from touchstone.report import FACES, load_table
from touchstone.report.i18n import translator
from touchstone.served import Ending, Requests

LANGUAGES = ("en", "zh")
SLOS = [{"metric": "ttft", "limit_s": 0.5, "quantile": 0.99}, {"metric": "tpot", "limit_s": 0.05, "quantile": 0.95},
        {"metric": "ttft", "limit_s": 0.06}]
LATENCIES = {"ttft", "ttfo", "ttfe", "tpot", "itl", "e2e", "response_ttft", "send_lag"}
RATES = {"output_throughput", "request_throughput", "goodput"}


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def show(run, face, lang="en"):
    return FACES[face](findings_of(run), translator(lang), lang)


def document(run, lang="en"):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(show(run, "json", lang), parse_constant=refuse)


def one_case():
    return make_load_run(steady_requests(400), plan={"slos": SLOS})


def open_case():
    sent = [place * 100 * MS + place % 7 * 50_000 for place in range(400)]
    requests = make_requests(400, sent_ns=sent, scheduled_ns=[place * 100 * MS for place in range(400)])
    return make_load_run(requests, load=make_load(concurrency=None, request_rate=10.0, arrival="constant"), plan={"slos": SLOS})


def several_cases(count=5):
    tables = [steady_requests(200, 2 ** place, point=[place] * 200, ending=[Ending.OK if row % 50 or not place else Ending(place) for row in range(200)])
              for place in range(count)]
    requests = Requests(**{name: np.ma.concatenate([getattr(one, name) for one in tables]) for name in vars(tables[0])})
    points = [{"case": f"c{2 ** place}", "repeat": 0, "load": make_load(concurrency=2 ** place)} for place in range(count)]
    return make_load_run(requests, points=points, plan={"slos": SLOS})


def failed_case():
    return make_load_run(make_requests(5, ending=[Ending.RESET] * 5, first_token_ns=[None] * 5, token_events=[0] * 5), [],
                         calibration=None, server={}, endpoint={})


def empty_run():
    return make_load_run(make_requests(1), points=[], status="interrupted")


RUNS = {"one": one_case, "open": open_case, "several": several_cases, "failed": failed_case, "empty": empty_run}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("face", list(FACES))
@pytest.mark.parametrize("name", list(RUNS))
def test_every_face_shows_every_kind_of_run(name, face, lang):
    assert show(RUNS[name](), face, lang).strip()


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["one", "open", "several", "failed"])
def test_json_holds_to_its_contract(name):
    found = document(RUNS[name]())
    assert {"schema", "run", "cases", "client", "verdicts", "advice", "environment", "reproduce"} <= set(found)
    assert found["schema"] == 1
    assert set(found["client"]) == {"verdict", "floor_s", "reasons"}
    assert found["client"]["verdict"] in {"valid", "suspect", "invalid"}
    assert all(isinstance(reason, str) for reason in found["client"]["reasons"])
    for case in found["cases"]:
        assert {"name", "conditions", "counts", "window_s", "metrics"} <= set(case)
        assert {"input_tokens", "output_tokens", "batch_size", "concurrency", "request_rate", "arrival"} <= set(case["conditions"])
        assert tuple(case["metrics"]) == REPORTED
        for metric in LATENCIES:
            assert {"unit", "n", "mean", "p50", "p90", "p95", "p99", "max", "low", "high"} <= set(case["metrics"][metric])
            assert case["metrics"][metric]["unit"] == "s"
        for metric in RATES:
            assert {"unit", "value", "low", "high"} <= set(case["metrics"][metric])


def test_json_numbers_are_in_base_units():
    case = document(one_case())["cases"][0]
    assert case["metrics"]["ttft"]["p99"] == 0.05
    assert case["metrics"]["itl"]["p50"] == 0.01
    assert case["metrics"]["goodput"]["share"] == 1.0
    assert case["metrics"]["output_throughput"]["value"] == pytest.approx(633.9, abs=0.1)
    assert case["counts"] == {"issued": 400, "ok": 400, "failed": {}}
    assert [one["outcome"] for one in case["slos"]] == ["passes", "passes"]


@pytest.mark.parametrize("name", ["one", "open", "several", "failed"])
def test_what_is_null_in_json_has_a_reason_beside_it(name):
    unexplained = [(case["name"], metric, key) for case in document(RUNS[name]())["cases"] for metric, found in case["metrics"].items()
                   for key, value in found.items() if value is None and not found["reasons"].get(key)]
    assert unexplained == []


def test_json_knows_no_nan_and_no_infinity():
    for run in RUNS.values():
        text = show(run(), "json")
        assert not re.search(r"\b(NaN|Infinity)\b", text)
        assert all(math.isfinite(float(number)) for number in re.findall(r": (-?\d[\d.e+-]*)", text))


def test_a_failed_case_has_no_latency_and_its_counts():
    case = document(failed_case())["cases"][0]
    assert case["metrics"]["ttft"]["mean"] is None
    assert case["counts"] == {"issued": 5, "ok": 0, "failed": {"reset": 5}}
    assert document(failed_case())["client"]["floor_s"] is None


def test_the_json_of_an_engine_in_this_process_has_no_client():
    found = json.loads(show(clean_run(), "json"))
    assert "client" not in found
    assert "window_s" not in found["cases"][0]
    assert "load" not in found["run"]


# ── terminal ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["one", "open"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_one_case_fits_a_screen(name, lang):
    lines = show(RUNS[name](), "text", lang).splitlines()
    assert len(lines) <= 24
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", list(RUNS))
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(name, lang, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    findings = findings_of(RUNS[name]())
    text = FACES["text"](findings, translator(lang), lang)
    assert all(cell_len(line) <= columns for line in text.splitlines())
    shown = "".join(text.split())
    translate = translator(lang)
    rows = [row for case in findings.cases for row in load_table.latency_rows(case, translate, load_table.main_latencies(case))] if len(findings.cases) == 1 \
        else [load_table.row(case, translate, lang, 3) for case in findings.cases]
    assert all("".join(cell.split()) in shown for row in rows for cell in row[1:])


def test_the_verdict_and_the_floor_come_before_the_numbers():
    for face in ("text", "md"):
        shown = show(one_case(), face)
        assert shown.index("TRUSTED") < shown.index("floor") < shown.index("633.9")


def test_a_closed_loop_and_a_burst_are_called_so():
    assert "closed loop, 8 in flight" in " ".join(show(one_case(), "text").split())
    burst = make_load_run(make_requests(40, sent_ns=[0] * 40), load=make_load(concurrency=None, arrival="burst"))
    assert "burst: everything at once" in " ".join(show(burst, "text").split())


def test_an_open_load_shows_response_times_and_send_lag():
    assert {"Response TTFT", "Send lag"} <= {line[:13].strip() for line in show(open_case(), "text").splitlines()}
    assert "Send lag" not in show(one_case(), "text")


def test_of_several_cases_each_is_a_row_and_levels_name_where_they_pass():
    shown = show(several_cases(), "text")
    rows = [line for line in shown.splitlines() if re.match(r"c\d+ ", line)]
    assert [row.split()[0] for row in rows] == ["c1", "c2", "c4", "c8", "c16"]
    assert "ttft p99<=500ms: passes at c1; fails at" in " ".join(shown.split()) or "undecided at" in shown


# ── Markdown ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_markdown_has_the_skeleton_of_a_report():
    shown = show(several_cases(), "md")
    sections = re.findall(r"^## (.*)$", shown, re.MULTILINE)
    assert sections == ["Results", "Service levels", "Latency", "Failures", "Analysis", "Audit", "Definitions", "Environment", "Reproduce"]
    assert [row[0] for row in table_rows(shown, "Failures")[1:]] == ["c2", "c4", "c8", "c16"]
    assert table_rows(shown, "Failures")[1] == ["c2", "`http_error`", "4", "2"]
    assert "touchstone load -c runs/load/plan.yaml --base-url http://127.0.0.1:8000" in shown


def test_every_row_of_a_markdown_table_is_as_long_as_its_header():
    for run in RUNS.values():
        for lang in LANGUAGES:
            blocks = re.findall(r"(?:^\|.*\n?)+", show(run(), "md", lang), re.MULTILINE)
            for block in blocks:
                assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_only_words_that_occur_are_defined():
    words = {row[0] for row in table_rows(show(one_case(), "md"), "Definitions")[1:]}
    assert {"TTFT", "Goodput", "Request throughput"} <= words
    assert "Peak memory" not in words
    assert "Goodput" not in {row[0] for row in table_rows(show(make_load_run(steady_requests(40)), "md"), "Definitions")[1:]}


# ── hostile text ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def haunted(place, text):
    endpoint = {"base_url": "http://127.0.0.1:8000", "path": "/v1/chat/completions", "backend": "openai-chat", "model": "small", "stream": True}
    header = {"server": {"name": text if place == "server" else "vllm"}, "endpoint": {**endpoint, **({"model": text} if place == "model" else {})},
              "calibration": {"floor_s": None, "reason": text if place == "reason" else "fine"}}
    points = [{"case": text if place == "case" else "c8"}]
    return make_load_run(steady_requests(40), points=points, **header)


PLACES = ("server", "model", "reason", "case")


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_does_not_command_a_terminal(place):
    shown = show(haunted(place, HOSTILE), "text")
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_no_markup_in_markdown(place):
    shown = show(haunted(place, HOSTILE.replace("/", "")), "md")
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert skeleton(shown) == skeleton(show(haunted(place, "tame"), "md"))
    assert len(shown.split("```bash\n")[1].splitlines()) == 2


def test_hostile_text_is_kept_as_it_is_in_json():
    assert document(haunted("server", HOSTILE))["run"]["engine"] == HOSTILE
    assert document(haunted("case", HOSTILE))["cases"][0]["name"] == HOSTILE
    assert HOSTILE in document(haunted("reason", HOSTILE))["client"]["reasons"][0]
