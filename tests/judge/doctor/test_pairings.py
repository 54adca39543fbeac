"""The table of versions: whole, consistent with itself, and never wrong about what it knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge.doctor.pairings import (
    base,
    cann_of,
    driver_listed,
    numbers,
    oldest_driver,
    paired,
    pythons_of,
    table,
    torch_npu_of,
    vllm_ascend_row,
)

PAIRS = [(npu, row["version"]) for row in table()["cann"] for npu in row["torch_npu"]]


def test_every_row_is_whole():
    rows = table()
    assert rows["read"] == "2026-11-21"
    for row in rows["cann"]:
        assert row.keys() == {"version", "torch_npu", "driver", "source"}
        assert row["source"]
    for row in rows["vllm_ascend"]:
        assert row.keys() == {"versions", "vllm", "cann", "torch_npu"}
        assert all(base(version) == base(row["vllm"]) for version in row["versions"])
    assert len(PAIRS) == len(set(PAIRS)) > 30


@pytest.mark.parametrize(("torch_npu", "cann"), PAIRS)
def test_a_released_pair_is_known_both_ways(torch_npu, cann):
    assert paired(torch_npu, cann)
    assert paired(f"{torch_npu}+gitabc", cann.lower())
    assert cann in cann_of(torch_npu)
    assert torch_npu in torch_npu_of(cann)
    assert pythons_of(torch_npu) or base(torch_npu) == "2.0.1"


def test_a_release_of_torch_npu_belongs_to_one_cann():
    assert len({npu for npu, _ in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize(("torch_npu", "cann", "known"), [
    ("2.10.0", "9.0.0", True), ("2.7.1.dev20250724", "8.2.RC1", True), ("2.5.1", "8.0.0", True), ("2.5.1", "8.3.RC1", False), ("", "", False)])
def test_pairs_that_only_an_engine_was_released_with_count(torch_npu, cann, known):
    assert paired(torch_npu, cann) is known


def test_drivers_cuda_and_vllm():
    assert driver_listed("24.1.rc2.1", "8.0.0")
    assert driver_listed("25.5.2", "8.5.0")
    assert not driver_listed("25.5.2", "8.0.0")
    assert [oldest_driver(cuda) for cuda in ("13.1", "12.8", "11.8", "10.2", "")] == [580, 525, 450, None, None]
    assert vllm_ascend_row("0.11.0rc1")["cann"] == "8.3.RC1"
    assert vllm_ascend_row("0.11.0rc9") is None


@given(st.text(max_size=40))
def test_any_text_may_stand_for_a_version(text):
    assert all(number >= 0 for number in numbers(text))
    assert numbers(base(text)) == numbers(text)
    paired(text, text)
    driver_listed(text, text)
    vllm_ascend_row(text)
    pythons_of(text)
