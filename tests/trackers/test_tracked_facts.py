"""What trackers are told: our numbers under our names, and nothing that is private."""

import csv
import io
import math
import re
from dataclasses import replace

import pytest
from builders import make_estimate, make_finding
from hypothesis import given
from hypothesis import strategies as st
from tracked_runs import SECRETS, engine_run, expected, served_run, tracked_run

from touchstone.finding import Judgement, SloFinding, Trust, Verdict
from touchstone.judge.findings import findings_of
from touchstone.judge.foreign.export import EXPORTS
from touchstone.message import say
from touchstone.trackers import facts

RUNS = {"engine": engine_run, "served": served_run}


FINDINGS = findings_of(engine_run())


def findings_with(*cases, **changes):
    return replace(FINDINGS, cases=cases, **changes)


@pytest.mark.parametrize("kind", RUNS)
def test_every_number_of_the_table_is_told_under_the_name_of_its_column(kind):
    run = RUNS[kind]()
    findings = findings_of(run)
    told = {number.key: number.value for number in facts.numbers(findings)}
    table = csv.DictReader(io.StringIO(EXPORTS["csv"](findings, run, {}).removeprefix("\ufeff")))
    compared = 0
    for row in table:
        for column, cell in row.items():
            if re.search(r"_(s|per_s|bytes|w|token)(_|$)", column) and column not in {"input_tokens", "output_tokens", "request_rate"}:
                key = f"{row['case']}/{column}"
                assert (key in told) == bool(cell), key
                if cell:
                    assert told[key] == float(cell)
                    compared += 1
    assert compared > 30


@given(st.dictionaries(st.sampled_from(["value", "low", "high", "p50", "p99", "max"]), st.none() | st.floats() | st.integers(-10, 10)))
def test_what_is_unknown_or_no_number_is_left_out_and_never_zero(values):
    plain = {name: values.get(name) for name in ("value", "low", "high")}
    quantiles = {name: value for name, value in values.items() if name.startswith(("p", "m"))}
    estimate = replace(make_estimate("ttft", 1.0), **plain, quantiles=quantiles)
    findings = findings_with(replace(make_finding("one"), metrics={"ttft": estimate}))
    told = {number.statistic: number.value for number in facts.numbers(findings) if number.metric == "ttft"}
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    assert {name: value for name, value in told.items() if name != "n"} == known
    assert ("n" in told) == any(value is not None for value in values.values())


NAMES = st.text(max_size=60) | st.sampled_from(["..", ".", "/", "a/b", "../../etc", "\x00\x1b[31m", "<b>", "c4", "C4", "四", "a" * 300])


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_every_case_has_a_name_of_its_own_that_a_tracker_takes(names):
    findings = findings_with(*(make_finding(name) for name in names))
    named = [name for name, _ in facts.named_cases(findings)]
    assert len(set(named)) == len(names)
    assert all(re.fullmatch(r"[\w\- .]+", name) and name == name.strip(". ") and name.isprintable() and len(name) < 50 for name in named)
    assert [case.name for _, case in facts.named_cases(findings)] == names
    assert len({number.key for number in facts.numbers(findings)}) == len(facts.numbers(findings))


@pytest.mark.parametrize("kind", RUNS)
def test_parameters_are_short_known_and_hold_nothing_private(kind, tmp_path):
    tracked = tracked_run(RUNS[kind](), tmp_path)
    told = facts.parameters(tracked)
    assert told["run_id"] == tracked.findings.run_id
    assert told["labels.tp"] == "4"
    assert told["options.threads"] == 2
    assert told["options.cache"] == "cache"
    assert {"options.api_key", "options.command", "base_url", "endpoint"}.isdisjoint(told)
    assert None not in told.values()
    assert not any(secret in f"{name}{value}" for secret in (*SECRETS, "somebody", "touchstone load") for name, value in told.items())
    assert all(len(str(value)) <= 500 for value in told.values())


def test_the_conditions_of_a_case_are_parameters(tmp_path):
    served = facts.parameters(tracked_run(served_run(), tmp_path))
    assert (served["cases.c8.concurrency"], served["cases.c8.input_tokens"]) == (8, 8.0)
    assert "cases.c8.request_rate" not in served
    assert facts.parameters(tracked_run(engine_run(), tmp_path))["cases.batch-4.batch_size"] == 4


def test_a_hostile_name_is_inert_everywhere(tmp_path):
    tracked = tracked_run(engine_run(), tmp_path, labels={"\x1b[31m</script>": "\x00" * 10_000, "n": "x" * 10_000})
    identity = {**tracked.findings.identity, "model": "\x1b]0;evil\x07" + "m" * 5000, "engine": ["not", "text"], "parameters": float("nan")}
    findings = replace(tracked.findings, identity=identity, plan_name="<script>\n")
    told = facts.parameters(replace(tracked, findings=findings))
    assert all(str(part).isprintable() for pair in told.items() for part in pair)
    assert {"engine", "parameters"}.isdisjoint(told)
    assert facts.title(findings).isprintable()
    assert len(facts.title(findings)) <= 100


def test_tags_say_whether_to_believe_it_and_why_not():
    slo = SloFinding("ttft p99<=80ms", "ttft", 0.99, 0.08, "undecided", 0.07, 100, 1.0, 0.9, 1.0, 200)
    findings = findings_with(
        replace(make_finding("good"), slos=(slo,)), replace(make_finding("bad"), trust=Trust.REJECTED), trust=Trust.REJECTED, verdicts=(
            Verdict("bandwidth", Judgement.IMPOSSIBLE, say("too fast"), "bad"), Verdict("bandwidth", Judgement.IMPOSSIBLE, say("too fast"), "bad"),
            Verdict("drift", Judgement.SUSPECT, say("drifts"), "bad"), Verdict("tokens", Judgement.PASS, say("fine"), "good"),
            Verdict("busy", Judgement.SUSPECT, say("others compute"))))
    assert facts.tags(findings) == {
        "trust": "rejected", "status": "complete", "kind": "run", "verdicts": "busy: suspect", "cases.good.trust": "trusted",
        "cases.good.slos": "ttft p99<=80ms: undecided", "cases.bad.trust": "rejected", "cases.bad.verdicts": "bandwidth: impossible; drift: suspect"}


@pytest.mark.parametrize("text", [None, "", "yesterday", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "\x00"])
def test_a_time_that_cannot_be_is_now(text):
    assert facts.moment_ns(text) > facts.moment_ns("2020-01-01T00:00:00+00:00")


def test_times_are_nanoseconds_since_1970():
    assert facts.moment_ns("1970-01-02T02:00:00+02:00") == 86_400 * 10**9


def test_the_numbers_of_both_kinds_are_many(tmp_path):
    assert "short/ttft_s_high" in expected(tracked_run(engine_run(), tmp_path))
    assert "c8/goodput_per_s" not in expected(tracked_run(served_run(), tmp_path))
