"""Margins as people write them, and the noise floor that a host keeps."""

import json
from dataclasses import replace

import pytest
from compared_runs import engine_run, facts
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import DataError, UsageError
from touchstone.judge.compare import compare_same
from touchstone.judge.compare.margin import floors_text, is_quiet, margin_from, parse_margin, read_floors
from touchstone.judge.compare.measured import measured_of


def floor_of(noise=0.003, **header):
    old, new = (measured_of(engine_run(seed=seed, noise=noise, **header)) for seed in (1, 2))
    return compare_same([old], [new]), old


@pytest.mark.parametrize(("text", "value"), [("2%", 0.02), ("0.02", 0.02), (" 2.5 % ", 0.025), (".1", 0.1), ("99%", 0.99)])
def test_margins_as_written(text, value):
    assert parse_margin(text).value == pytest.approx(value)


@pytest.mark.parametrize("text", ["0", "0%", "1", "100%", "250%", "7"])
def test_what_is_no_margin_is_refused(text):
    with pytest.raises(UsageError, match="between 0 and 100"):
        parse_margin(text)


@pytest.mark.parametrize("text", ["aa.json", "", "-2%", "2 percent", "1e-2", "nan", "inf%"])
def test_what_is_no_number_may_be_a_file(text):
    assert parse_margin(text) is None


def test_a_noisy_host_has_a_wider_margin_and_is_not_called_quiet():
    found, measured = floor_of(noise=0.08)
    assert not is_quiet(found)
    assert found.floor.margin == pytest.approx(found.floor.floor)
    assert found.floor.margin > 0.02
    assert margin_from([found.floor], [measured], "aa.json").value == found.floor.margin


def test_a_pair_that_agrees_by_luck_does_not_make_a_host_quiet():
    """Whatever the two means are, other launches like these would lie further apart."""
    floors = [compare_same([measured_of(engine_run(seed=seed, noise=0.1))], [measured_of(engine_run(seed=seed + 1, noise=0.1))]).floor for seed in range(0, 20, 2)]
    assert min(max(abs(ratio - 1) for case in one.ratios.values() for ratio in case.values()) for one in floors) < 0.02
    assert min(one.floor for one in floors) > 0.04  # 95 % of the means of five such launches differ by less than 1.96 * 10 % * sqrt(2 / 5) = 12 %
    assert 0.09 < sum(one.floor for one in floors) / len(floors) < 0.17


def test_memory_is_no_part_of_the_floor():
    assert {metric for found in floor_of()[0].floor.ratios.values() for metric in found} == {"ttft", "tpot", "e2e", "output_throughput"}


def test_floors_are_kept_by_machine_and_engine():
    first, measured = floor_of(noise=0.08)
    again, _ = floor_of(noise=0.06)
    other, _ = floor_of(environment={"cores": 64, "cpu": "Kunpeng"})
    text = floors_text(read_floors(floors_text([], first.floor).encode(), "aa.json"), other.floor)
    assert read_floors(text.encode(), "aa.json") == (first.floor, other.floor)
    replaced = read_floors(floors_text(read_floors(text.encode(), "x"), again.floor).encode(), "x")
    assert replaced == (other.floor, again.floor)
    assert margin_from(replaced, [measured], "x").value == again.floor.margin


def test_a_floor_says_nothing_of_another_host_or_engine():
    found, _ = floor_of()
    for header in ({"environment": {"cores": 64, "cpu": "Kunpeng"}}, {"launches": facts(engine="llama.cpp")}):
        run = engine_run(seed=3)
        with pytest.raises(UsageError, match="has no noise floor"):
            margin_from([found.floor], [measured_of(replace(run, header={**run.header, **header}))], "aa.json")
    with pytest.raises(UsageError, match="has no noise floor"):
        margin_from([found.floor], [], "aa.json")


def test_a_floor_below_two_percent_is_two_percent():
    found, measured = floor_of(noise=0.001)
    assert found.floor.floor < 0.01
    assert margin_from([found.floor], [measured], "x").value == 0.02


DOCUMENT = json.loads(floors_text([], floor_of()[0].floor))
WRONG = [{}, [], {"schema": 1}, {**DOCUMENT, "schema": 2}, {**DOCUMENT, "kind": "x"}, {**DOCUMENT, "floors": 3}, {**DOCUMENT, "kind": ["x"]},
         *({**DOCUMENT, "floors": [{**DOCUMENT["floors"][0], **wrong}]} for wrong in ({"margin": -1}, {"margin": "much"}, {"floor": 1e999}, {"ratios": 3}, {"runs": 3}))]


@pytest.mark.parametrize("document", WRONG)
def test_files_that_are_no_floors_are_named(document):
    with pytest.raises(DataError, match=r"aa\.json is no file of noise floors"):
        read_floors(json.dumps(document).encode(), "aa.json")


@given(st.binary(max_size=200))
def test_junk_is_no_file_of_floors(content):
    with pytest.raises(DataError):
        read_floors(content, "aa.json")


def test_deep_nesting_is_no_file_of_floors():
    with pytest.raises(DataError):
        read_floors(b"[" * 200_000, "aa.json")
