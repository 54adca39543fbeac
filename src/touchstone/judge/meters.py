"""The samples of a run's devices, ready to be asked: energy and memory of a trial, the device at rest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from touchstone.judge.columns import window_of
from touchstone.judge.energy import Curve, counted_energy, integrated_energy
from touchstone.message import Message, say
from touchstone.record import DeviceSample, Run, Trial
from touchstone.units import NS_PER_S, significant

Device = tuple[str, int]
"""Kind and the driver's number."""
_FIELDS = ("energy_j", "power_w")


@dataclass(frozen=True)
class Span:
    """A stretch of time in a launch, in nanoseconds."""

    launch: int
    from_ns: int
    to_ns: int


def span_of(trial: Trial) -> Span | None:
    """From handing over a batch to its last token; None without tokens."""
    window = window_of(trial)
    return None if window is None else Span(trial.launch, trial.sent_ns, trial.sent_ns + round(window.seconds * NS_PER_S))


class Meters:
    """Every device's samples of every launch."""

    def __init__(self, run: Run) -> None:
        self._samples = run.device_samples
        self._accounts = telemetry_accounts(run.header)
        self.devices: tuple[Device, ...] = tuple(sorted({(sample.kind, sample.index) for sample in self._samples}))
        target = run.header.get("target")
        options = (target.get("options") if isinstance(target, Mapping) else None) or {}
        self._expected = int(options.get("tensor_parallel") or 1)

    # ── energy ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def energy(self, span: Span) -> float | Message:
        """Joules of all devices together, or why they cannot be told."""
        if len(self.devices) < self._expected:
            return say("{seen} of {expected} devices were sampled", seen=len(self.devices), expected=self._expected)
        total = 0.0
        for device in self.devices:
            energy = self._energy_of(device, span)
            if isinstance(energy, Message):
                return energy
            total += energy
        return total

    def _energy_of(self, device: Device, span: Span) -> float | Message:
        counter, power = (self._curves.get((span.launch, device, name)) for name in _FIELDS)
        dies = [(device[0], die) for die in self._power_of.get(device, ())]
        if not set(dies) <= set(self.devices):
            return say("power is told for a card of {dies} dies, of which this run used fewer", dies=len(dies))
        if counter is not None:
            return counted_energy(counter, span.from_ns, span.to_ns)
        if power is not None:
            return integrated_energy(power, span.from_ns, span.to_ns)
        if any((span.launch, die, "power_w") in self._curves for die in dies):
            return 0.0  # in the row of another die of its card
        return say("the device tells neither energy nor power")

    @cached_property
    def _power_of(self) -> dict[Device, tuple[int, ...]]:
        """Of each device the dies that its power is of, where the sampler said."""
        sensors = [account.get("sensor") for account in self._accounts]
        told = [one for sensor in sensors if isinstance(sensor, Mapping) for one in sensor.get("devices") or () if isinstance(one, Mapping)]
        return {("npu", int(one["index"])): tuple(map(int, one["power_of"])) for one in told if one.get("power_of")}

    def method(self, spans: Sequence[Span]) -> str:
        """How the energy of ``spans`` was had, in the words of a methods section."""
        kinds = {kind for kind, _ in self.devices}
        count = f", sum over {len(self.devices)} devices" if len(self.devices) > 1 else ""
        if "cpu" in kinds:
            return f"RAPL package energy, whole host, counter interpolated to the edges of each trial{count}"
        if any(name == "energy_j" for _, _, name in self._curves):
            return f"energy counter of the device, interpolated to the edges of each trial{count}"
        curves = [curve for (_, _, name), curve in self._curves.items() if name == "power_w"]
        periods = [curve.period_s for curve in curves if curve.period_s is not None]
        samples = sum(sample.power_w is not None for sample in self.within(spans))
        period = significant(fmean(periods), 3) if periods else "?"
        return f"integral of sampled power, trapezoids, period {period} s, {samples} samples{count}"

    @cached_property
    def _curves(self) -> dict[tuple[int, Device, str], Curve]:
        points: dict[tuple[int, Device, str], list[tuple[int, float]]] = {}
        for sample in self._samples:
            for name in _FIELDS:
                value = getattr(sample, name)
                if value is not None:
                    points.setdefault((sample.launch, (sample.kind, sample.index), name), []).append((sample.at_ns, float(value)))
        return {key: Curve.of(found) for key, found in points.items()}

    # ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def memory_above_idle(self, span: Span) -> int | Message:
        """The largest sample of each device less its smallest before anything was loaded in this launch, summed; or why not."""
        total = 0
        idle = self._idle.get(span.launch, ())
        for device in self.devices:
            rest = [sample.memory_used_bytes for sample in _of(idle, device) if sample.memory_used_bytes is not None]
            used = [sample.memory_used_bytes for sample in _of(self.within([span]), device) if sample.memory_used_bytes is not None]
            if not rest:
                return say("no sample of the device's memory before it was loaded")
            if not used:
                return say("no sample of the device's memory in the trials")
            total += max(used) - min(rest)
        return total

    # ── at rest, and in general ──────────────────────────────────────────────────────────────────────────────────────────

    def within(self, spans: Iterable[Span]) -> list[DeviceSample]:
        """The samples taken in ``spans``, which do not overlap."""
        found: list[DeviceSample] = []
        for span in spans:
            stamps, samples = self._in_order.get(span.launch, ((), ()))
            found += samples[bisect_left(stamps, span.from_ns):bisect_right(stamps, span.to_ns)]
        return found

    @cached_property
    def _in_order(self) -> dict[int, tuple[list[int], list[DeviceSample]]]:
        launches: dict[int, list[DeviceSample]] = {}
        for sample in sorted(self._samples, key=lambda one: one.at_ns):
            launches.setdefault(sample.launch, []).append(sample)
        return {launch: ([one.at_ns for one in samples], samples) for launch, samples in launches.items()}

    @cached_property
    def _idle(self) -> dict[int, list[DeviceSample]]:
        starts: dict[int, int] = {}
        for account in self._accounts:
            if isinstance(account.get("started_ns"), int):
                starts[account["launch"]] = min(starts.get(account["launch"], account["started_ns"]), account["started_ns"])
        found: dict[int, list[DeviceSample]] = {}
        for sample in self._samples:
            if sample.launch in starts and sample.at_ns < starts[sample.launch]:
                found.setdefault(sample.launch, []).append(sample)
        return found

    def idle(self) -> tuple[int, int | None, float | None]:
        """Of the quietest launch before it loaded: how many samples, the bytes in use and the watts of all devices (None: unknown)."""
        count = sum(map(len, self._idle.values()))
        memory = [held for samples in self._idle.values() if (held := self._rest_memory(samples)) is not None]
        power = [drawn for samples in self._idle.values() if (drawn := self._rest_power(samples)) is not None]
        return count, min(memory, default=None), min(power, default=None)

    def others_before(self) -> int | None:
        """Processes that used the devices before the run did: the fewest seen in any launch, at most; None where nobody can tell."""
        fewest = [min(known) for samples in self._idle.values()
                  if (known := [sample.other_processes for sample in samples if sample.other_processes is not None])]
        return max(fewest, default=None)

    def _rest_memory(self, samples: Sequence[DeviceSample]) -> int | None:
        known = [[one.memory_used_bytes for one in _of(samples, device) if one.memory_used_bytes is not None] for device in self.devices]
        return sum(map(min, known)) if known and all(known) else None

    def _rest_power(self, samples: Sequence[DeviceSample]) -> float | None:
        watts = [_rest_power(_of(samples, device)) for device in self.devices]
        known = [one for one in watts if one is not None]
        return sum(known) if known and len(known) == len(watts) else None


def _rest_power(samples: Sequence[DeviceSample]) -> float | None:
    """The mean of sampled power, or of a counter alone its slope."""
    watts = [sample.power_w for sample in samples if sample.power_w is not None]
    if watts:
        return fmean(watts)
    counted = [(sample.at_ns, sample.energy_j) for sample in samples if sample.energy_j is not None]
    if len(counted) < 2 or counted[-1][0] <= counted[0][0]:
        return None
    return (counted[-1][1] - counted[0][1]) * NS_PER_S / (counted[-1][0] - counted[0][0])


def _of(samples: Iterable[DeviceSample], device: Device) -> list[DeviceSample]:
    return [sample for sample in samples if (sample.kind, sample.index) == device]


def telemetry_accounts(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What each sampler of the run said of itself; empty for runs from before it did."""
    telemetry = header.get("telemetry")
    accounts = telemetry.get("launches") if isinstance(telemetry, Mapping) else None
    return [one for one in accounts if isinstance(one, Mapping)] if isinstance(accounts, list) else []
