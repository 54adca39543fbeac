"""The sampler's own process: reads every sensor in a fixed rhythm until it is told to end, or nobody is left who could tell it.

Its orders come as lines of JSON through a pipe; the pipe closes with whoever holds its other end, so a killed parent ends it too.
"""

from __future__ import annotations

import json
import os
import select
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchstone import sample_lines
from touchstone.clock import cpu_time_ns, now_ns
from touchstone.measure.sensors import NoReadingsError, Sensor, Watched, open_sensor
from touchstone.measure.sensors.choice import chosen_devices, runs_here
from touchstone.measure.sensors.host import Host
from touchstone.measure.sensors.processes import RunProcesses
from touchstone.message import Message, say
from touchstone.record import DeviceSample, Sample
from touchstone.units import NS_PER_S, seconds

Emit = Callable[[Mapping[str, object]], None]
LEAST_IDLE = 3
"""Readings of each device before anything is loaded, so that what an idle device uses is known."""
_IDLE_LIMIT_NS = 5 * NS_PER_S
_FLUSH_NS = 5 * NS_PER_S
_MOST_KEPT = 10_000


@dataclass(frozen=True)
class SamplerSpec:
    """What to watch: ``device`` as the target names it, the first of ``count``; ``base_url`` is of a server that was running already."""

    directory: str
    launch: int
    process: int
    device: str
    count: int = 1
    base_url: str | None = None
    period_s: float = 0.25


class Orders:
    """Lines of JSON from a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._kept, self._parent = descriptor, b"", os.getppid()
        self.ended = False

    def until(self, due_ns: int) -> list[dict[str, Any]]:
        """What comes before ``due_ns``; returns at once when something does, or when the other end closes."""
        wait_s = max(0.0, seconds(due_ns - now_ns()))
        if not select.select([self._descriptor], [], [], wait_s)[0]:
            self.ended = os.getppid() != self._parent
            return []
        chunk = os.read(self._descriptor, 1 << 16)
        self.ended = not chunk
        *lines, self._kept = (self._kept + chunk).split(b"\n")
        return [json.loads(line) for line in lines]


def play(spec: SamplerSpec, orders: Orders, emit: Emit) -> None:
    """Sample until the orders end; says ``ready`` when the idle device has been seen, and at the end what it did and cost."""
    sampler = _Sampler(spec)
    try:
        sampler.run(orders, emit)
    finally:
        sampler.close()
    emit(sampler.account())


class _Sampler:
    def __init__(self, spec: SamplerSpec) -> None:
        self._spec = spec
        self._own = RunProcesses(elsewhere=spec.base_url is not None)
        self._missing: list[tuple[str, Message]] = []
        self._host, self._sensor = Host(spec.launch), self._opened()
        self._name = self._sensor.name if self._sensor else ""
        self._facts: Mapping[str, object] | None = None
        self._kept: dict[str, list[Any]] = {"telemetry": [], "devices": []}
        self._written: Counter[str] = Counter()
        self._starts_ns: list[int] = []
        self._reads_ns = 0
        self._since_ns, self._since_cpu_ns, self._flushed_ns = now_ns(), cpu_time_ns(), now_ns()

    def _opened(self) -> Sensor | None:
        kind = self._spec.device.partition(":")[0]
        if not runs_here(self._spec.base_url):
            self._missing.append((kind, say("the server runs on another machine")))
            return None
        try:
            devices = chosen_devices(self._spec.device, self._spec.count, os.environ)
            return open_sensor(Watched(self._spec.launch, kind, devices, self._own))
        except NoReadingsError as error:
            self._missing.append((kind, error.reason))
            return None

    def run(self, orders: Orders, emit: Emit) -> None:
        """Read in the rhythm of the period. A reading that comes late moves none of those after it."""
        period_ns, due_ns, ready = round(self._spec.period_s * NS_PER_S), now_ns(), False
        while not orders.ended:
            if now_ns() >= due_ns:
                self._read()
                due_ns += period_ns * max(1, -((due_ns - now_ns()) // period_ns))
            if not ready and self._has_seen_it_idle():
                ready = True
                emit({"ready": True})
            for order in orders.until(due_ns):
                self._own.pid = order["pid"]
                self._host.watch(order["pid"])

    def _has_seen_it_idle(self) -> bool:
        if self._sensor is None or now_ns() - self._since_ns > _IDLE_LIMIT_NS:
            return True
        devices: list[DeviceSample] = self._kept["devices"]
        counts = Counter(sample.index for sample in devices)
        return bool(counts) and min(counts.values()) >= LEAST_IDLE

    def _read(self) -> None:
        self._starts_ns.append(now_ns())
        host: Sample = self._host.read()
        self._kept["telemetry"].append(host)
        if self._sensor is not None:
            started_ns = now_ns()
            try:
                self._kept["devices"] += self._sensor.read()
            except NoReadingsError as error:
                self._lose(error.reason)
            self._reads_ns += now_ns() - started_ns
        if now_ns() - self._flushed_ns > _FLUSH_NS:
            self._flush()

    def _lose(self, reason: Message) -> None:
        assert self._sensor is not None
        self._missing.append((self._sensor.name, reason))
        self._facts = dict(self._sensor.facts())
        self._sensor.close()
        self._sensor = None

    def _flush(self, *, last: bool = False) -> None:
        for table, samples in self._kept.items():
            try:
                sample_lines.append(sample_lines.part(Path(self._spec.directory), table, self._spec.launch, self._spec.process), samples)
            except OSError as error:
                if len(samples) < _MOST_KEPT and not last:  # there may be room again
                    continue
                self._missing.append((table, say("the samples cannot be written: {error}", error=str(error.strerror or error))))
            else:
                self._written[table] += len(samples)
            samples.clear()
        self._flushed_ns = now_ns()

    def close(self) -> None:
        """Keep what was read, and end what was started."""
        self._flush(last=True)
        if self._sensor is not None:
            self._facts = dict(self._sensor.facts())
            self._sensor.close()

    def account(self) -> dict[str, object]:
        """How often it read, what it cost (npu-smi's calls included), what there was to read and what was missing, and why."""
        gaps = [later - one for one, later in zip(self._starts_ns, self._starts_ns[1:], strict=False)]
        children = os.times()
        cpu_s = seconds(cpu_time_ns() - self._since_cpu_ns) + children.children_user + children.children_system
        wall_s = seconds(now_ns() - self._since_ns)
        return {
            "launch": self._spec.launch, "process": self._spec.process, "asked_period_s": self._spec.period_s,
            "period_s": round(seconds(round(statistics.median(gaps))), 4) if gaps else None, "readings": len(self._starts_ns),
            "cpu_s": round(cpu_s, 4), "wall_s": round(wall_s, 3), "cost_fraction": round(cpu_s / max(wall_s, 1e-9), 5),
            "sensor": None if self._facts is None else {"name": self._name, "read_s": round(seconds(self._reads_ns) / max(
                1, len(self._starts_ns)), 6), **self._facts},
            "samples": dict(self._written),
            "missing": [{"of": name, "template": reason.template, "fields": {key: str(value) for key, value in reason.fields}}
                        for name, reason in self._missing],
        }
