"""When every request is sent, which one it follows, and how long it is: drawn in full before the load starts.

Every draw is one uniform number of a PCG64 stream turned into what is wanted by the inverse of its distribution. So the n-th draw
does not depend on how many are made, a schedule is the same under every NumPy, and each purpose (arrivals, lengths, order) has a
stream of its own: another rate leaves the lengths as they were.

Arrivals are a unit-rate process (Poisson, gamma, or evenly spaced) carried to the clock by inverting the cumulative rate
(Çinlar, *Introduction to Stochastic Processes*, 1975, section 4.7): a ramp or a stage changes the rate and nothing else, and
times are never rescaled to end where expected.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchstone.errors import UsageError
from touchstone.load_plan import Length, Load, Workload
from touchstone.measure.load.datasets import Dataset, Exchange, Source
from touchstone.measure.load.traces import Trace
from touchstone.served import Column
from touchstone.units import NS_PER_S

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
_NONE = -(1 << 63)


@dataclass(frozen=True)
class Schedule:
    """Row k is the k-th request. A session's rows are neighbours, in order of turn; sessions are in order of their start.

    ``offset_ns`` is the planned send from the start of the load; masked where a request goes out when a slot is free (closed loop)
    or after its predecessor (later turns). ``after`` is the row of that predecessor, always the one before, masked where there is
    none; ``think_ns`` the pause after its end. In a closed loop the first ``slots`` sessions have an offset, the start of their slot,
    and a slot stays with its session through all turns and pauses. Under an open load a rate counts sessions, and ``slots`` is the
    most that may be in flight, None for no limit.

    ``source`` is the row of the trace or dataset that is played, ``prefix`` the number of the shared prefix; masked: none.
    ``message_tokens`` is the length of what a turn says itself, ``input_tokens`` of all the text it sends, earlier turns and their
    answers included, ``output_tokens`` of the answer that is asked for. Masked lengths are not known beforehand.
    """

    offset_ns: Column
    after: Column
    think_ns: Integers
    session: Integers
    turn: Integers
    source: Column
    prefix: Column
    message_tokens: Column
    input_tokens: Column
    output_tokens: Column
    slots: int | None

    def __len__(self) -> int:
        return len(self.session)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that are equal for equal schedules only (the start of a SHA-256 over every column)."""
        whole = hashlib.sha256(f"slots={self.slots}".encode())
        for field in fields(self):
            if field.name != "slots":
                column = np.ma.filled(getattr(self, field.name), _NONE)
                whole.update(f";{field.name}={len(column)}:".encode())
                whole.update(np.ascontiguousarray(column, dtype="<i8").data)
        return whole.hexdigest()[:16]

    def process_of(self, session: Integers, processes: int) -> Integers:
        """Which of ``processes`` plays each of ``session``: by slot where there are slots, so that all slots are equally busy."""
        dealt = session if self.slots is None else session % self.slots
        return dealt % processes

    def slice(self, process: int, processes: int) -> Integers:
        """The rows that ``process`` of ``processes`` plays, in order. Sessions stay together, and every row has one process."""
        return np.flatnonzero(self.process_of(self.session, processes) == process)

    def slots_of(self, process: int, processes: int) -> int | None:
        """How many of the slots belong to ``process``; they differ by one at most."""
        return None if self.slots is None else len(range(process, self.slots, processes))


def plan_schedule(workload: Workload, load: Load, count: int | None, duration_s: float | None, seed: int | str, *,
                  source: Source | None = None) -> Schedule:
    """The schedule of one point: at most ``count`` requests, none planned at or after ``duration_s``.

    ``source`` is the trace or dataset of a workload that is not synthetic. A trace is played in its order, a dataset in an order
    drawn from the seed; where more is asked than there is, they begin again, except for a load that takes its times from the trace.
    Raises :class:`UsageError` where the load would not end, or has no lengths.
    """
    _check(workload, load, source)
    if isinstance(source, Trace) and (load.arrival == "trace" or (count is None and _endless(load, duration_s))):
        count = min(count or len(source), len(source))
    picks = turns = None
    if count is not None:
        picks, turns = _sessions(workload, source, count, seed)
        enough = int(np.searchsorted(np.cumsum(turns), count)) + 1
        picks, turns = picks[:enough], turns[:enough]
    starts_ns = _starts_ns(load, None if turns is None else len(turns), duration_s, seed, source)
    if picks is None or turns is None:
        picks, turns = _sessions(workload, source, len(starts_ns), seed)
    return _rows(workload, load, (starts_ns, picks[:len(starts_ns)], turns[:len(starts_ns)]), count=count, seed=seed, source=source)


def _endless(load: Load, duration_s: float | None) -> bool:
    """Whether nothing but a number of requests ends the load."""
    return load.arrival in {None, "burst"} or (duration_s is None and not load.stages)


def _check(workload: Workload, load: Load, source: Source | None) -> None:
    if workload.kind == "synthetic" and workload.input_len is None:
        raise UsageError("Synthetic prompts need a length.", "Give --input-len.")
    if workload.kind != "synthetic" and workload.input_len is not None:
        raise UsageError("A {kind} workload brings its own prompts; their length cannot be chosen.", "Leave out --input-len.",
                         kind=workload.kind)
    if workload.kind == "synthetic" and workload.turns > 1 and workload.output_len is None:
        raise UsageError("Synthetic sessions of several turns need the length of the answers.", "Give --output-len.")
    if workload.shared_prefix_tokens and workload.kind != "synthetic":
        raise UsageError("Shared prefixes can only be put before synthetic prompts.", "")
    if workload.kind == "trace" and workload.turns > 1:
        raise UsageError("A trace has no sessions of several turns.", "")
    if load.ramp_s and load.arrival in {"burst", "trace"}:
        raise UsageError("A {arrival} has no rate that could ramp up.", "Leave out the ramp.", arrival=load.arrival)
    if (workload.kind == "trace") != isinstance(source, Trace) or (workload.kind in {"sharegpt", "jsonl"}) != isinstance(source, Dataset):
        raise UsageError("A {kind} workload needs its file.", "", kind=workload.kind)
    if load.arrival == "trace" and not isinstance(source, Trace):
        raise UsageError("The arrival trace needs a trace.", "Give a trace as the workload.")


# ── sessions and rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sessions(workload: Workload, source: Source | None, sessions: int, seed: int | str) -> tuple[Column, Integers]:
    """Which row of the source each session plays, and its number of turns."""
    if isinstance(source, Trace):
        return np.ma.MaskedArray(np.arange(sessions, dtype=np.int64) % len(source)), _constant(1, sessions)
    if source is None:
        return _unknown(sessions), _constant(workload.turns, sessions)
    size = len(source.conversations)
    passes = [np.argsort(_uniforms(seed, f"order/{number}", size), kind="stable") for number in range(-(-sessions // size))]
    picks = np.concatenate([*passes, np.zeros(0, dtype=np.int64)])[:sessions].astype(np.int64)
    available = np.array([len(one.exchanges) for one in source.conversations], dtype=np.int64)
    return np.ma.MaskedArray(picks), np.minimum(available[picks], workload.turns)


def _rows(workload: Workload, load: Load, sessions: tuple[Column, Column, Integers], *, count: int | None, seed: int | str,
          source: Source | None) -> Schedule:
    """Every session written out, turn by turn, up to ``count`` rows."""
    starts_ns, picks, turns = sessions
    total = int(turns.sum())
    size = total if count is None else min(count, total)
    if size == 0:
        raise UsageError("No request falls into the time of the load.", "Raise the duration or the rate.")
    single = size == len(turns) and total == size
    session = np.arange(size) if single else np.repeat(np.arange(len(turns)), turns)[:size]
    turn = _constant(0, size) if single else np.arange(size) - (np.cumsum(turns) - turns)[session]
    later = turn > 0
    follows = bool(later.any())
    after = np.ma.MaskedArray(np.arange(size) - 1, mask=~later) if follows else _unknown(size)
    picked = picks if single else picks[session]
    message, answer, output = _lengths(workload, source, (picked, turn), seed)
    prefix = _unknown(len(turns))
    if workload.shared_prefix_tokens:
        prefix = np.ma.MaskedArray((_uniforms(seed, "prefix", len(turns)) * workload.prefixes).astype(np.int64))
        first = message if single else message[turn == 0]
        if int(first.min()) < workload.shared_prefix_tokens:
            raise UsageError("A shared prefix of {prefix} tokens does not fit into a prompt of {shortest}.",
                             "Raise --input-len, or shorten the prefix.", prefix=workload.shared_prefix_tokens, shortest=int(first.min()))
    return Schedule(
        offset_ns=starts_ns if single else np.ma.MaskedArray(starts_ns[session], mask=np.ma.getmaskarray(starts_ns)[session] | later),
        after=after, think_ns=np.where(later, round(workload.think_time_s * NS_PER_S), 0) if follows else _constant(0, size),
        session=session, turn=turn, source=picked, prefix=prefix if single else prefix[session], message_tokens=message,
        input_tokens=_with_history(message, answer, turn) if follows else message, output_tokens=output, slots=load.concurrency)


def _with_history(message: Column, answer: Column, turn: Integers) -> Column:
    """Tokens of all that is sent: the turn's own message and every message and answer before it in its session."""
    first = np.arange(len(turn)) - turn

    def so_far(values: Integers) -> Integers:
        summed = np.concatenate([[0], np.cumsum(values)])
        whole: Integers = summed[:-1] - summed[first]
        return whole

    before = so_far(message.filled(0) + answer.filled(0))
    unknown = so_far((np.ma.getmaskarray(message) | np.ma.getmaskarray(answer)).astype(np.int64)) > 0
    return np.ma.MaskedArray(message.filled(0) + before, mask=unknown | np.ma.getmaskarray(message))


def _lengths(workload: Workload, source: Source | None, rows: tuple[Column, Integers], seed: int | str) -> tuple[Column, Column, Column]:
    """Tokens of each row's own message, of the answer that later turns repeat, and of the answer asked for."""
    picked, turn = rows
    size = len(turn)
    asked = None if workload.output_len is None else _drawn(workload.output_len, size, seed, "output length")
    if isinstance(source, Trace):
        output = np.ma.MaskedArray(source.output_tokens[picked.data]) if asked is None else asked
        return np.ma.MaskedArray(source.input_tokens[picked.data]), _unknown(size), output
    if isinstance(source, Dataset):
        exchanges: list[Exchange] = [source.conversations[row].exchanges[place]
                                     for row, place in zip(picked.data.tolist(), turn.tolist(), strict=True)]
        answers = _column([one.answer_tokens for one in exchanges])
        output = _column([one.output_tokens for one in exchanges]) if asked is None else asked
        return _column([one.input_tokens for one in exchanges]), answers, output
    assert workload.input_len is not None  # by _check
    asked = _unknown(size) if asked is None else asked
    return _drawn(workload.input_len, size, seed, "input length"), asked, asked


def _drawn(length: Length, size: int, seed: int | str, purpose: str) -> Column:
    """``size`` lengths of the distribution, at least 1. Raises :class:`UsageError` for an empty range."""
    if length.kind == "exact":
        return np.ma.MaskedArray(_constant(max(1, round(length.mean)), size))
    high = length.high
    if length.kind == "uniform" and high is None:
        high = round(2 * length.mean) - length.low  # as far above the mean as low is below it
    if high is not None and high < length.low:
        raise UsageError("A length between {low} and {high} tokens does not exist.", "", low=length.low, high=high)
    draws = _uniforms(seed, purpose, size)
    if length.kind == "uniform":
        assert high is not None
        return np.ma.MaskedArray(length.low + (draws * (high - length.low + 1)).astype(np.int64))
    from scipy.special import ndtri

    spread = np.rint(length.mean + length.deviation * ndtri(draws))
    return np.ma.MaskedArray(np.clip(spread, length.low, high).astype(np.int64))


# ── arrivals ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _starts_ns(load: Load, sessions: int | None, duration_s: float | None, seed: int | str, source: Source | None) -> Column:
    """When each session starts; masked: when a slot is free."""
    if load.arrival in {None, "burst"}:
        if sessions is None:
            raise UsageError("A load without a rate needs a number of requests.", "Give --num-prompts.")
        if load.arrival == "burst":
            return np.ma.MaskedArray(_constant(0, sessions))
        slots = min(load.concurrency or 1, sessions)
        starts = np.full(sessions, _NONE, dtype=np.int64)
        starts[:slots] = np.rint(np.arange(slots) * (load.ramp_s * NS_PER_S / (load.concurrency or 1)))
        return np.ma.MaskedArray(starts, mask=np.arange(sessions) >= slots)
    if isinstance(source, Trace) and load.arrival == "trace":
        at_ns = np.rint(source.offset_ns[:sessions] / load.speedup).astype(np.int64)
    else:
        at_ns = np.rint(_arrivals_s(load, sessions, duration_s, seed) * NS_PER_S).astype(np.int64)
    return np.ma.MaskedArray(at_ns if duration_s is None else at_ns[at_ns < round(duration_s * NS_PER_S)])


def _arrivals_s(load: Load, sessions: int | None, duration_s: float | None, seed: int | str) -> Floats:
    """Times of the first ``sessions`` arrivals, or of all before the load's end."""
    rate = _Rate(load)
    end_s = min(rate.end_s, math.inf if duration_s is None else duration_s)
    if sessions is None and end_s == math.inf:
        raise UsageError("The load would never end.", "Give --num-prompts or --duration.")
    wanted = math.ceil(rate.arrivals_before(end_s)) + 1 if sessions is None else sessions
    while True:  # the number of arrivals is random too: draw until the last is past the end
        counts = np.arange(wanted, dtype=np.float64) if load.arrival == "constant" else np.cumsum(_gaps(load, wanted, seed))
        times: Floats = rate.time_of(counts)
        if sessions is not None or times[-1] >= end_s:
            return times[times < end_s]
        wanted *= 2


def _gaps(load: Load, size: int, seed: int | str) -> Floats:
    """Gaps of a renewal process of mean 1: exponential, or gamma of shape ``burstiness``."""
    draws = _uniforms(seed, "arrivals", size)
    if load.arrival == "poisson":
        return -np.log1p(-draws)
    from scipy.special import gammaincinv

    gaps: Floats = gammaincinv(load.burstiness, draws) / load.burstiness
    return gaps


class _Rate:
    """The rate over time, linear between ``edges_s``: stages are flat, and a ramp multiplies them by t / ramp_s until that is 1."""

    def __init__(self, load: Load) -> None:
        stages: Sequence[tuple[float, float]] = [(stage.duration_s, stage.request_rate) for stage in load.stages]
        flat = stages or [(math.inf, load.request_rate or 0.0)]
        edges = np.concatenate([[0.0], np.cumsum([duration for duration, _ in flat])])
        self.end_s = float(edges[-1])
        cuts = sorted({*edges[:-1].tolist(), *([load.ramp_s] if 0 < load.ramp_s < self.end_s else [])})
        self.edges_s = np.array([*cuts, self.end_s])
        full = np.array([flat[int(np.searchsorted(edges, cut, side="right")) - 1][1] for cut in cuts])
        climbing = np.array([cut < load.ramp_s for cut in cuts])
        self._slope = np.where(climbing, full / (load.ramp_s or 1.0), 0.0)
        self._start = np.where(climbing, self._slope * cuts, full)
        widths = np.diff(self.edges_s)[:-1]
        self._passed = np.concatenate([[0.0], np.cumsum(self._start[:-1] * widths + self._slope[:-1] * widths**2 / 2)])

    def arrivals_before(self, time_s: float) -> float:
        """Expected number of arrivals before ``time_s``: the integral of the rate."""
        piece = int(np.searchsorted(self.edges_s[:-1], time_s, side="right")) - 1
        into = min(time_s, self.end_s) - self.edges_s[piece]
        return float(self._passed[piece] + self._start[piece] * into + self._slope[piece] * into**2 / 2)

    def time_of(self, counts: Floats) -> Floats:
        """When the integral of the rate reaches each of ``counts``; past the last stage the times lie past its end.

        On each piece a·x + b·x²/2 = y, solved in the form that stays exact where b or a is 0: x = 2y / (a + √(a² + 2by)).
        """
        piece = np.searchsorted(self._passed, counts, side="right") - 1
        left = counts - self._passed[piece]
        start, slope = self._start[piece], self._slope[piece]
        below = start + np.sqrt(start**2 + 2 * slope * left)
        times: Floats = self.edges_s[piece] + np.divide(2 * left, below, out=np.zeros_like(left), where=below > 0)
        return times


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _uniforms(seed: int | str, purpose: str, size: int) -> Floats:
    """The first ``size`` numbers of the stream of ``purpose``, strictly between 0 and 1, on a grid of 2⁻⁵²."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest(), "little")
    raw: Any = np.random.PCG64(key).random_raw(size)
    grid: Floats = ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return grid


def _constant(value: int, size: int) -> Integers:
    """A column of one value that takes no memory."""
    return np.broadcast_to(np.int64(value), size)


def _unknown(size: int) -> Column:
    return np.ma.MaskedArray(_constant(_NONE, size), mask=np.broadcast_to(np.True_, size))


def _column(values: Sequence[int | None]) -> Column:
    return np.ma.MaskedArray(np.array([_NONE if value is None else value for value in values], dtype=np.int64),
                             mask=np.array([value is None for value in values], dtype=bool))
