"""What the samples of devices say of a case and of a run: estimates like any other, the device's state, and what was not watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from touchstone.finding import DeviceState, Estimate, TelemetryFinding
from touchstone.judge import metrics
from touchstone.judge.columns import window_of
from touchstone.judge.meters import Meters, Span, span_of, telemetry_accounts
from touchstone.judge.metrics import METRICS, Metered
from touchstone.judge.over_launches import interval
from touchstone.message import Message, say
from touchstone.record import Run, Trial

HELD_DOWN = frozenset({"sw_power_cap", "hw_slowdown", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "board_limit",
                       "reliability"})
"""The reasons for a low clock that are heat or power; the others are somebody's choice."""
_RATES = {"power": metrics.power, "energy_per_token": metrics.energy_per_token}


def device_estimates(meters: Meters, trials: Sequence[Trial]) -> dict[str, Estimate]:
    """Memory above idle, power and energy per token of a case's good trials; nothing where no device was sampled at all."""
    spans = [(trial, span) for trial in trials if (span := span_of(trial)) is not None]
    if not meters.devices or not spans:
        return {}
    found = _energies(meters, spans)
    if any(kind != "cpu" for kind, _ in meters.devices):
        found["device_memory"] = _memory(meters, [span for _, span in spans])
    return found


def _energies(meters: Meters, spans: Sequence[tuple[Trial, Span]]) -> dict[str, Estimate]:
    told: dict[int, list[Metered]] = {}
    covered: list[Span] = []
    reason: Message | None = None
    for trial, span in spans:
        energy, window = meters.energy(span), window_of(trial)
        if isinstance(energy, Message) or window is None:
            reason = energy if isinstance(energy, Message) else None
            continue
        covered.append(span)
        told.setdefault(span.launch, []).append(Metered(window.seconds, window.output_tokens, energy))
    if not told:
        return {name: _nothing(name, reason or say("no trial succeeded")) for name in _RATES}
    every = [one for launch in told.values() for one in launch]
    total = Metered(sum(one.seconds for one in every), sum(one.output_tokens for one in every), sum(one.energy_j or 0.0 for one in every))
    method = meters.method(covered)
    return {name: _ratio(name, total, list(told.values()), method) for name in _RATES}


def _ratio(name: str, total: Metered, launches: Sequence[Sequence[Metered]], method: str) -> Estimate:
    """Ratio of sums, never a mean of rates."""
    of = _RATES[name]
    value = of(total)
    if value is None:
        return _nothing(name, say("no trial succeeded"))
    groups = [[rate for one in launch if (rate := of(one)) is not None] for launch in launches]
    low, high, how, reasons = interval(value, groups)
    return Estimate(metric=name, unit=METRICS[name].unit, n=sum(map(len, groups)), value=value, low=low, high=high,
                    method=f"{method}; {how}", reasons=reasons)


def _memory(meters: Meters, spans: Sequence[Span]) -> Estimate:
    told = [meters.memory_above_idle(span) for span in spans]
    known = [one for one in told if not isinstance(one, Message)]
    if not known:
        return _nothing("device_memory", next(one for one in told if isinstance(one, Message)))
    samples, *_ = meters.idle()
    return Estimate(metric="device_memory", unit=METRICS["device_memory"].unit, n=len(known), value=max(known), low=min(known), high=max(known),
                    method=f"range of the trials; above the smallest of {samples} samples of the idle device(s)")


def _nothing(name: str, reason: Message) -> Estimate:
    return Estimate(metric=name, unit=METRICS[name].unit, n=0, value=None, reasons=dict.fromkeys(("value", "low", "high"), reason))


def device_state(meters: Meters, trials: Sequence[Trial]) -> DeviceState | None:
    """How the devices fared while ``trials`` were played; None where no sample was taken then."""
    samples = meters.within([span for trial in trials if (span := span_of(trial)) is not None])
    if not samples:
        return None
    told = [set(filter(None, sample.throttle.split(","))) & HELD_DOWN for sample in samples if sample.throttle is not None]
    clocks = [sample.frequency_hz for sample in samples if sample.frequency_hz is not None]
    return DeviceState(
        samples=len(samples),
        temperature_max_c=max((one.temperature_c for one in samples if one.temperature_c is not None), default=None),
        frequency_min_hz=min(clocks, default=None), frequency_median_hz=median(clocks) if clocks else None,
        throttled_fraction=sum(map(bool, told)) / len(told) if told else None, throttle_reasons=tuple(sorted(set().union(*told))),
        other_processes_max=max((one.other_processes for one in samples if one.other_processes is not None), default=None),
    )


def telemetry_finding(run: Run, meters: Meters) -> TelemetryFinding | None:
    """How the run was watched; None for a run whose sampler did not say."""
    accounts = telemetry_accounts(run.header)
    if not accounts:
        return None
    samples, memory, power = meters.idle()
    periods, costs = ([float(one[name]) for one in accounts if one.get(name) is not None] for name in ("period_s", "cost_fraction"))
    told = [missing for account in accounts for missing in account.get("missing") or () if isinstance(missing, Mapping)]
    sensors = [dict(account["sensor"]) for account in accounts if account.get("sensor")]
    return TelemetryFinding(
        period_s=median(periods) if periods else None, cost_fraction=max(costs, default=None), devices=len(meters.devices),
        idle_samples=samples, idle_memory_bytes=memory, idle_power_w=power, sensors=tuple(sensors[:1]),
        missing=tuple(dict.fromkeys(_message(one) for one in told)),
    )


def _message(told: Mapping[str, Any]) -> Message:
    """A sampler's sentence, as it crossed from another process."""
    fields = told.get("fields")
    sentence = Message(str(told.get("template")), tuple((name, str(value)) for name, value in fields.items()) if isinstance(fields, Mapping) else ())
    try:
        sentence.render(str)
    except (LookupError, ValueError, AttributeError):
        sentence = say("{text}", text=str(told.get("template")))
    return say("{what}: {reason}", what=str(told.get("of")), reason=sentence)
