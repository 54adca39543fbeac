"""How a run's devices were watched, in sentences that every face shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from touchstone.finding import CaseFinding, Estimate, Findings
from touchstone.message import Message, say
from touchstone.report.table import NOTHING, number, percent
from touchstone.units import gigabytes, significant

_OF_DEVICES = ("power", "energy_per_token", "device_memory")
_HZ_PER_MHZ = 1e6


def watching(findings: Findings) -> Iterator[Message]:
    """What the devices use at rest, how they were sampled, and what could not be, with the reason."""
    telemetry = findings.telemetry
    if telemetry is None:
        return
    if telemetry.idle_power_w is not None:
        yield say("idle power {power} W ({samples} samples before loading)", power=significant(telemetry.idle_power_w, 3),
                  samples=telemetry.idle_samples)
    if telemetry.idle_memory_bytes is not None:
        yield say("device memory in use before loading: {size}", size=gigabytes(telemetry.idle_memory_bytes))
    if telemetry.devices and telemetry.period_s is not None and telemetry.cost_fraction is not None:
        yield say("sampled every {period} s by a process of its own, which used {cost} % of a core", period=significant(telemetry.period_s, 2),
                  cost=significant(100 * telemetry.cost_fraction, 2))
    for reason in telemetry.missing:
        yield say("not watched: {reason}", reason=reason)


def methods(findings: Findings) -> list[str]:
    """How energy was measured, each way once."""
    return list(dict.fromkeys(case.metrics["power"].method for case in findings.cases
                              if "power" in case.metrics and case.metrics["power"].value is not None))


def unknown(findings: Findings) -> Iterator[tuple[CaseFinding, str, Message]]:
    """Which case lacks which number of its devices, and why."""
    for case in findings.cases:
        for name in _OF_DEVICES:
            estimate = case.metrics.get(name)
            if estimate is not None and estimate.value is None:
                yield case, name, estimate.reasons["value"]


def device_cells(case: CaseFinding, said: Callable[[Message], str]) -> list[str]:
    """Power (W), energy (J/token) with its interval, largest temperature (°C), clock (MHz, median and least), throttled (%)."""
    energy, state = case.metrics.get("energy_per_token"), case.device
    clocks = NOTHING if state is None or state.frequency_median_hz is None or state.frequency_min_hz is None else \
        f"{significant(state.frequency_median_hz / _HZ_PER_MHZ)} / {significant(state.frequency_min_hz / _HZ_PER_MHZ)}"
    return [
        _value(case.metrics.get("power")), _value(energy),
        NOTHING if energy is None or energy.low is None else f"{number(energy.low)} … {number(energy.high)}",
        number(state.temperature_max_c if state else None), clocks,
        NOTHING if state is None or state.throttled_fraction is None else said(percent(significant(100 * state.throttled_fraction, 3))),
    ]


def _value(estimate: Estimate | None) -> str:
    return number(estimate.value if estimate else None)
