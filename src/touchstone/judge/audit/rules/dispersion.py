"""Rules on spread: what a mean, a variance, a range and quantiles of the same values allow each other to be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from touchstone.claim import Figure
from touchstone.finding import Judgement
from touchstone.judge.audit.rules.boxes import meets, span
from touchstone.judge.audit.rules.row import ClaimRule, Row, Ruling
from touchstone.judge.audit.rules.shown import Shown
from touchstone.message import say

_ORDER = ("min", "p1", "p5", "p10", "p25", "p50", "p75", "p80", "p90", "p95", "p99", "p99.9", "max")
_FEWEST, _MOST = 2, 200
CV_RATIO = 1.5
_CV_FLOOR = 0.002
_REAL = 1 + 1e-9
"""Room for the last bit of what was computed rather than printed."""


def _bases(row: Row) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in row.figures if "." in name))


def _ordered(row: Row) -> Iterator[Ruling]:
    """Min <= p50 <= p90 <= p99 <= max, and the mean between min and max."""
    for base in _bases(row):
        present = [(name, row.figures[f"{base}.{name}"]) for name in _ORDER if f"{base}.{name}" in row.figures]
        pairs = list(combinations(present, 2))
        if mean := row.figures.get(base):
            pairs += [(one, ("mean", mean)) for one in present if one[0] == "min"] + [(("mean", mean), one) for one in present if one[0] == "max"]
        wrong = next((pair for pair in pairs if pair[0][1].low > pair[1][1].high), None)
        if wrong is not None:
            (small, lower), (large, upper) = wrong
            yield Ruling(Judgement.INCONSISTENT, say("{metric}: {small} is {lower}, above {large}, {upper}", metric=base, small=small,
                                                     lower=Shown(lower.value), large=large, upper=Shown(upper.value)),
                         lower, upper.value)
        elif len(present) > 1:
            yield Ruling(Judgement.PASS, say("{metric}: its quantiles rise", metric=base))


def _variance_of(row: Row, base: str) -> Figure | None:
    if variance := row.figures.get(f"{base}.var"):
        return variance
    if deviation := row.figures.get(f"{base}.std"):
        return span(lambda value: value * value, deviation)
    return None


def _range_of(row: Row, base: str) -> Figure | None:
    if width := row.figures.get(f"{base}.range"):
        return width
    low, high = row.figures.get(f"{base}.min"), row.figures.get(f"{base}.max")
    return Figure(high.value - low.value, high.low - low.high, high.high - low.low) if low and high else None


def _spread(row: Row) -> Iterator[Ruling]:
    """R²/(2n) <= variance <= R²·floor(n/2)·ceil(n/2)/n², of n values with range R; a sample's variance may be n/(n-1) times as large."""
    for base in _bases(row):
        variance, width = _variance_of(row, base), _range_of(row, base)
        if variance is None or width is None or variance.high <= 0 or width.low <= 0:
            continue
        runs = row.count("runs")
        counts = [int(runs.value)] if runs and runs.value >= _FEWEST else range(_FEWEST, _MOST)
        least = min(width.low**2 / (2 * n) for n in counts)
        most = max(width.high**2 * (n // 2) * ((n + 1) // 2) / n**2 * n / (n - 1) for n in counts)
        fits = variance.low <= most * _REAL and variance.high * _REAL >= least
        yield Ruling(Judgement.PASS if fits else Judgement.INCONSISTENT, say(
            "{metric}: a range of {width} allows a variance from {least} to {most}; {printed} is printed", metric=base,
            width=Shown(width.value, 3), least=Shown(least, 3), most=Shown(most, 3), printed=Shown(variance.value, 3)),
            variance, most if variance.value > most else least)


def _hidden_lengths(row: Row) -> Iterator[Ruling]:
    """With a fixed number of tokens, time and speed vary by the same share; what is missing is the spread of the lengths."""
    speed_name = next((name for name in ("user_throughput", "output_throughput", "decode_speed") if name in row.figures), None)
    if speed_name is None or "e2e" not in row.figures or "output_tokens" not in row.figures:
        return
    time, speed = _variation(row, "e2e"), _variation(row, speed_name)
    if time is None or speed is None:
        return
    hidden = math.sqrt(abs(time.value**2 - speed.value**2))
    near = meets(time, speed, CV_RATIO - 1) or max(time.value, speed.value) < _CV_FLOOR
    tokens = row.find("e2e", speed_name)
    spread = hidden * tokens[0].value * tokens[1].value if tokens else 0.0
    yield Ruling(Judgement.PASS if near else Judgement.SUSPECT, say(
        "times vary by {time} % and speeds by {speed} %: with a fixed number of tokens both are the same; the number varied by about {tokens}",
        time=Shown(100 * time.value, 3), speed=Shown(100 * speed.value, 3), tokens=Shown(spread, 2)), time, speed.value)


def _variation(row: Row, base: str) -> Figure | None:
    """Standard deviation / mean."""
    variance, mean = _variance_of(row, base), row.figures.get(base)
    if variance is None or mean is None or mean.low <= 0 or variance.low < 0:
        return None
    return span(lambda one, other: math.sqrt(max(one, 0.0)) / other, variance, mean)


DISPERSION = (
    ClaimRule("AL6", Judgement.INCONSISTENT, "R^2/(2n) <= variance <= R^2 * floor(n/2) * ceil(n/2) / n^2", 0.0, "", _spread, (".",)),
    ClaimRule("AL7", Judgement.SUSPECT, "fixed length: cv(time) = cv(speed)", CV_RATIO - 1, "answers that ended early", _hidden_lengths, (".",)),
    ClaimRule("AL13", Judgement.INCONSISTENT, "min <= p50 <= p90 <= p99 <= max, min <= mean <= max", 0.0, "", _ordered, (".",)),
)
