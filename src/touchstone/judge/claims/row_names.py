"""Conditions that stand in the name of a row: ``批量推理 (batch=4)``, ``in512_out128``, ``1k/1k``, ``pp512``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from touchstone.claim import Figure
from touchstone.judge.claims.figures import read_figure
from touchstone.judge.claims.units_of_text import as_typed

_LONGEST = 200
_NUMBER, _LENGTH = r"([1-9]\d{0,6})", r"([1-9]\d{0,2}(?:\.\d)?k|[1-9]\d{0,6})"
_END = r"(?![a-z0-9.]|[,-]\d)"
_COUNT, _TOKENS = _NUMBER + _END, r"([1-9]\d{0,2}(?:\.\d)?k|[1-9]\d{1,6})" + _END
_IS = r" ?[=:_-]? ?"
_NAMED = {figure: tuple(map(re.compile, patterns)) for figure, patterns in {
    "batch_size": (rf"(?<![a-z])(?:batch(?:[ _-]?size)?|bsz?|批量(?:大小)?|批大小){_IS}{_COUNT}", rf"(?:^|[ ,;/_(\[-])b{_COUNT}"),
    "concurrency": (rf"(?<![a-z])(?:concurrency|conc|并发[数量度]?){_IS}{_COUNT}", rf"(?<![a-z0-9.]){_COUNT} ?路?并发"),
    "input_tokens": (rf"(?<![a-z])(?:input|isl|输入(?:长度)?){_IS}{_TOKENS}", rf"(?<![a-z])(?:pp|in[=:_-]?){_TOKENS}"),
    "output_tokens": (rf"(?<![a-z])(?:output|osl|输出(?:长度)?|生成(?:长度)?){_IS}{_TOKENS}", rf"(?<![a-z])(?:tg|out[=:_-]?|gen[=:_-]?){_TOKENS}"),
}.items()}
_CHIPS = frozenset({"100", "200", "300", "580"})
"""Numbers that with a b before them are chips, not batches."""
_PAIR = re.compile(rf"{_LENGTH} ?(?:in|tokens?)? ?(?:[/+,x×]|-?>) ?{_LENGTH} ?(?:out|tokens?)?")
_LLAMA_BENCH = re.compile(r"(pp|tg)\d+(?: ?@.*)?")


def conditions_in(name: str) -> Mapping[str, Figure]:
    """The batch size, concurrency and lengths that ``name`` states, by their ids; what it states twice and differently is left out."""
    if not name:
        return {}
    text = as_typed(name[:_LONGEST]).lower()
    found: dict[str, set[str]] = {}
    for figure, number in _stated(text):
        found.setdefault(figure, set()).add(number)
    single = {figure: read_figure(next(iter(numbers)), figure).figure for figure, numbers in found.items() if len(numbers) == 1}
    return {figure: value for figure, value in single.items() if value is not None}


def _stated(text: str) -> Iterator[tuple[str, str]]:
    if "@" in text:  # llama-bench's depth: tokens before the test, in neither length
        return
    for figure, (named, short) in _NAMED.items():
        yield from ((figure, number) for number in named.findall(text))
        yield from ((figure, number) for number in short.findall(text) if figure != "batch_size" or number not in _CHIPS)
    bracketed = re.search(r"\(([^()]*)\)$", text)
    pair = lengths_in(text) or (lengths_in(bracketed[1]) if bracketed else None)
    if pair and any(number.endswith("k") or len(number) > 2 for number in pair):
        yield from zip(("input_tokens", "output_tokens"), pair, strict=True)


def lengths_in(text: str) -> tuple[str, str] | None:
    """Input and output length of a text such as "1k/1k" or "512 + 128", as they are printed."""
    pair = _PAIR.fullmatch(as_typed(text[:_LONGEST]).lower())
    return (pair[1], pair[2]) if pair else None


def llama_bench_throughput(name: str) -> str | None:
    """Which throughput llama-bench's "t/s" is in the row ``name``: of the prompt ("pp512"), or of one sequence's decoding ("tg128")."""
    test = _LLAMA_BENCH.fullmatch(as_typed(name[:_LONGEST]).lower())
    return {"pp": "prompt_throughput", "tg": "decode_speed"}[test[1]] if test else None
