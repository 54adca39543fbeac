"""The table of chips: every figure has a source and a grade, and a name finds its own chip or none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.hardware import chips, find_chip, find_chips

CHIPS = {chip.name: chip for chip in chips()}
NAMES = {
    # as drivers give them
    "Ascend910B1": "Ascend 910B1", "Ascend910B2": "Ascend 910B2", "Ascend910B2C": "Ascend 910B2", "Ascend910B3": "Ascend 910B3",
    "910B3": "Ascend 910B3", "Ascend910B4": "Ascend 910B4", "Ascend910B4-1": "Ascend 910B4-1", "910B4-1": "Ascend 910B4-1",
    "Ascend910_9392": "Ascend 910C die", "Ascend910_9362": "Ascend 910C die", "Ascend310P3": "Ascend 310P3", "Ascend950PR": "Ascend 950",
    "NVIDIA A100-SXM4-80GB": "NVIDIA A100 80GB SXM", "NVIDIA A100-SXM4-40GB": "NVIDIA A100 40GB",
    "NVIDIA A100-PCIE-40GB": "NVIDIA A100 40GB", "NVIDIA A100 80GB PCIe": "NVIDIA A100 80GB PCIe",
    "NVIDIA A800-SXM4-80GB": "NVIDIA A800", "NVIDIA H100 80GB HBM3": "NVIDIA H100 SXM", "NVIDIA H100 PCIe": "NVIDIA H100 PCIe",
    "NVIDIA H100 NVL": "NVIDIA H100", "NVIDIA H800": "NVIDIA H800", "NVIDIA H20": "NVIDIA H20", "NVIDIA H200": "NVIDIA H200 SXM",
    "NVIDIA B200": "NVIDIA B200", "NVIDIA L40S": "NVIDIA L40S", "NVIDIA L4": "NVIDIA L4", "NVIDIA GeForce RTX 4090": "NVIDIA RTX 4090",
    # as people write them
    "910B": "Ascend 910B", "昇腾910B": "Ascend 910B", "Ascend 910B": "Ascend 910B", "昇腾910B3卡": "Ascend 910B3", "910b2": "Ascend 910B2",
    "Atlas 800T A2": "Ascend 910B", "Atlas 800I A2": "Ascend 910B", "Atlas 800T": "Ascend 910B", "Atlas800TA2": "Ascend 910B",
    "Atlas 900 A2 PoD": "Ascend 910B", "昇腾 A2": "Ascend 910B", "910C": "Ascend 910C die", "Atlas 800T A3": "Ascend 910C die",
    "Atlas 900 A3 SuperPoD": "Ascend 910C die", "A3": "Ascend 910C die", "310P": "Ascend 310P3", "Atlas 300I Duo": "Ascend 310P3",
    "A100": "NVIDIA A100", "A100 80G SXM": "NVIDIA A100 80GB SXM", "A100-40G": "NVIDIA A100 40GB", "A800": "NVIDIA A800",
    "H100": "NVIDIA H100", "8×H100 SXM5": "NVIDIA H100 SXM", "H200": "NVIDIA H200 SXM", "L4": "NVIDIA L4", "4090": "NVIDIA RTX 4090",
    "RTX4090": "NVIDIA RTX 4090", "单张4090显卡": "NVIDIA RTX 4090",
}


@pytest.mark.parametrize("chip", chips(), ids=lambda chip: chip.name)
def test_every_chip_says_where_its_figures_are_from(chip):
    assert chip.source.strip()
    assert chip.grade in set("SMDG")
    assert chip.bandwidth_hard >= chip.bandwidth > 1e11  # bytes, not gigabytes
    assert chip.flops_hard >= chip.flops > 1e13
    assert chip.match
    assert all(chip.match)


@pytest.mark.parametrize("chip", chips(), ids=lambda chip: chip.name)
def test_figures_are_dense_and_hang_together(chip):
    for figure in (chip.int8_ops, chip.fp8_flops):
        # Twice the FP16 figure, and no sparsity, which doubles it again; Ascend's label adds the vector cores.
        assert figure is None or figure <= 2.5 * chip.flops or (chip.name == "NVIDIA RTX 4090" and figure <= 2 * chip.flops_hard)
    if chip.memory_bytes is not None:
        assert chip.memory_bytes % 2**30 == 0
        assert chip.visible_bytes is None or 0.9 * chip.memory_bytes < chip.visible_bytes < chip.memory_bytes


def test_a_family_is_at_least_as_generous_as_its_versions():
    for chip in chips():
        if chip.family is not None:
            family = CHIPS[chip.family]
            assert family.family is None
            assert family.bandwidth_hard >= chip.bandwidth_hard
            assert family.memory_bytes >= chip.memory_bytes
            assert family.flops_hard >= chip.flops_hard or chip.grade == "D"


def test_an_unbinned_910b_is_judged_by_the_most_generous_figures():
    chip = CHIPS["Ascend 910B"]
    assert (chip.bandwidth, chip.bandwidth_hard, chip.flops, chip.flops_hard) == (1.638e12, 1.76e12, 313e12, 376e12)
    assert chip.memory_bytes == 64 * 2**30
    assert round(chip.visible_bytes / 2**30, 2) == 60.96


def test_names_and_patterns_are_unique():
    names = [chip.name for chip in chips()]
    patterns = [pattern for chip in chips() for pattern in chip.match]
    assert len(set(names)) == len(names)
    assert len(set(patterns)) == len(patterns)
    assert set(NAMES.values()) == set(names)


@pytest.mark.parametrize("text", NAMES)
def test_a_name_finds_its_chip_and_no_other(text):
    assert [chip.name for chip in find_chips(text)] == [NAMES[text]]
    assert find_chip(text) == CHIPS[NAMES[text]]


@pytest.mark.parametrize("text", [
    "", "cpu", "AMD EPYC 9654 96-Core Processor", "Ascend910A", "Ascend910", "昇腾 Atlas 800", "NVIDIA GH200 480GB", "NVIDIA L40", "Tesla T4",
    "NVIDIA GeForce RTX 4090 D", "4090 tok/s", "throughput 4090.5", "14,090", "Qwen3-30B-A3B", "table A3 and layer L4", "Atlas 200I A2",
])
def test_what_is_no_chip_of_the_table_is_not_taken_for_one(text):
    assert find_chips(text) == []
    assert find_chip(text) is None


def test_an_article_names_its_chips_in_order_and_a_family_only_without_its_version():
    text = "本文在 Atlas 800T A2（昇腾910B3）上测试，对照为 A100-SXM4-80GB；A100 与 910B 的差距见下表，H20 未测。"
    assert [chip.name for chip in find_chips(text)] == ["Ascend 910B3", "NVIDIA A100 80GB SXM", "NVIDIA H20"]


@given(before=st.text(max_size=20), text=st.sampled_from([name for name in NAMES if name not in {"A3", "L4", "4090"}]),
       after=st.text(max_size=20))
def test_a_name_is_found_in_a_text_of_any_kind(before, text, after):
    assert find_chip(text) in find_chips(f"{before}（{text}）{after}") or find_chips(before + after)


def test_a_guess_is_not_certain():
    guess = next(chip for chip in chips() if chip.grade == "G")
    assert not guess.certain
    for grade in "SMD":
        assert replace(guess, grade=grade).certain
