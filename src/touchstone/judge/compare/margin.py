"""The least change that is worth a claim: 2 %, what was asked, or what this host and engine can tell from nothing (A/A)."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from touchstone.comparison import Comparison, NoiseFloor, Outcome
from touchstone.errors import DataError, UsageError
from touchstone.judge import stats
from touchstone.judge.compare.measured import Measured
from touchstone.message import Message, say

LEAST = 0.02
SCHEMA = 1
_MOST_DEALT = 1000
_SHARE = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})\s*(%?)\s*")


@dataclass(frozen=True)
class Margin:
    """A share (0.02 is 2 %) and where it comes from."""

    value: float
    source: Message


def usual() -> Margin:
    """2 %, where nobody says more."""
    return Margin(LEAST, say("the least that is worth a claim; 'touchstone aa' finds what this host can tell"))


def parse_margin(text: str) -> Margin | None:
    """``2%`` or ``0.02``; None for anything that is no number. Raises :class:`UsageError` for one that is no margin."""
    found = _SHARE.fullmatch(text)
    if not found:
        return None
    value = float(found[1]) / (100 if found[2] else 1)
    if not 0 < value < 1:
        raise UsageError("The margin {text} is not between 0 and 100 %.", "Write 2% or 0.02, or give the file that 'touchstone aa' saved.", text=text)
    return Margin(value, say("as asked"))


# ── the noise floor ──────────────────────────────────────────────────────────────────────────────────────────────────────


def with_floor(comparison: Comparison, old: Measured, new: Measured) -> Comparison:
    """The comparison of one thing with itself, and how far two measurements of it lie apart: in truth, and had chance dealt the launches otherwise.

    One pair alone may agree by luck, so every way of dealing its launches into two sides counts as a pair too. Memory is left out: it is
    a count, not a time.
    """
    ratios: dict[str, dict[str, float]] = {}
    dealt: list[float] = []
    for row in comparison.metrics:
        if row.ratio is not None and row.unit != "B":
            ratios.setdefault(row.case, {})[row.metric] = row.ratio
            sides = [measured.samples.get((row.case, row.metric)) for measured in (old, new)]
            dealt += _dealt(*(sample.values if sample else [] for sample in sides))
    seen = [abs(math.log(ratio)) for case in ratios.values() for ratio in case.values()]
    floor = math.expm1(max((stats.quantile(logs, 0.95) for logs in (seen, dealt) if logs), default=0.0))
    one = new.conditions
    return replace(comparison, floor=NoiseFloor(one.machine, one.machine_words, one.engine, floor, stats.noise_floor([1 + floor]), ratios,
                                                (old.path, new.path), new.created))


def _dealt(old: Sequence[float], new: Sequence[float]) -> list[float]:
    """``|ln ratio|`` of the geometric means for every way (or 1,000 of them) of dealing the values of both sides into two."""
    logs = [math.log(value) for value in (*old, *new)]
    ways: Iterable[Sequence[int]] = itertools.combinations(range(len(logs)), len(old))
    if math.comb(len(logs), len(old)) > _MOST_DEALT:
        rng = random.Random(0)  # noqa: S311 - no secret, and the same each time
        ways = [rng.sample(range(len(logs)), len(old)) for _ in range(_MOST_DEALT)]
    total = math.fsum(logs)
    sums = [math.fsum(logs[place] for place in way) for way in ways] if old and new else []
    return [abs((total - one) / len(new) - one / len(old)) for one in sums]


def is_quiet(comparison: Comparison) -> bool:
    """Whether everything was shown to be equal, as one thing measured twice should be."""
    return bool(comparison.metrics) and all(row.outcome is Outcome.EQUIVALENT for row in comparison.metrics)


def floors_text(kept: Sequence[NoiseFloor], found: NoiseFloor) -> str:
    """The file of noise floors with ``found`` in place of an older one of its machine and engine."""
    others = [one for one in kept if (one.machine, one.engine) != (found.machine, found.engine)]
    return json.dumps({"schema": SCHEMA, "kind": "noise-floors", "floors": [asdict(one) for one in (*others, found)]}, ensure_ascii=False, indent=1) + "\n"


def read_floors(content: bytes, name: str) -> tuple[NoiseFloor, ...]:
    """The noise floors in a file called ``name``. Raises :class:`DataError`."""
    try:
        document = json.loads(content)
        return tuple(map(_floor, {("noise-floors", SCHEMA): document["floors"]}[document["kind"], document["schema"]]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError("{path} is no file of noise floors: {error}.", "Make one: touchstone aa DIR_A DIR_B --save {path}", path=name,
                        error=" ".join(str(error).split())[:200]) from error


def _floor(entry: Mapping[str, Any]) -> NoiseFloor:
    words = {name: str(entry[name]) for name in ("machine", "machine_words", "engine", "created")}
    floor, margin = float(entry["floor"]), float(entry["margin"])
    if not (0 <= floor < math.inf and 0 < margin < math.inf):
        raise ValueError(f"a floor of {floor} and a margin of {margin}")
    ratios = {str(case): {str(name): float(ratio) for name, ratio in found.items()} for case, found in dict(entry["ratios"]).items()}
    return NoiseFloor(**words, floor=floor, margin=margin, ratios=ratios, runs=tuple(map(str, entry["runs"])))


def margin_from(floors: Sequence[NoiseFloor], measured: Sequence[Measured], name: str) -> Margin:
    """The largest margin that the file ``name`` has for the machines and engines of ``measured``, and never below 2 %.

    Raises :class:`UsageError` where it has none: a floor says nothing of another host or engine.
    """
    keys = {(one.conditions.machine, one.conditions.engine) for one in measured}
    known = [one for one in floors if (one.machine, one.engine) in keys]
    if not known:
        raise UsageError("{path} has no noise floor of {machine} with {engine}.", "Measure one there: touchstone aa DIR_A DIR_B --save {path}", path=name,
                         machine="; ".join(dict.fromkeys(one.conditions.machine_words for one in measured)) or "-",
                         engine=", ".join(dict.fromkeys(one.conditions.engine for one in measured)) or "-")
    return Margin(max(LEAST, *(one.margin for one in known)), say("the noise floor in {path}", path=name))
