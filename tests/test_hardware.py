"""The table of chips: every figure has a source and a grade, and a driver's name finds its own chip or none."""

import pytest

from touchstone.hardware import Chip, chips, find_chip


@pytest.mark.parametrize("chip", chips(), ids=lambda chip: chip.name)
def test_every_chip_says_where_its_figures_are_from(chip):
    assert chip.source.strip()
    assert chip.grade in set("SMDG")
    assert chip.bandwidth_hard >= chip.bandwidth > 1e11  # bytes, not gigabytes
    assert chip.match
    assert all(chip.match)


def test_names_and_patterns_are_unique():
    names = [chip.name for chip in chips()]
    patterns = [pattern for chip in chips() for pattern in chip.match]
    assert len(set(names)) == len(names)
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize(("device", "name"), [
    ("Ascend910B1", "Ascend 910B1"),
    ("Ascend910B2", "Ascend 910B2"),
    ("Ascend910B2C", "Ascend 910B2"),
    ("Ascend910B3", "Ascend 910B3"),
    ("910B3", "Ascend 910B3"),
    ("Ascend910B4", "Ascend 910B4"),
    ("Ascend910B4-1", "Ascend 910B4-1"),
    ("910B4-1", "Ascend 910B4-1"),
    ("Ascend910_9392", "Ascend 910C die"),
    ("Ascend910_9362", "Ascend 910C die"),
    ("Ascend310P3", "Ascend 310P3"),
    ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB SXM"),
    ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM"),
    ("NVIDIA H200", "NVIDIA H200 SXM"),
    ("NVIDIA L40S", "NVIDIA L40S"),
    ("NVIDIA L4", "NVIDIA L4"),
    ("NVIDIA GeForce RTX 4090", "NVIDIA RTX 4090"),
])
def test_a_drivers_name_finds_its_chip(device, name):
    found = find_chip(device)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("device", [
    "", "cpu", "AMD EPYC 9654 96-Core Processor", "Ascend910A", "NVIDIA A100-SXM4-40GB", "NVIDIA A100 80GB PCIe",
    "NVIDIA H100 PCIe", "NVIDIA GH200 480GB", "NVIDIA L40", "NVIDIA B200", "Tesla T4",
])
def test_a_chip_that_is_not_in_the_table_is_not_taken_for_another(device):
    assert find_chip(device) is None


def test_a_guess_is_not_certain():
    guess = next(chip for chip in chips() if chip.grade == "G")
    assert not guess.certain
    for grade in "SMD":
        assert Chip("x", ("x",), 1e12, 1e12, grade, "a datasheet").certain
