"""Scripts with the mistakes of published ones: which each has, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchstone.judge.lint import RULES, lint

SCRIPTS = Path(__file__).parents[2] / "data" / "articles" / "scripts"
FOUND = {
    "000_fragment": "MT11:1 MT11:2",
    "001_first": "MT3:14 MT9:14 MT5:15 MT3:16 MT4:18",
    "001_test": "MT1:11 MT3:21 MT12:22 MT3:32 MT7:33 MT15:39 MT5:41 MT2:45 MT9:46 MT9:47 MT13:49 MT4:52 MT4:53 MT8:60 MT14:62",
    "002_load": "",
    "002_engine": "MT10:6 MT10:10 MT10:14",
    "002_throughput": "MT5:13 MT3:15 MT9:15 MT3:18",
    "002_latency": "MT5:10 MT3:11 MT9:11 MT3:13",
    "002_memory": "MT10:5 MT17:5 MT10:6 MT17:6",
    "002_batch": "MT5:14 MT3:15 MT9:15 MT7:16 MT3:17 MT6:18 MT15:23",
    "002_stress": "MT15:14 MT6:19 MT3:20 MT9:20 MT7:21 MT3:22 MT5:29 MT3:33 MT7:34 MT3:35 MT6:37 MT9:38",
    "003_latency": "MT11:7 MT3:10 MT9:10 MT15:11 MT11:14 MT11:14",
    "004_demo": "",
    "004_bench": "MT11:9 MT11:13 MT3:14 MT9:14 MT2:15 MT3:16 MT3:21 MT5:22 MT7:22 MT3:23 MT11:35 MT16:36 MT3:43 MT3:45 MT9:46 MT15:51",
}


def test_every_script_is_here():
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_the_mistakes_of_a_script(name):
    mistakes = lint((SCRIPTS / f"{name}.py").read_text(encoding="utf-8"), name)
    assert [f"{one.rule}:{one.line}" for one in mistakes] == FOUND[name].split()
    lines = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8").split("\n")
    assert all(one.text == lines[one.line - 1] for one in mistakes)


def test_every_rule_is_broken_by_somebody():
    assert {found.partition(":")[0] for founds in FOUND.values() for found in founds.split()} == {rule.id for rule in RULES}
    assert len(RULES) == 17


def words(name: str, rule: str, line: int) -> str:
    found = [one for one in lint((SCRIPTS / f"{name}.py").read_text(encoding="utf-8"), name) if (one.rule, one.line) == (rule, line)]
    return " / ".join(f"{one.message} {one.cure}" for one in found)


@pytest.mark.parametrize(("name", "rule", "line", "word"), [
    ("001_test", "MT1", 11, "7, 27, 11, 7, 7, 550"), ("001_test", "MT5", 41, "at most 2 tokens, what is measured 1, 128, 512"),
    ("001_test", "MT7", 33, "128, 512"), ("001_test", "MT8", 60, "version of pandas"), ("001_test", "MT8", 60, "platform.python_version()"),
    ("001_test", "MT12", 22, "torch.int8"), ("001_test", "MT14", 62, "性能强大"), ("002_stress", "MT5", 29, "measured 64, 128, 256"),
    ("002_engine", "MT10", 14, "argument backend of sglang.Engine"), ("003_latency", "MT11", 14, "len()"),
    ("003_latency", "MT11", 14, "include_usage"), ("004_bench", "MT11", 13, "device is not defined"),
    ("004_bench", "MT11", 35, "statistics is not defined"), ("004_bench", "MT7", 22, "64, 128, 256")])
def test_a_mistake_names_what_it_is_about(name, rule, line, word):
    assert word in words(name, rule, line)
