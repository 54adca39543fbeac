"""Our runs in the formats of others: read back they say what our report says, and their own schemas accept them."""

import csv
import importlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders import (
    MS,
    S,
    clean_run,
    make_events,
    make_failure,
    make_load,
    make_load_run,
    make_requests,
    make_run,
    make_trial,
    steady_requests,
)

from touchstone.errors import UsageError
from touchstone.judge.findings import findings_of
from touchstone.judge.foreign import read_result
from touchstone.judge.foreign.export import EXPORTS
from touchstone.served import Ending, EventKind

REPORT = "llmd-benchmark-report==0.2.1"
FAILED = {"ending": [Ending.OK] * 3 + [Ending.HTTP_ERROR], "output_tokens": [16, 16, 16, None], "input_tokens": [8, 8, 8, None],
          "first_event_ns": [50 * MS, S + 50 * MS, 2 * S + 50 * MS, None], "first_token_ns": [50 * MS, S + 50 * MS, 2 * S + 50 * MS, None],
          "first_output_ns": [50 * MS, S + 50 * MS, 2 * S + 50 * MS, None], "last_token_ns": [200 * MS, S + 200 * MS, 2 * S + 200 * MS, None],
          "first_tokens": [1, 1, 1, None], "token_events": [16, 16, 16, 0]}


def exported(run, form, **labels):
    return EXPORTS[form](findings_of(run), run, labels)


def objects(run, **labels):
    """The vLLM objects of a run, one per case."""
    return [json.loads(line) for line in exported(run, "vllm", **labels).splitlines()]


def table(text):
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def two_cases():
    """Two loads after each other, the second with answers half as fast."""
    first, second = steady_requests(400), steady_requests(400)
    columns = {name: np.ma.concatenate([column, getattr(second, name)]) for name, column in vars(first).items()}
    columns["point"][400:] = 1
    for name in ("sent_ns", "first_event_ns", "first_token_ns", "first_output_ns", "last_token_ns", "ended_ns"):
        columns[name][400:] += 60 * S
    columns["last_token_ns"][400:] += 150 * MS
    columns["ended_ns"][400:] += 150 * MS
    requests = type(first)(**columns)
    events = [make_events(requests.part(slice(0, 400))), make_events(requests.part(slice(400, 800)), step_ns=20 * MS)]
    return make_load_run(requests, events, points=[{}, {"case": "slow", "repeat": 0, "load": make_load(concurrency=4)}])


RUNS = {"load": lambda: make_load_run(steady_requests(400)), "two": two_cases, "engine": clean_run,
        "failed": lambda: make_load_run(make_requests(4, **FAILED)),
        "refused": lambda: make_run([make_failure(index=index) for index in range(3)])}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("form", EXPORTS)
def test_every_run_has_every_form(run, form):
    text = exported(RUNS[run](), form, tp="1")
    assert text
    assert not text.endswith("\n\n")
    assert "NaN" not in text
    assert "Infinity" not in text


# ── vLLM ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_vllms_keys_are_those_of_the_tools_own_file():
    own = json.loads((Path(__file__).parents[2] / "data" / "foreign" / "vllm.json").read_text())
    (ours,) = objects(RUNS["load"]())
    optional = {"request_goodput", "queue_times", "generated_texts", "max_output_tokens_per_s", "max_concurrent_requests", "rtfx",
                *(key for key in own if key.startswith("p50_"))}
    assert set(own) - optional <= set(ours)


@pytest.mark.parametrize("name", ["load", "two", "engine"])
def test_what_vllm_wrote_of_our_run_reads_back_as_our_findings(name):
    run = RUNS[name]()
    cases = findings_of(run).cases
    result = read_result(exported(run, "vllm").encode(), "ours.json")
    assert result.tool == "vllm"
    assert result.claims.left_out == ()
    for case, claim in zip(cases, result.claims.claims, strict=True):
        for metric in ("ttft", "tpot", "itl", "e2e"):
            estimate = case.metrics[metric]
            assert claim.value(metric) == pytest.approx(estimate.value)
            for quantile in ("p50", "p90", "p95", "p99"):
                known = estimate.quantiles[quantile]
                assert claim.value(f"{metric}.{quantile}") == (None if known is None else pytest.approx(known))
        assert (claim.value("requests"), claim.value("input_tokens"), claim.value("output_tokens")) == (
            case.ok, pytest.approx(case.input_tokens), pytest.approx(case.output_tokens))
        columns = result.per_request[claim.row]
        assert len(columns) == case.issued
        assert np.mean(columns.ttfts_s) == pytest.approx(case.metrics["ttft"].value, rel=1e-6)
        assert {len(gaps) for gaps in columns.itls_s} == {15}


@pytest.mark.parametrize("name", ["load", "two", "engine"])
def test_the_arithmetic_of_a_vllm_file_holds(name):
    for one in objects(RUNS[name]()):
        assert one["output_throughput"] * one["duration"] == pytest.approx(one["total_output_tokens"])
        assert one["total_token_throughput"] * one["duration"] == pytest.approx(one["total_output_tokens"] + one["total_input_tokens"])
        assert one["request_throughput"] * one["duration"] == pytest.approx(one["completed"])
        assert one["completed"] + one["failed"] == one["num_prompts"] == len(one["ttfts"])
        for ttft, gaps, latency in zip(one["ttfts"], one["itls"], one["latencies"], strict=True):
            assert ttft + sum(gaps) == pytest.approx(latency)


def test_throughput_of_our_window_stands_beside_vllms_of_the_whole():
    run = RUNS["load"]()
    (case,) = findings_of(run).cases
    (one,) = objects(run)
    ours = one["touchstone"]["metrics"]["output_throughput"]
    estimate = case.metrics["output_throughput"]
    assert (ours["value"], ours["low"], ours["high"]) == (estimate.value, estimate.low, estimate.high)
    assert one["duration"] == pytest.approx((run.requests.ended_ns.max() - run.requests.sent_ns.min()) / S)
    assert one["output_throughput"] < ours["value"]  # ramp and drain are in it
    assert one["touchstone"]["trust"] == case.trust.value


def test_pauses_between_repeats_are_not_duration():
    requests = make_requests(4, point=[0, 0, 1, 1], sent_ns=[0, S, 100 * S, 101 * S])
    (one,) = objects(make_load_run(requests, points=[{}, {}]))
    assert one["duration"] == pytest.approx(2 * 1.201)


def test_what_failed_or_is_too_little_to_say_is_null():
    (one,) = objects(RUNS["failed"]())
    assert (one["completed"], one["failed"], one["num_prompts"]) == (3, 1, 4)
    assert one["errors"] == ["", "", "", "http_error"]
    assert one["ttfts"][3] is one["latencies"][3] is one["output_lens"][3] is one["input_lens"][3] is None
    assert one["itls"][3] == []
    assert one["p99_ttft_ms"] is None
    assert one["mean_ttft_ms"] == pytest.approx(50)


def test_events_that_came_together_are_one_gap():
    requests = make_requests(1)
    events = make_events(requests)
    events.at_ns[5] = events.at_ns[4]
    (one,) = objects(make_load_run(requests, events))
    assert len(one["itls"][0]) == 14
    assert sum(one["itls"][0]) == pytest.approx(0.15)


def test_events_without_tokens_make_no_gap():
    requests = make_requests(1)
    events = make_events(requests)
    events.kind[15] = EventKind.FINISH
    (one,) = objects(make_load_run(requests, events))
    assert len(one["itls"][0]) == 14


# ── llm-d ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def published_report(cache):
    """The model of a Benchmark Report 0.2 as its project publishes it; the tests that need it are skipped without PyPI."""
    if sys.version_info < (3, 11):
        pytest.skip(f"{REPORT} needs Python 3.11")
    place = cache / "llmd-benchmark-report"
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place, REPORT],
                          capture_output=True, text=True, timeout=120, check=False)
    wheels = list(place.glob("*.whl"))
    if done.returncode or not wheels:
        pytest.skip(f"{REPORT} cannot be fetched: {done.stderr.strip()[-200:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(place)
    sys.path.insert(0, str(place))
    try:
        yield importlib.import_module("llmd_benchmark_report.schema_v0_2").BenchmarkReportV02
    finally:
        sys.path.remove(str(place))


@pytest.mark.parametrize("run", RUNS)
def test_the_published_model_accepts_our_reports(published_report, run):
    documents = list(yaml.safe_load_all(exported(RUNS[run](), "llm-d", tp="8", hw="910B", precision="bf16")))
    assert documents
    for document in documents:
        report = published_report(**document)
        assert report.run.uid == document["run"]["uid"]


def test_the_published_model_would_refuse_a_wrong_unit(published_report):
    (document,) = yaml.safe_load_all(exported(RUNS["load"](), "llm-d"))
    document["results"]["request_performance"]["aggregate"]["latency"]["time_to_first_token"]["units"] = "tokens/s"
    with pytest.raises(ValueError, match="units"):
        published_report(**document)


def test_a_report_of_llm_d_says_what_our_findings_say():
    run = RUNS["load"]()
    (case,) = findings_of(run).cases
    (document,) = yaml.safe_load_all(exported(run, "llm-d"))
    aggregate = document["results"]["request_performance"]["aggregate"]
    assert aggregate["requests"]["total"] == 400
    assert aggregate["requests"]["output_length"] == {"units": "count", "mean": 16.0, "stddev": 0.0, "min": 16, "max": 16}
    ttft = aggregate["latency"]["time_to_first_token"]
    assert (ttft["units"], ttft["mean"], ttft["p99"]) == ("s", case.metrics["ttft"].value, case.metrics["ttft"].quantiles["p99"])
    assert aggregate["latency"]["time_per_output_token"]["units"] == "s/token"
    assert aggregate["throughput"]["output_token_rate"]["mean"] == case.metrics["output_throughput"].value
    load = document["scenario"]["load"]["standardized"]
    assert (load["concurrency"], load["input_seq_len"]) == (8, {"distribution": "fixed", "value": 8, "min": 8, "max": 8})
    assert document["run"]["keywords"] == ["touchstone", f"trust: {case.trust.value}"]


def test_what_nobody_knows_is_left_out_of_a_report():
    requests = make_requests(4, input_tokens=[None] * 4, input_tokens_asked=[None] * 4, ending=[Ending.TIMEOUT] * 3 + [Ending.STOPPED])
    (document,) = yaml.safe_load_all(exported(make_load_run(requests), "llm-d"))
    aggregate = document["results"]["request_performance"]["aggregate"]
    assert "load" not in document["scenario"]
    assert (aggregate["requests"]["failures"], aggregate["requests"]["incomplete"]) == (3, 1)
    assert "input_length" not in aggregate["requests"]
    assert aggregate["latency"] == {}


# ── InferenceX ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_inferencex_row_is_per_accelerator():
    run = RUNS["load"]()
    (case,) = findings_of(run).cases
    (row,) = json.loads(exported(run, "inferencex", tp="8", hw="h200", precision="fp8"))
    assert (row["hw"], row["conc"], row["isl"], row["osl"], row["tp"], row["precision"]) == ("h200", 8, 8, 16, 8, "fp8")
    assert row["output_tput_per_gpu"] * 8 == pytest.approx(case.metrics["output_throughput"].value)
    assert row["tput_per_gpu"] == pytest.approx(row["output_tput_per_gpu"] + row["input_tput_per_gpu"])
    assert row["mean_ttft"] == case.metrics["ttft"].value
    assert row["median_intvty"] == pytest.approx(100)
    assert row["p99_intvty"] == pytest.approx(1 / row["p99_tpot"])


@pytest.mark.parametrize("devices", [None, "0", "-1", "two", "1e3", "9" * 50, "٣"])
def test_nobody_is_assumed_to_have_one_accelerator(devices):
    with pytest.raises(UsageError, match="does not say how many"):
        exported(RUNS["load"](), "inferencex", **({} if devices is None else {"tp": devices}))


def test_an_engine_in_this_process_has_one_device():
    rows = json.loads(exported(clean_run(), "inferencex"))
    assert [(row["tp"], row["conc"], row["hw"]) for row in rows] == [(1, 1, "NVIDIA H200"), (1, 4, "NVIDIA H200")]
    assert rows[0]["tput_per_gpu"] is None  # nobody counted the prompt tokens of a window


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_of_cases_has_a_row_per_case_and_units_in_its_names():
    run = two_cases()
    rows, cases = table(exported(run, "csv")), findings_of(run).cases
    assert [row["case"] for row in rows] == [case.name for case in cases]
    for row, case in zip(rows, cases, strict=True):
        assert float(row["ttft_s"]) == case.metrics["ttft"].value
        assert float(row["ttft_s_p99"]) == case.metrics["ttft"].quantiles["p99"]
        assert float(row["output_throughput_tokens_per_s_low"]) == case.metrics["output_throughput"].low
        assert row["trust"] == case.trust.value
        assert int(row["issued"]) == 400
    assert float(rows[1]["tpot_s"]) == pytest.approx(2 * float(rows[0]["tpot_s"]))


def test_unknown_is_an_empty_cell():
    (row,) = table(exported(RUNS["failed"](), "csv"))
    assert (row["ttft_s_p99"], row["goodput_requests_per_s"]) == ("", "")
    requests = table(exported(RUNS["failed"](), "csv-requests"))
    assert [row["ending"] for row in requests] == ["ok", "ok", "ok", "http_error"]
    assert requests[3]["ttft_s"] == requests[3]["output_tokens"] == ""


def test_the_table_of_requests_has_every_request_and_counts_time_from_the_first():
    rows = table(exported(two_cases(), "csv-requests"))
    assert len(rows) == 800
    assert [float(rows[place]["sent_s"]) for place in (0, 400)] == [0.0, 60.0]
    assert {float(row["ttft_s"]) for row in rows} == {0.05}
    assert len({(row["point"], row["request"]) for row in rows}) == 800


def test_trials_of_an_engine_are_numbered():
    run = make_run([make_trial(index=index, batch_size=2, sent_ns=index * S) for index in range(3)])
    rows = table(exported(run, "csv-requests"))
    assert [(row["point"], row["request"]) for row in rows] == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1")]
    assert [float(row["sent_s"]) for row in rows] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "@x", "-2+3", 'a,"b"\nc', "模型"])
def test_a_spreadsheet_runs_no_name_of_a_model_as_a_formula(name):
    run = make_load_run(steady_requests(40))
    findings = replace(findings_of(run), identity={"model": name})
    (row,) = table(EXPORTS["csv"](findings, run, {}))
    assert row["model"] in {name, f"'{name}"}
    assert row["model"][0] not in "=+-@"
