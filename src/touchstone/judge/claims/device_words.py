"""How many devices a table's words say took part: ``8×H100``, ``910B*8``, ``TP4DP2``, ``双卡``."""

from __future__ import annotations

import math
import re

from touchstone.judge.claims.units_of_text import as_typed

_LONGEST = 300
_CHIP = r"(?:nvidia|geforce|rtx|tesla|amd|ascend|昇腾|atlas|gpus?|npus?|cards?|[abhlv]\d{2,3}|gb200|mi\d{3}|910|950|310)"
_AFTER_CHIP = r"(?:gpus?|npus?|[abhlv]\d{2,3}[a-z]?|gb200|mi\d{3}x?|910[bc]?\d?|310p\d?|\d{2,3} ?gb|sxm\d?|pcie|4090)\)?"
_DEGREE = re.compile(r"(?<![a-z])(tp|dp|pp)(?:[ _-]?size)? ?[=:x×_-]? ?(\d{1,3})(?!\d|\.\d)")
_COUNTED = tuple(map(re.compile, (
    rf"(?<![\d.a-z])(\d{{1,4}}) ?[x×*] ?(?={_CHIP})", rf"{_AFTER_CHIP} ?[x×*] ?(\d{{1,4}})(?![\dk.])",
    r"(?<![\d.a-z])(\d{1,4}) ?(?:张|卡|块)", r"(?<![\d.a-z])(\d{1,4})[- ]?(?:gpus?|npus?|cards?|devices?)\b", r"\b(?:gpus|npus|devices) ?[:=] ?(\d{1,4})\b")))
_ANY = re.compile(r"\d|卡")
_CHIP_NUMBERS = frozenset({300, 310})
_MOST = 512
_SPOKEN = {"单": 1, "双": 2, "两": 2, "四": 4, "八": 8, "十六": 16}
_IN_WORDS = re.compile(r"(单|双|两|四|八|十六)(?:张)?卡")
_MACHINES = re.compile(r"(单|双|两|四|八|十六|\d{1,3}) ?(?:机|台|节点|nodes?\b)")
_DEGREE_HEADINGS = frozenset({"dp", "dp size", "data parallel", "data parallel size", "数据并行", "数据并行度",
                              "pp", "pp size", "pipeline parallel", "pipeline parallel size", "流水线并行", "流水并行"})


def devices_in(text: str) -> int | None:
    """The number of devices that ``text`` names, by the largest reading of it; None where it names none.

    Degrees of tensor, data and pipeline parallelism multiply, experts' do not: those lie on the same devices.
    """
    text = as_typed(text[:_LONGEST]).lower()
    if not _ANY.search(text):
        return None
    found = [int(number) for pattern in _COUNTED for number in pattern.findall(text)]
    found += [_SPOKEN[word] * _machines(text) for word in _IN_WORDS.findall(text)]
    degrees = _DEGREE.findall(text)
    if any(kind != "pp" for kind, _ in degrees):  # pp512 alone is a prompt of llama-bench
        found.append(math.prod(int(degree) for _, degree in degrees))
    return max((count for count in found if 0 < count <= _MOST and count not in _CHIP_NUMBERS), default=None)


def _machines(text: str) -> int:
    found = _MACHINES.search(text)
    return 1 if found is None else _SPOKEN.get(found[1]) or max(int(found[1]), 1)


def names_degree(heading: str) -> bool:
    """Whether a heading is of a degree of parallelism that multiplies that of tensors."""
    return as_typed(heading[:_LONGEST]).lower().replace("_", " ").replace("-", " ") in _DEGREE_HEADINGS
