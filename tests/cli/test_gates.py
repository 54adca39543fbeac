"""--fail-on: which exit code a finished run has, and which one where several would do."""

from __future__ import annotations

import itertools
import json

import pytest

from touchstone.cli import gates
from touchstone.errors import UsageError

CODES = {"rejected": 4, "unstable": 5, "slo": 99}


def report(trust="trusted", rules=(), outcomes=(), search=None):
    """A JSON report of what a gate looks at."""
    return {"run": {"trust": trust, "status": "complete"}, "verdicts": [{"rule": rule, "status": status} for rule, status in rules],
            "cases": [{"slos": [{"outcome": outcome} for outcome in outcomes]}, {}], **({} if search is None else {"search": search})}


def closing(*names):
    """A report on which exactly these gates are closed."""
    return report("rejected" if "rejected" in names else "suspect", [("steady", "suspect")] if "unstable" in names else [("steady", "pass")],
                  ["passes", "fails"] if "slo" in names else ["passes"])


SUBSETS = [names for size in range(4) for names in itertools.combinations(CODES, size)]


@pytest.mark.parametrize("asked", SUBSETS)
@pytest.mark.parametrize("closed", SUBSETS)
def test_the_first_closed_gate_that_was_asked_for_decides(asked, closed):
    both = [CODES[name] for name in CODES if name in asked and name in closed]
    assert gates.exit_code(closing(*closed), asked) == (both[0] if both else 0)


@pytest.mark.parametrize(("found", "unstable"), [
    (report(rules=[("precision", "suspect")]), True), (report(rules=[("window", "suspect")]), True), (report(rules=[("precision", "cannot tell")]), False),
    (report(rules=[("contention", "suspect")]), False), (report(outcomes=["undecided"]), True), (report(outcomes=["fails"]), False)])
def test_unstable_is_what_might_come_out_differently(found, unstable):
    assert gates.exit_code(found, ("unstable",)) == (5 if unstable else 0)


@pytest.mark.parametrize(("passes_at", "fails_at", "code"), [(8.0, 16.0, 0), (None, 1.0, 99), (None, None, 5), (8.0, None, 0)])
def test_the_loads_of_a_search_are_meant_to_fail_somewhere(passes_at, fails_at, code):
    found = report(outcomes=["fails", "undecided"], search={"passes_at": passes_at, "fails_at": fails_at})
    assert gates.exit_code(found, ("unstable", "slo")) == code


def test_gates_are_given_one_by_one_or_with_commas():
    assert gates.chosen(("slo, rejected", "unstable", "slo"), levels=True) == ("slo", "rejected", "unstable")
    assert gates.chosen((), levels=False) == ()


def test_an_unknown_gate_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean rejected"):
        gates.chosen(("reject",), levels=True)


def test_no_level_can_be_missed_where_there_is_none():
    with pytest.raises(UsageError, match="needs a service level"):
        gates.chosen(("slo",), levels=False)


def test_every_gate_is_in_the_table_of_the_documentation():
    assert {name: code for name, (code, _) in gates.GATES.items()} == CODES
    assert all(f"{name:10} {code:<10}" in gates.__doc__ for name, code in CODES.items())


# ── as a script has it ───────────────────────────────────────────────────────────────────────────────────────────────────────


SHORT = ("--input-len", "32", "--output-len", "4", "--warmup", "0", "--no-calibrate", "--ui", "none", "--num-prompts", "12")


@pytest.mark.parametrize(("level", "code"), [("ttft p50<=1us", 99), ("ttft p50<=60s", 0)])
def test_a_load_that_misses_its_level_exits_with_99_where_that_was_asked(scripted, touchstone, tmp_path, level, code):
    arguments = ("load", "--base-url", scripted.base_url, *SHORT, "--slo", level, "--fail-on", "slo", "-o", tmp_path / "run")
    done = touchstone(*arguments)
    assert done.returncode == code, done.stderr
    [end] = [line for line in events_of(tmp_path / "run") if line["event"] == "run.end"]
    assert (end["exit_code"], end["status"]) == (code, "complete")
    assert "SLO" in done.stdout


def test_without_fail_on_a_missed_level_is_no_failure(scripted, touchstone, tmp_path):
    done = touchstone("load", "--base-url", scripted.base_url, *SHORT, "--slo", "ttft p50<=1us", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("arguments", "said"), [
    (("run", "quick", "-m", "tiny", "--fail-on", "slo"), "needs a service level"), (("run", "quick", "-m", "tiny", "--fail-on", "stable"), "Did you mean unstable?"),
    (("load", "--base-url", "http://127.0.0.1:9", "--fail-on", "slo"), "needs a service level")])
def test_a_gate_that_makes_no_sense_is_refused_before_anything_is_measured(touchstone, tmp_path, arguments, said):
    done = touchstone(*arguments, "-o", tmp_path / "run")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "run").exists()


def events_of(directory):
    return [json.loads(line) for line in (directory / "events.jsonl").read_text(encoding="utf-8").splitlines()]
