"""Samples the measured process from outside it, on the same clock as the tape."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil

from touchstone import store
from touchstone.clock import cpu_time_ns, now_ns
from touchstone.record import Sample

PERIOD_S = 0.25
_FLUSH_SAMPLES = 200


class Sampler:
    """A thread of the parent process that reads one child every ``PERIOD_S`` seconds and appends to the run."""

    def __init__(self, directory: Path, launch: int, pid: int) -> None:
        self._directory, self._launch = directory, launch
        self._child = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._samples: list[Sample] = []
        self._started_ns, self._started_cpu_ns = now_ns(), cpu_time_ns()
        psutil.cpu_percent(None)

    def __enter__(self) -> Sampler:  # noqa: PYI034 - typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._flush()

    @property
    def cost_fraction(self) -> float:
        """Share of one core that the whole parent process used while sampling."""
        return (cpu_time_ns() - self._started_cpu_ns) / max(1, now_ns() - self._started_ns)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            sample = self._sample()
            if sample is None:
                return
            self._samples.append(sample)
            if len(self._samples) >= _FLUSH_SAMPLES:
                self._flush()

    def _flush(self) -> None:
        store.append_samples(self._directory, self._samples)
        self._samples = []

    def _sample(self) -> Sample | None:
        at_ns = now_ns()
        try:
            with self._child.oneshot():
                resident = self._child.memory_info().rss
                times = self._child.cpu_times()
        except psutil.Error:  # the child has ended
            return None
        frequency = psutil.cpu_freq()
        return Sample(
            at_ns=at_ns, launch=self._launch, resident_bytes=resident, cpu_self_ns=round((times.user + times.system) * 1e9),
            cpu_busy_fraction=round(psutil.cpu_percent(None) / 100, 4), load_1min=os.getloadavg()[0],
            frequency_hz=round(frequency.current * 1e6) if frequency else None,
            memory_available_bytes=psutil.virtual_memory().available,
        )
