"""Which of several usual meanings a table's bare throughput column has: the one under which most of its rows add up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from touchstone.claim import Claim, Figure
from touchstone.judge.audit.rules.boxes import exact, meets, span

MARGIN = 0.01
TEMPLATE_TOKENS = 64
"""Tokens that a chat template may add; the largest of the common ones stays below."""
TOTAL, OUTPUT, USER = "total_throughput", "output_throughput", "user_throughput"
OF_THE_SYSTEM = (OUTPUT, TOTAL, "throughput")
"""The throughputs that a whole batch or server has, as a table may give them."""


@dataclass(frozen=True)
class Lengths:
    """Batch, prompt and output length of a row, as counts; a missing batch is one sequence."""

    batch: float
    prompt: float | None
    output: float

    @property
    def tokens(self) -> Mapping[str, float]:
        """Tokens of the whole batch that each reading of a throughput counts."""
        counted = {OUTPUT: self.batch * self.output, USER: self.output}
        if self.prompt is not None:
            counted[TOTAL] = self.batch * (self.prompt + self.output)
        return counted


def lengths_of(figures: Mapping[str, Figure]) -> Lengths | None:
    """The lengths of a row of a batch or of a load; None without a number of sequences or an output length."""
    size = next((figures[name].value for name in ("batch_size", "concurrency") if name in figures), 0.0)
    if size < 1 or "output_tokens" not in figures or figures["output_tokens"].value < 1:
        return None
    prompt = figures.get("input_tokens")
    return Lengths(size, prompt.value if prompt else None, figures["output_tokens"].value)


def composed(figures: Mapping[str, Figure]) -> list[Figure]:
    """How long a request took by its TTFT and the usual meanings of its TPOT or decode speed, the strictest first."""
    if not {"ttft", "output_tokens"} <= set(figures) or figures["output_tokens"].value <= 1:
        return []
    count, ttft = figures["output_tokens"].value, figures["ttft"]
    if "decode_speed" in figures and figures["decode_speed"].low > 0:
        speed = figures["decode_speed"]
        whole = rate(count, speed)
        return [_sum(ttft, rate(count - 1, speed)), _sum(ttft, whole), whole]
    if "tpot" in figures:
        step = figures["tpot"]
        return [_sum(ttft, times(count - 1, step)), _sum(ttft, times(count, step))]
    return []


@dataclass(frozen=True)
class Reading:
    """What a bare throughput counts, and whether other figures of the table bear that out."""

    name: str = OUTPUT
    sure: bool = False


UNSURE = Reading()
"""What a bare throughput is taken for where nothing is known of its table."""


def reading_of(claims: Sequence[Claim]) -> Reading:
    """The reading of a bare throughput that fits most rows; output tokens where none fits more, or where it fits half the rows of a load."""
    fits = dict.fromkeys((OUTPUT, TOTAL, USER), 0)
    loaded = 0
    for claim in claims[::1 + len(claims) // _ENOUGH]:
        throughput = claim.figures.get("throughput")
        if throughput is not None and throughput.low > 0:
            loaded += "batch_size" not in claim.figures
            for reading in _readings(claim.figures, throughput):
                fits[reading] += 1
    best = OUTPUT if 0 < loaded <= 2 * fits[OUTPUT] else max(fits, key=lambda reading: fits[reading])
    return Reading(best, fits[best] > 0)


def _readings(figures: Mapping[str, Figure], throughput: Figure) -> set[str]:
    """The readings under which the row adds up."""
    found: set[str] = set()
    requests, output, prompt = (figures.get(name) for name in ("request_throughput", "output_tokens", "input_tokens"))
    if requests is not None and output is not None:
        counted = {OUTPUT: output.value, **({TOTAL: prompt.value + output.value} if prompt else {})}
        found |= {reading for reading, tokens in counted.items() if meets(throughput, span(lambda one, n: one * n, requests, exact(tokens)), MARGIN)}
    lengths = lengths_of(figures)
    times = [figures["e2e"]] if "e2e" in figures else composed(figures)
    for reading, tokens in lengths.tokens.items() if lengths is not None else ():
        rates = [rate(tokens, time) for time in times if time.low > 0]
        if "batch_size" in figures:
            fit = any(meets(throughput, one, MARGIN) for one in rates)
        else:
            fit = any(_BUSY * one.value <= throughput.value <= one.high * (1 + _LOADED_MARGIN) for one in rates)
        found |= {reading} if fit else set()
    return found


_ENOUGH = 500
"""Rows of a long table that say what its throughput counts: evenly spread ones."""
_BUSY, _LOADED_MARGIN = 0.5, 0.10
"""Shares of concurrency / latency that a load keeps in flight at least, where it means what its name says, and by which means may miss."""


def rate(tokens: float, time: Figure) -> Figure:
    """``tokens`` in ``time``, in tokens per second; or with a speed in place of the time, how long they take."""
    return Figure(tokens / time.value, tokens / time.high, tokens / time.low)


def times(count: float, figure: Figure) -> Figure:
    """``count`` times ``figure``."""
    return Figure(count * figure.value, count * figure.low, count * figure.high)


def _sum(one: Figure, other: Figure) -> Figure:
    return Figure(one.value + other.value, one.low + other.low, one.high + other.high)


def common_constant(figures: Sequence[Figure]) -> float | None:
    """What all the printed values are multiples of, where that is neither their rounding nor a round number; None of fewer than five."""
    values = {figure.value for figure in figures}
    step = min((figure.high - figure.low for figure in figures), default=0.0)
    if len(values) < _LEAST_VALUES or step <= 0 or max(values) / step > _MOST_STEPS:
        return None
    share = math.gcd(*(round(value / step) for value in values))
    if share < _LEAST_SHARE:
        return None
    constant = share * step
    mantissa = constant / 10 ** math.floor(math.log10(constant))
    return None if any(abs(mantissa - whole) < _NEAR for whole in (1, 2, 2.5, 5, 10)) else constant


_LEAST_VALUES, _LEAST_SHARE, _MOST_STEPS, _NEAR = 5, 20, 1e12, 1e-6
