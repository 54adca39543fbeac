"""What the pictures of a report are drawn from: every point already computed, in SI units. Reports draw these and compute nothing.

A point says how far it may be believed (``trust``): rejected ones join no line, no front and no "best".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from touchstone.finding import Trust
from touchstone.message import Message

Point = tuple[float, float]
"""x and y."""


@dataclass(frozen=True)
class Dot:
    """One trial, or one repeat of a load: ``order`` is its place among all measured ones of the run, counted from 1."""

    launch: int
    order: int
    value: float


@dataclass(frozen=True)
class CaseDots:
    """Every repetition of one case, with the mean and its interval as the findings have them."""

    case: str
    trust: Trust
    dots: tuple[Dot, ...]
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class DotPlot:
    """Every repetition of every case, of one metric."""

    metric: str
    unit: str
    cases: tuple[CaseDots, ...]


@dataclass(frozen=True)
class ScalingPoint:
    """A batch size and its output throughput; ``ideal`` is that of the smallest batch that is not rejected times the ratio of the batches.

    ``superlinear`` is a throughput whose whole interval lies above the ideal: something to be explained.
    """

    case: str
    trust: Trust
    batch_size: int
    value: float
    low: float | None
    high: float | None
    ideal: float
    superlinear: bool


@dataclass(frozen=True)
class Scaling:
    """How output throughput grows with the batch, for cases of one shape (mean tokens in and out, as measured)."""

    input_tokens: float
    output_tokens: float
    points: tuple[ScalingPoint, ...]


@dataclass(frozen=True)
class CdfCurve:
    """The share of values that are at most ``x``, for one case: at most 200 steps of ``n`` values, the extremes and every percent among them."""

    case: str
    trust: Trust
    n: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class LimitLine:
    """A service level: at least ``quantile`` of the values must be at most ``value``."""

    level: str
    value: float
    quantile: float


@dataclass(frozen=True)
class Cdf:
    """The distributions of one metric."""

    metric: str
    unit: str
    curves: tuple[CdfCurve, ...]
    limits: tuple[LimitLine, ...] = ()


@dataclass(frozen=True)
class GanttBar:
    """One request, in seconds since the first was sent. Without a first token or an end those are None."""

    request: int
    sent_s: float
    first_token_s: float | None
    ended_s: float | None
    ending: str


@dataclass(frozen=True)
class Gantt:
    """The requests of one point of load, at most 120 of the ``total`` sent: the slowest, some that failed, and others evenly.

    ``in_flight`` counts all of them: from each (second, count) on, until the next; where steps were left out, the highest were kept, and dips of less
    than a five-hundredth of the time are not told.
    """

    case: str
    total: int
    bars: tuple[GanttBar, ...]
    in_flight: tuple[Point, ...]
    window_s: Point | None


@dataclass(frozen=True)
class TimelineSlice:
    """A slice of time, by its middle: tokens that came in it, TTFT of the requests sent in it, gaps that ended in it.

    A quantile is None where the slice has too few values.
    """

    at_s: float
    output_throughput: float
    ttft_p50: float | None
    ttft_p95: float | None
    itl_p50: float | None
    itl_p95: float | None
    longest_gap_s: float | None


@dataclass(frozen=True)
class Timeline:
    """What happened when, at one point of load, in seconds since the first request was sent."""

    case: str
    slices: tuple[TimelineSlice, ...]
    window_s: Point | None


@dataclass(frozen=True)
class OperatingPoint:
    """One way to run: a batch, a concurrency or a rate, with what it gives to each user and in all.

    ``load`` is the number on the axis, ``load_kind`` batch, concurrency or rate. Latencies in seconds. ``user_speed`` is the decode
    speed of one request and ``device_throughput`` the output tokens per second and device; where nobody knows the devices, of all of them
    together. ``goodput`` is in requests per second. ``on_front`` says that no other point of the curve that is not rejected gives at least as
    much of both and more of one; a rejected point is on no front.
    """

    case: str
    trust: Trust
    load_kind: str
    load: float
    output_throughput: float
    low: float | None
    high: float | None
    ttft_p50: float | None
    ttft_p99: float | None
    tpot_p50: float | None
    tpot_p99: float | None
    user_speed: float | None
    device_throughput: float | None
    goodput: float | None
    goodput_low: float | None
    goodput_high: float | None
    on_front: bool


@dataclass(frozen=True)
class OperatingCurve:
    """The ways to run one shape of work, by rising load.

    ``title`` needs no translation: mean tokens in → out, or how requests arrive (closed, poisson). ``devices`` is the denominator of what is
    given per device; None where nobody knows it, and then ``device_throughput`` is of the whole server.
    """

    title: str
    input_tokens: float | None
    output_tokens: float | None
    devices: int | None
    points: tuple[OperatingPoint, ...]


@dataclass(frozen=True)
class HeatCell:
    """One batch size and length; a value of None was not measured, and then there is no ``case`` ("") to believe, or failed."""

    batch_size: int
    length: int
    value: float | None
    trust: Trust
    case: str


@dataclass(frozen=True)
class HeatMap:
    """A metric over batch sizes and lengths (mean tokens, rounded), the whole grid; ``axis`` says which length varies: input or output."""

    metric: str
    unit: str
    axis: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class RooflinePoint:
    """One phase (prefill or decode) of one case. ``intensity`` in FLOP per byte, ``flops`` achieved per second.

    ``share`` is of the roof above the point.
    """

    case: str
    phase: str
    trust: Trust
    intensity: float
    flops: float
    share: float


@dataclass(frozen=True)
class Roofline:
    """What the hardware allows: ``bandwidth`` in bytes/s, ``flops`` per second (None: unknown), with where the figures are from."""

    device: str
    bandwidth: float
    flops: float | None
    source: Message
    points: tuple[RooflinePoint, ...]


@dataclass(frozen=True)
class MemoryStack:
    """Where the memory of one case went: ``parts`` from the bottom (weights, kv, other), in bytes, and what was read off the device.

    ``parts`` add up to the measured peak where there is one, "other" being the rest; where the known parts are more than it, there is no
    rest. ``computed`` names those that are arithmetic. ``measured`` is by kind of reading; ``total_bytes`` is the device's whole memory.
    """

    case: str
    parts: tuple[tuple[str, int], ...]
    computed: tuple[str, ...]
    measured: Mapping[str, int]
    total_bytes: int | None


@dataclass(frozen=True)
class StabilityPoint:
    """One trial: its place among all warm-up and measured trials, counted from 1, and its throughput relative to the median of its case."""

    order: int
    launch: int
    case: str
    relative: float


@dataclass(frozen=True)
class Stability:
    """Was the machine the same from beginning to end: trials in order, and ``launch_cv``, the spread between launches of each case.

    That is the standard deviation between launches relative to the mean; what trials vary by anyway is taken out of it, so it may be 0.
    Temperature and clock are of the device that got hottest, in seconds since the first trial.
    """

    points: tuple[StabilityPoint, ...]
    launch_cv: Mapping[str, float]
    warmup: tuple[StabilityPoint, ...] = ()
    temperature_c: tuple[Point, ...] = ()
    frequency_hz: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Plots:
    """All that can be drawn of a run; what the run cannot show is empty or None, with the reason in ``missing`` by field name.

    Where only a part can be shown, ``missing`` says of a field what is left out.
    """

    dots: tuple[DotPlot, ...] = ()
    scaling: tuple[Scaling, ...] = ()
    cdfs: tuple[Cdf, ...] = ()
    gantts: tuple[Gantt, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    curves: tuple[OperatingCurve, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    roofline: Roofline | None = None
    memory: tuple[MemoryStack, ...] = ()
    stability: Stability | None = None
    missing: Mapping[str, Message] | None = None
