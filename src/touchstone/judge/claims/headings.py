"""A table's headings read: which figure, which statistic of it, in which unit. One word that is not understood, and it means nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from touchstone.claim import STATISTICS
from touchstone.judge.claims.heading_words import FILLERS, MEMORY, RESULTS, RULES, STATISTIC_WORDS, WORDS, Rule
from touchstone.judge.claims.shortcuts import headed
from touchstone.judge.claims.units_of_text import Unit, as_typed, read_unit

_LONGEST = 120
_QUANTILE = re.compile(r"(?:p|tp(?=50|90|95|99)) ?(\d{1,2}(?:\.\d)?|999)(?![\d.]*\d)(?:th)?"
                       r"|(\d{1,2}(?:\.\d)?) ?(?:th|st|%|百?分位数?)", re.ASCII)
_RATE_ATOMS = frozenset({"throughput", "speed", "rate"})
_MOMENTS = frozenset({"first", "next", "between", "e2e"})
_TIME_ATOMS = frozenset({"latency", "time", "elapsed"})
_MEASURED = frozenset({"s", "s²", "B", "tokens/s", "requests/s"})
_WORD_KEYS = {
    "model": "模型|模型名|模型名称|大模型|测试模型|model|model name|model id|llm",
    "hardware": "硬件|硬件平台|硬件配置|设备|设备型号|芯片|芯片型号|加速卡|显卡|显卡型号|机型|卡型|gpu|npu|gpu型号|npu型号|device|hardware|hw|chip|accelerator|gpu model|gpu type",
    "dtype": "精度|模型精度|数据类型|权重精度|数据精度|量化|量化方式|量化精度|dtype|precision|data type|weight dtype|quant|quantization|quantisation",
    "devices": "卡数|gpu数|npu数|gpu数量|npu数量|设备数|tp|tp size|tensor parallel|gpus|npus|张量并行|并行度|并行策略|parallelism|parallel layout",
}
_NAMES = "场景|测试场景|测试用例|用例|用例名称|名称|测试|测试项|测试项目|配置|测试配置|case|cases|scenario|name|config|configuration|setting|test|workload"


@dataclass(frozen=True)
class Meaning:
    """What a heading may mean: a figure id with its statistic, in ``unit`` (None: the heading gives none), on the terms of ``rule``."""

    figure: str
    unit: Unit | None
    rule: Rule

    @property
    def sure(self) -> bool:
        """Whether the other columns have no say in it."""
        return not (self.rule.needs or self.rule.unless)


@dataclass(frozen=True)
class _Words:
    """A heading taken apart."""

    atoms: frozenset[str]
    statistics: frozenset[str]
    unit: Unit | None


def _alternation() -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    """One pattern of all words, the longest first, and what each of them is."""
    known = dict.fromkeys(FILLERS.split("|"), ("", ""))
    known |= {word: ("atoms", atoms) for atoms, words in WORDS.items() for word in words.split("|")}
    known |= {word: ("statistic", statistic) for statistic, words in STATISTIC_WORDS.items() for word in words.split("|")}
    return re.compile("|".join(map(_whole, sorted(known, key=len, reverse=True)))), known


def _whole(word: str) -> str:
    """A pattern of ``word`` that is not a part of a longer one. Chinese words stand side by side."""
    before, after = (r"(?<![a-z0-9])" if re.match("[a-z]", word) else ""), (r"(?![a-z0-9])" if re.search("[a-z]$", word) else "")
    return before + re.escape(word) + after


_WORD, _KNOWN = _alternation()


@lru_cache(maxsize=1024)
def read_heading(text: str) -> tuple[Meaning, ...]:
    """What the heading ``text`` may mean, the likeliest first; nothing where a word of it is not understood or the words do not agree.

    The figures are those of :data:`touchstone.claim.FIGURE_UNITS`; a statistic other than the mean follows a dot.
    """
    words = _taken_apart(text)
    if words is None or len(words.statistics) > 1:
        return ()
    words = _completed(words)
    if words is None:
        return ()
    statistic = next(iter(words.statistics), "")
    if statistic == "max" and (rules := RULES.get(words.atoms | {"max"})):
        return _fitting(rules, "", words.unit)
    return _fitting(RULES.get(words.atoms, ()), statistic, words.unit)


@lru_cache(maxsize=1024)
def read_statistic(text: str) -> str | None:
    """The statistic (of :data:`touchstone.claim.STATISTICS`, or "mean") that ``text`` names and nothing else."""
    words = _taken_apart(text)
    return next(iter(words.statistics)) if words and not words.atoms and len(words.statistics) == 1 and words.unit is None else None


def names_lengths(text: str) -> bool:
    """Whether a heading is of input and output length in one cell, as in "ISL/OSL"."""
    words = _taken_apart(text)
    return words is not None and {"input", "output"} <= words.atoms <= {"input", "output", "length", "token", "seq", "count"}


def word_key(text: str) -> str | None:
    """Of which part of the subject a column of words is: model, hardware, dtype, devices, or a shortcut that was taken or not."""
    name = _named(text)
    return next((key for key, names in _WORD_KEYS.items() if name in names.split("|")), None) or headed(text[:_LONGEST])


def names_rows(text: str) -> bool:
    """Whether a heading is of a column that names the rows."""
    return _named(text) in _NAMES.split("|")


def _named(text: str) -> str:
    return re.sub(r"\s*[\(\[].*", "", as_typed(text[:_LONGEST]).lower().replace("_", " ")).strip(" #:")


def _fitting(rules: tuple[Rule, ...], statistic: str, unit: Unit | None) -> tuple[Meaning, ...]:
    """The rules whose figure can have the statistic and the unit."""
    meanings = []
    for rule in rules:
        may = not statistic or rule.figure in RESULTS or (statistic == "mean" and rule.figure not in MEMORY)
        figure = rule.figure if statistic in {"", "mean"} else f"{rule.figure}.{statistic}"
        if may and (unit is None or unit.fits(figure)):
            meanings.append(Meaning(figure, unit, rule))
    return tuple(meanings)


def _taken_apart(text: str) -> _Words | None:
    """The words, statistics and unit of a heading; None where something is left over or two units differ."""
    if len(text) > _LONGEST:
        return None
    spaced = re.sub(r"([a-z])(?=[A-Z][a-z])", r"\1 ", re.sub(r"[↑↓]", "", as_typed(text)))
    atoms: set[str] = set()
    statistics: set[str] = set()
    units: list[Unit] = []
    for at, piece in enumerate(re.split(r"[\(\)\[\]{}]", spaced.lower())):
        for part in [piece] if _unit(piece) else re.split(r"[,;、:|]", piece):
            words, unit = _trailing_unit(part.strip(), bracketed=at % 2 == 1)
            units += [unit] if unit else []
            if not _consumed(re.sub(r"[_\-]", " ", words), atoms, statistics) and not _consumed(words, atoms, statistics):
                return None
    if len({(unit.dimension, unit.factor, unit.each) for unit in units}) > 1:
        return None
    return _Words(frozenset(atoms), frozenset(statistics), units[0] if units else None)


def _unit(text: str) -> Unit | None:
    """A unit; "min" in a heading is the least, not a minute."""
    return None if text.strip() == "min" else read_unit(text.strip().replace("_", " "))


def _trailing_unit(part: str, *, bracketed: bool) -> tuple[str, Unit | None]:
    """``part`` without the unit that it ends with, and the unit. Outside brackets a thing that is only counted is a word, not a unit."""
    whole = _unit(part)
    if whole is not None and (bracketed or whole.dimension in _MEASURED):
        return "", whole
    for place in re.finditer(r"[\s/_]+|(?<=[^\x00-\x7f])(?=[a-z])", part):
        unit = _unit(part[place.end():])
        if unit is not None and unit.dimension in _MEASURED:
            return part[:place.start()], unit
    return part, None


def _consumed(text: str, atoms: set[str], statistics: set[str]) -> bool:
    """Whether ``text`` is words that are known and nothing else; they are added to ``atoms`` and ``statistics``."""
    place, found_atoms, found_statistics = 0, set[str](), set[str]()
    while place < len(text):
        if text[place] in " +/&.":
            place += 1
            continue
        quantile, word = _QUANTILE.match(text, place), _WORD.match(text, place)
        if quantile and (place == 0 or not text[place - 1].isascii() or not text[place - 1].isalnum()):
            digits = (quantile[1] or quantile[2]).replace("999", "99.9")
            if f"p{digits}" not in STATISTICS:
                return False
            found_statistics.add(f"p{digits}")
            place = quantile.end()
        elif word:
            kind, meaning = _KNOWN[word[0]]
            found_atoms |= set(meaning.split()) if kind == "atoms" else set()
            found_statistics |= {meaning} if kind == "statistic" else set()
            place = word.end()
        else:
            return False
    atoms |= found_atoms
    statistics |= found_statistics
    return True


def _completed(words: _Words) -> _Words | None:
    """The words with what the unit adds to them: "TTFT/首 (ms)" is a latency, "Output (tok/s)" a throughput, "/req" one request's."""
    atoms, unit = set(words.atoms), words.unit
    if "persecond" in atoms:
        atoms -= {"persecond", "count"}
        unit = unit or read_unit("tokens/s" if "token" in atoms else "requests/s")
        atoms -= {"token"}
    dimension, each = (unit.dimension, unit.each) if unit else ("", "")
    if each == "token":
        atoms |= {"each", "token"} | (set() if atoms & _TIME_ATOMS else {"latency"})
    if each == "request" and dimension == "tokens/s":
        atoms.add("one")
    if dimension == "s" and atoms & _MOMENTS and not atoms & _TIME_ATOMS:
        atoms.add("latency")
    if dimension == "B" and atoms & {"weights", "kv"}:
        atoms.add("memory")
    if dimension == "tokens" and atoms & {"input", "output"} and not atoms & {"length", "count"}:
        atoms.add("token")
    if dimension == "tokens/s" and not atoms & _RATE_ATOMS:
        atoms.add("throughput")
    if dimension == "requests/s" and atoms <= {"request"}:
        atoms = {"qps"}
    return _Words(frozenset(atoms), words.statistics, unit) if atoms else None
