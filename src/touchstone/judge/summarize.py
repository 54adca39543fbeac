"""Run → one finding per case: every metric of the table with its interval, its n and the reason for what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import Any

import numpy as np

from touchstone.finding import CaseFinding, Estimate
from touchstone.judge import metrics, stats
from touchstone.judge.columns import events_of, requests_of, window_of
from touchstone.judge.device_estimates import device_estimates, device_state
from touchstone.judge.meters import Meters
from touchstone.judge.metrics import METRICS, Window
from touchstone.judge.over_launches import interval
from touchstone.message import Message, say
from touchstone.record import MemoryPeaks, Record, Run, Status, Trial

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
REPORTED = ("ttft", "tpot", "itl", "e2e", "decode_speed", "output_throughput", "peak_memory")
"""The metrics of an engine in this process, whatever it runs on; a device that was sampled has more."""
_OF_REQUESTS = {"ttft": metrics.ttft, "tpot": metrics.tpot, "e2e": metrics.e2e}
RANGE = "range of the trials"


@dataclass(frozen=True)
class _Case:
    name: str
    title: Mapping[str, str]
    batch_size: int
    speed: bool


def summarize(run: Run) -> tuple[CaseFinding, ...]:
    """One finding per case of the plan that was tried at all, in the plan's order."""
    planned = [_Case(case["name"], case.get("title") or {}, case["batch_size"], not case["stop_at_eos"])
               for case in _plan_cases(run)]
    meters = Meters(run)
    return tuple(_case(run, meters, case, trials) for case in planned if (trials := run.tried(case.name)))


def _plan_cases(run: Run) -> Sequence[Mapping[str, Any]]:
    plan = run.header["plan"]
    assert isinstance(plan, Mapping)
    return list(plan["cases"])


def _case(run: Run, meters: Meters, case: _Case, trials: Sequence[Trial]) -> CaseFinding:
    records = [record for trial in trials for record in trial.records]
    ok = [record for record in records if record.status is Status.OK]
    failed = Counter(record.status.value for record in records if record.status is not Status.OK)
    for trial in trials:
        if not trial.records:  # refused or killed: nobody wrote down its requests
            failed[trial.status.value] += trial.batch_size
    kept = whole(trials)
    return CaseFinding(
        name=case.name, title=case.title, batch_size=case.batch_size, speed=case.speed,
        input_tokens=_mean([record.input_tokens for record in ok]), output_tokens=_mean([record.output_tokens for record in ok]),
        trials=len(kept), launches=len({trial.launch for trial in kept}), issued=len(ok) + failed.total(), ok=len(ok),
        failed=dict(failed), metrics=_estimates(kept) | device_estimates(meters, kept), texts=tuple(dict.fromkeys(record.text for record in ok if record.text))[:3],
        thinking_tokens=_mean([record.thinking_tokens for record in ok]), kv_bytes=_kv_bytes(run, case, ok),
        memory_peaks=_memory_peaks(kept), device=device_state(meters, kept),
    )


def whole(trials: Iterable[Trial]) -> list[Trial]:
    """Those of which every request ended well: no other enters an estimate."""
    return [trial for trial in trials if trial.status is Status.OK and all(record.status is Status.OK for record in trial.records)]


def _memory_peaks(trials: Sequence[Trial]) -> dict[str, int | None]:
    """The largest reading of each kind over the trials; None where the device has no such count."""
    return {kind.name: max((value for trial in trials if (value := getattr(trial.memory, kind.name)) is not None), default=None)
            for kind in fields(MemoryPeaks)}


def _kv_bytes(run: Run, case: _Case, ok: Sequence[Record]) -> int | None:
    """Computed, not measured: the cache that the batch's longest context needs."""
    launches = run.header.get("launches")
    per_token = launches[0]["facts"].get("kv_bytes_per_token") if isinstance(launches, list) and launches else None
    if not ok or per_token is None:
        return None
    return case.batch_size * max((record.input_tokens or 0) + (record.output_tokens or 0) for record in ok) * int(per_token)


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _estimates(trials: Sequence[Trial]) -> dict[str, Estimate]:
    found = {name: _of_records(name, trials) for name in ("ttft", "tpot", "itl", "e2e")}
    found["decode_speed"] = inverse(found["tpot"])
    found["output_throughput"] = _throughput(trials)
    found["peak_memory"] = _peak_memory(trials)
    return found


def distinct(trial: Trial) -> list[Record]:
    """Sequences of a static batch that share every stamp are one observation, not many."""
    return list({record.event_ns: record for record in trial.records if record.event_ns}.values())


def _of_records(name: str, trials: Sequence[Trial]) -> Estimate:
    flat: list[float] = []
    means: dict[int, list[float]] = {}
    for trial in trials:
        mean = trial_value(name, trial)
        if mean is not None:
            flat += values_of(name, distinct(trial))
            means.setdefault(trial.launch, []).append(mean)
    if not flat:
        return nothing(name, say("no request carries this value (fewer than two tokens, or none succeeded)"))
    quantiles, reasons = _quantiles(flat)
    mean = fmean(value for values in means.values() for value in values)
    low, high, method, reason = interval(mean, list(means.values()))
    return Estimate(metric=name, unit=METRICS[name].unit, n=len(flat), value=mean, low=low, high=high, method=method,
                    quantiles={**quantiles, "max": max(flat)}, bounds=_bounds(flat, quantiles), reasons=reasons | reason)


def values_of(name: str, records: Sequence[Record]) -> list[float]:
    """Every value of a latency that ``records`` carry, in seconds: of ``itl`` every gap."""
    values = metrics.itl(events_of(records)) if name == "itl" else _OF_REQUESTS[name](requests_of(records))
    return [float(value) for value in values.compressed()]


def trial_value(name: str, trial: Trial) -> float | None:
    """One trial's output throughput, or its mean of a latency over all its sequences; None where it carries none.

    Over all sequences: every trial weighs the same in an estimate, however many of its stamps coincide.
    """
    if name == "output_throughput":
        window = window_of(trial)
        return metrics.output_throughput(window) if window else None
    values = values_of(name, trial.records)
    return fmean(values) if values else None


def _quantiles(values: Sequence[float]) -> tuple[dict[str, float | None], dict[str, Message]]:
    found: dict[str, float | None] = {}
    reasons: dict[str, Message] = {}
    for name, probability in QUANTILES.items():
        needed = stats.least_n(probability)
        found[name] = stats.quantile(values, probability) if len(values) >= needed else None
        if len(values) < needed:
            reasons[name] = too_few(len(values), probability)
    return found, reasons


def _bounds(values: Sequence[float], quantiles: Mapping[str, float | None]) -> dict[str, tuple[float, float]]:
    """Between which values each printed quantile lies, where there are enough for both sides."""
    array = np.array(values)
    return {name: both for name, printed in quantiles.items() if printed is not None and (both := stats.quantile_bounds(array, QUANTILES[name]))}


def too_few(have: int, probability: float) -> Message:
    """Why ``have`` values support no quantile at ``probability``."""
    return say("n too small: have {have}, need {need}", have=have, need=stats.least_n(probability))


def inverse(tpot: Estimate) -> Estimate:
    """Decode speed: 1 / mean TPOT, so that the table's own columns multiply out; its interval is TPOT's, turned round."""
    if tpot.value is None:
        return nothing("decode_speed", tpot.reasons["value"])
    return Estimate(metric="decode_speed", unit=METRICS["decode_speed"].unit, n=tpot.n, value=1 / tpot.value,
                    low=1 / tpot.high if tpot.high else None, high=1 / tpot.low if tpot.low else None, method=tpot.method,
                    reasons={name: reason for name, reason in tpot.reasons.items() if name in {"low", "high"}})


def _throughput(trials: Sequence[Trial]) -> Estimate:
    """Ratio of sums, never a mean of rates."""
    groups: dict[int, list[float]] = {}
    total = Window(0.0, 0.0)
    for trial in trials:
        window = window_of(trial)
        rate = metrics.output_throughput(window) if window else None
        if window and rate is not None:
            groups.setdefault(trial.launch, []).append(rate)
            total = Window(total.seconds + window.seconds, total.output_tokens + window.output_tokens)
    value = metrics.output_throughput(total)
    if value is None:
        return nothing("output_throughput", say("no trial succeeded"))
    low, high, method, reason = interval(value, list(groups.values()))
    return Estimate(metric="output_throughput", unit=METRICS["output_throughput"].unit, n=sum(map(len, groups.values())),
                    value=value, low=low, high=high, method=method, reasons=reason)


def _peak_memory(trials: Sequence[Trial]) -> Estimate:
    peaks = [peak for trial in trials if (peak := metrics.peak_memory(trial.memory)) is not None]
    if not peaks:
        return nothing("peak_memory", say("this device has no peak counter"))
    return Estimate(metric="peak_memory", unit=METRICS["peak_memory"].unit, n=len(peaks), value=max(peaks), low=min(peaks),
                    high=max(peaks), method=RANGE)


def nothing(name: str, reason: Message) -> Estimate:
    """An estimate without a value, and ``reason`` beside every part of it."""
    spread = METRICS[name].unit == "s"
    missing = ("value", "low", "high", *(("mean", "max", *QUANTILES) if spread else ()))
    return Estimate(metric=name, unit=METRICS[name].unit, n=0, value=None, quantiles=dict.fromkeys(QUANTILES) if spread else {},
                    reasons=dict.fromkeys(missing, reason))
