"""The arithmetic that several tools share: sums over a load's repeats, percentile rules, spans of time and peaks per second."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from touchstone.judge.definitions.answers import Answers, Floats, Integers
from touchstone.judge.metrics import Flags, output_tokens
from touchstone.judge.stats import quantiles
from touchstone.served import Column, Ending, Requests
from touchstone.units import NS_PER_S

Rule = Callable[[Floats, Sequence[float]], Sequence[float]]
"""A percentile rule: values and probabilities in, one value for each probability out."""
Statistics = Mapping[str, float | None]
MS = 1e3


def pooled(points: Sequence[Answers], of: Callable[[Answers], Any]) -> Any:
    """What ``of`` gives for the good rows of every point, in one array: a load's repeats are taken as one long run."""
    parts = [of(one)[one.good] for one in points]
    if not any(isinstance(part, np.ma.MaskedArray) for part in parts):
        return np.concatenate(parts)
    return np.ma.array(np.concatenate([part.data for part in parts]), mask=np.concatenate([np.ma.getmaskarray(part) for part in parts]))


def seconds(start_ns: Integers, end_ns: Integers) -> Floats:
    """``end_ns`` - ``start_ns``, in seconds."""
    return np.asarray((end_ns - start_ns) / NS_PER_S)


def gaps(points: Sequence[Answers]) -> Floats:
    """The gaps of every point, in seconds."""
    return points[0].gaps_s if len(points) == 1 else np.concatenate([one.gaps_s for one in points])


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def made_tokens(requests: Requests) -> Column:
    """n: the server's count, else ours of its text; an answer without text has none of those."""
    count = output_tokens(requests)
    nothing = np.ma.getmaskarray(count) & (requests.ending.filled(Ending.STOPPED) == Ending.EMPTY)
    return np.ma.array(np.where(nothing, 0, count.data), mask=np.ma.getmaskarray(count) & ~nothing)


def first_known(*columns: Column) -> Column:
    """For each row the first of the ``columns`` that knows it."""
    data, mask = columns[0].data, np.ma.getmaskarray(columns[0])
    for column in columns[1:]:
        data = np.where(mask, column.data, data)
        mask = mask & np.ma.getmaskarray(column)
    return np.ma.array(data, mask=mask)


def total(values: Column) -> float | None:
    """The sum; None where one of the values is unknown."""
    return None if np.ma.getmaskarray(values).any() else float(values.data.sum(dtype=np.float64))


def per_token(span_s: Floats, count: Column, less: int = 1) -> Floats:
    """``span_s`` / (``count`` - ``less``), of the rows whose count is known and leaves something."""
    kept = ~np.ma.getmaskarray(count) & (count.data > less)
    return np.asarray(span_s[kept] / (count.data[kept] - less))


# ── statistics ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def value(number: float | None) -> Statistics:
    """The statistics of a single number."""
    return {"value": number}


def ratio(above: float | None, below: float) -> float | None:
    """``above`` / ``below``; None where there is nothing to divide or to divide by."""
    return None if above is None or not below else above / below


def summary(values: Floats, wanted: Sequence[str], rule: Rule, scale: float = 1.0) -> Statistics:
    """The ``wanted`` statistics (mean, std of the population, min, max, p50 …) of ``values`` × ``scale``; all None without values."""
    if not len(values):
        return dict.fromkeys(wanted)
    simple: dict[str, Callable[[], Any]] = {"mean": values.mean, "std": values.std, "min": values.min, "max": values.max}
    found = {name: float(simple[name]()) * scale for name in wanted if name in simple}
    places = {name: float(name[1:]) / 100 for name in wanted if name not in simple}
    found |= {name: float(one) * scale for name, one in zip(places, rule(values, list(places.values())), strict=True)}
    return {name: found[name] for name in wanted}


def linear(values: Floats, probabilities: Sequence[float]) -> Sequence[float]:
    """Between order statistics (Hyndman and Fan's definition 7), the default of NumPy."""
    return quantiles(values.copy(), probabilities) if probabilities else []  # it sorts them in place


def nearest_rank(values: Floats, probabilities: Sequence[float]) -> Sequence[float]:
    """The value at rank ceil(p·n), counted from 1."""
    ordered = np.sort(values)
    return [float(ordered[max(0, math.ceil(round(len(ordered) * one, 9)) - 1)]) for one in probabilities]


def weighted_summary(values: Floats, weights: Floats, wanted: Sequence[str], scale: float = 1.0) -> Statistics:
    """As :func:`summary`, each value as often as its weight; a percentile is the first value whose share and all below reach it."""
    kept = weights > 0
    if not kept.any():
        return dict.fromkeys(wanted)
    unique, inverse = np.unique(values[kept], return_inverse=True)
    shares: Floats = np.bincount(inverse, weights=weights[kept]).astype(np.float64)
    shares = shares / shares.sum()
    mean, reached = float((unique * shares).sum()), np.cumsum(shares)
    simple = {"mean": mean, "std": math.sqrt(float(((unique - mean) ** 2 * shares).sum())), "min": float(unique[0]), "max": float(unique[-1])}

    def at(probability: float) -> float:
        return float(unique[min(int(np.searchsorted(reached, probability)), len(unique) - 1)])
    return {name: scale * (simple[name] if name in simple else at(float(name[1:]) / 100)) for name in wanted}


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def span_s(points: Sequence[Answers], rows: Callable[[Answers], Flags], end_ns: Callable[[Answers], Integers]) -> float:
    """From the first of the ``rows`` sent to the last ``end_ns`` among them, in seconds, added over the points; 0 without any."""
    lengths = [int(end_ns(one)[rows(one)].max()) - int(one.sent_ns[rows(one)].min()) for one in points if rows(one).any()]
    return sum(max(0, length) for length in lengths) / NS_PER_S


def busiest_second(points: Sequence[Answers]) -> float | None:
    """The most events that counted in one second since the first good request was sent; None if nothing was counted by the second.

    A good answer without any such event is taken for one at its sending: its time to the first is 0.
    """
    peaks = []
    for one in points:
        if one.per_second is not None and one.good.any():
            sent = one.sent_ns[one.good]
            silent = (sent - sent.min())[one.counted[one.good] == 0] // NS_PER_S
            peaks.append(float((one.per_second + np.bincount(silent, minlength=len(one.per_second))).max()))
    return max(peaks, default=None)


def most_together(points: Sequence[Answers], end_ns: Callable[[Answers], Integers]) -> float | None:
    """The most good requests that were open during any part of the same second."""
    peaks = []
    for one in points:
        if one.per_second is None or not one.good.any():
            continue
        start = one.sent_ns[one.good]
        opened = (start - start.min()) // NS_PER_S
        closed = np.maximum((end_ns(one)[one.good] - start.min()) // NS_PER_S, opened)
        places = np.concatenate([opened, closed + 1])
        order = np.lexsort((np.repeat([1, -1], len(start)), places))
        peaks.append(float(np.repeat([1, -1], len(start))[order].cumsum().max()))
    return max(peaks, default=None)
