"""Models that are known without a file: their names as people write them, and their published sizes (``known_models.toml``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from itertools import islice, pairwise

from touchstone.simulate.architecture import Architecture, architecture_of
from touchstone.simulate.precision import Precision, find_precision

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_GAP = r"[-_ :\u2010-\u2013]{0,2}"
_BETWEEN = rf"{_GAP}(?:(?:instruct|chat|coder|math|base|it|hf){_GAP})?"  # Mistral-7B-Instruct-v0.3, Qwen2.5-Coder-7B
_APART = rf"(?=[^0-9]){_BETWEEN}"  # Qwen-27B is no Qwen2-7B
_BEFORE = r"(?<![A-Za-z0-9.])(?<!chinese[-_ ])"  # CodeQwen1.5 is no Qwen1.5; Chinese-Llama-2 has another vocabulary
_AFTER = r"(?![A-Za-z0-9]|\.\d)"
# DeepSeek-R1-Distill-…, deepseek-r1:7b and the like are small models named after a large one.
_NO_OFFSHOOT = rf"(?!{_GAP}(?:distill|蒸馏|qwen|llama|(?!671b|685b|236b)\d+(?:\.\d+)?b))"
_LONGEST_TAIL = 80
_MOST_MENTIONS = 1000
_WORDS_OF_A_PRECISION = 3  # GPTQ-Int4, Q4_K_M


@dataclass(frozen=True)
class Mention:
    """A model's name found in a text: ``text`` as written there, from index ``start``."""

    text: str
    start: int
    architecture: Architecture


@lru_cache(maxsize=1)
def known_models() -> Mapping[str, Architecture]:
    """Every known model by its name, with the dtype of the published weights."""
    text = resources.files("touchstone.simulate").joinpath("known_models.toml").read_text(encoding="utf-8")
    configs: dict[str, Mapping[str, object]] = {}
    for row in tomllib.loads(text)["model"]:
        config = {**configs.get(row.get("like", ""), {}), **row.get("config", {})}
        configs.update(dict.fromkeys(row["names"], config))
    return {name: architecture_of(config, name) for name, config in configs.items()}


def known_model(text: str) -> Architecture | None:
    """The first known model that ``text`` (a name, a repository, a path) names; None for an unknown one.

    A dtype or quantisation at the name's end (``-AWQ``, ``-bf16``) takes the place of the checkpoint's own.
    """
    return next((mention.architecture for mention in _mentions(text)), None)


def find_models(text: str) -> list[Mention]:
    """The mentions of known models in a longer text, in order, each with its architecture; the first thousand of them."""
    return list(islice(_mentions(text), _MOST_MENTIONS))


def _mentions(text: str) -> Iterator[Mention]:
    names, pattern = _patterns()
    for found in pattern.finditer(text):
        assert found.lastindex is not None
        tail = re.match(r"[-_.:A-Za-z0-9]*", text[found.end():found.end() + _LONGEST_TAIL])
        precision = _precision_in(tail.group()) if tail else None
        architecture = known_models()[names[found.lastindex - 1]]
        yield Mention(found.group(), found.start(), _in(precision, architecture) if precision else architecture)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, ...], re.Pattern[str]]:
    """The names, longest first so that it wins, and one pattern with a group for each."""
    names = tuple(sorted(known_models(), key=lambda name: (-len(name), name)))
    initials = "".join(sorted({name[0].lower() for name in names}))  # rules out most of a text at once
    choice = "|".join(f"({_pattern(name)})" for name in names)
    return names, re.compile(f"(?=[{initials}]){_BEFORE}(?:{choice}){_AFTER}", re.IGNORECASE)


def _pattern(name: str) -> str:
    """``Qwen2.5-7B`` in pieces (Qwen, 2.5, 7B) that may stand apart in any of the usual ways."""
    pieces: list[str] = [piece for part in name.split("-") for piece in re.findall(r"[A-Za-z]{3,}|[^A-Za-z].*|[A-Za-z].*", part)]
    pattern = re.escape(pieces[0])
    for last, piece in pairwise(pieces):
        pattern += (_APART if last[-1].isdigit() and piece[0].isdigit() else _BETWEEN) + re.escape(piece)
    return pattern + ("" if re.search(r"\d[bB]", name) else _NO_OFFSHOOT)


def _precision_in(tail: str) -> Precision | None:
    words = [word for word in re.split(r"[-_.:]", tail) if word]
    runs = (words[at:at + length] for length in range(_WORDS_OF_A_PRECISION, 0, -1) for at in range(len(words) - length + 1))
    return next((found for run in runs if (found := find_precision("".join(run)))), None)


def _in(precision: Precision, architecture: Architecture) -> Architecture:
    if precision.name in {"fp32", "fp16", "bf16"}:
        return replace(architecture, dtype=precision.name, quantization=None)
    same = architecture.quantization is not None and architecture.quantization.name == precision.name
    return architecture if same else replace(architecture, quantization=precision)
