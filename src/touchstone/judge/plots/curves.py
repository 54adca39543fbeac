"""Ways to run the same work, and those of them that no other beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from touchstone.finding import CaseFinding, Trust
from touchstone.judge.plots.shapes import Shape
from touchstone.plots import OperatingCurve, OperatingPoint


def batch_curves(shapes: Sequence[Shape], devices: int | None) -> tuple[OperatingCurve, ...]:
    """One for every shape that was measured at several batch sizes, by batch."""
    curves = []
    for shape in shapes:
        points = [point for case in shape.cases if (point := _point(case, ("batch", case.batch_size), devices)) is not None]
        if shape.batched and len(points) > 1:
            title = f"{shape.input_tokens:.6g} → {shape.output_tokens:.6g}"
            curves.append(OperatingCurve(title, shape.input_tokens, shape.output_tokens, devices, with_front(points)))
    return tuple(curves)


def load_curves(cases: Sequence[CaseFinding]) -> tuple[OperatingCurve, ...]:
    """One for every way in which several loads arrived, by concurrency or rate."""
    groups: dict[tuple[object, ...], list[tuple[CaseFinding, OperatingPoint]]] = {}
    for case in cases:
        offered = case.load or {}
        axis = _axis(offered)
        point = None if axis is None else _point(case, axis, None)
        if axis is not None and point is not None:
            cap = offered.get("concurrency") if axis[0] == "rate" else None
            groups.setdefault((offered.get("arrival"), offered.get("burstiness"), offered.get("speedup"), cap), []).append((case, point))
    return tuple(_load_curve(key, group) for key, group in groups.items() if len(group) > 1)


def _load_curve(key: tuple[object, ...], group: Sequence[tuple[CaseFinding, OperatingPoint]]) -> OperatingCurve:
    arrival, burstiness, _, cap = key
    title = f"{arrival}{'' if burstiness is None else f' {burstiness:g}'}{'' if cap is None else f' ≤ {cap}'}"
    points = sorted((point for _, point in group), key=lambda point: point.load)
    cases = [case for case, _ in group]
    return OperatingCurve(title, _mean([case.input_tokens for case in cases]), _mean([case.output_tokens for case in cases]), None,
                          with_front(points))


def _axis(offered: Mapping[str, Any]) -> tuple[str, float] | None:
    """What was turned up, and how far; a burst, a trace and stages have no one number."""
    if offered.get("arrival") == "closed" and offered.get("concurrency"):
        return "concurrency", float(offered["concurrency"])
    if offered.get("request_rate"):
        return "rate", float(offered["request_rate"])
    return None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _point(case: CaseFinding, axis: tuple[str, float], devices: int | None) -> OperatingPoint | None:
    rate, ttft, tpot, goodput = (case.metrics.get(name) for name in ("output_throughput", "ttft", "tpot", "goodput"))
    if rate is None or rate.value is None or ttft is None or tpot is None:
        return None
    return OperatingPoint(
        case=case.name, trust=case.trust, load_kind=axis[0], load=float(axis[1]), output_throughput=rate.value, low=rate.low, high=rate.high,
        ttft_p50=ttft.quantiles.get("p50"), ttft_p99=ttft.quantiles.get("p99"), tpot_p50=tpot.quantiles.get("p50"),
        tpot_p99=tpot.quantiles.get("p99"), user_speed=case.metrics["decode_speed"].value, device_throughput=rate.value / (devices or 1),
        goodput=goodput.value if goodput else None, goodput_low=goodput.low if goodput else None,
        goodput_high=goodput.high if goodput else None, on_front=False)


def with_front(points: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """The same points, those marked that no other believable one beats."""
    standing = [point for point in points if point.trust is not Trust.REJECTED and None not in _worth(point)]
    front = {id(point) for point in standing if not any(_beats(other, point) for other in standing)}
    return tuple(replace(point, on_front=id(point) in front) for point in points)


def _worth(point: OperatingPoint) -> tuple[float | None, float | None]:
    return point.user_speed, point.device_throughput


def _beats(one: OperatingPoint, other: OperatingPoint) -> bool:
    """Whether ``one`` gives at least as much to each user and in all, and more of either."""
    return _worth(one) != _worth(other) and all((mine or 0.0) >= (theirs or 0.0) for mine, theirs in zip(_worth(one), _worth(other), strict=True))
