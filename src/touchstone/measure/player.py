"""Plays one batch on an engine, once, and writes down what happened. Nothing runs between the two stamps but the engine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from touchstone import store
from touchstone.clock import cpu_time_ns, now_ns
from touchstone.errors import EngineLostError, TouchstoneError
from touchstone.measure.engines import Engine
from touchstone.measure.tape import Tape
from touchstone.record import MemoryPeaks, Phase, Record, Status, Trial
from touchstone.request import Batch
from touchstone.units import NS_PER_S


@dataclass(frozen=True)
class Place:
    """Which launch and process a trial belongs to."""

    launch: int
    process: int


class Player:
    """Numbers the trials of one process and appends each to the run as it ends."""

    def __init__(self, engine: Engine, directory: Path, place: Place, started: Callable[[str, Phase, int], None]) -> None:
        self._engine = engine
        self._directory = directory
        self._place = place
        self._started = started
        self._sequence = 0
        self._family: list[psutil.Process] = []
        self.lost: EngineLostError | None = None
        """Set where the process that computes went away in the middle of a trial."""

    def play(self, case: str, index: int, phase: Phase, batch: Batch) -> Trial:
        """One trial. A failure of the engine becomes a trial with that status; only our own mistakes are raised."""
        self._started(case, phase, index)
        tape = Tape()
        prepared = self._engine.prepare(batch)
        self._family = psutil.Process().children(recursive=True)  # a server, or an engine's workers
        records, status, error = self._timed(batch, prepared, tape, marked=phase is not Phase.PILOT_PLAIN)
        trial = Trial(
            launch=self._place.launch, process=self._place.process, sequence=self._sequence, case=case, index=index, phase=phase,
            batch_size=batch.size, status=status, error=error, sent_ns=tape.sent_ns, ended_ns=tape.ended_ns,
            records=records or tuple(_unanswered(batch, tape, status)), memory=self._peaks(),
            cpu_self_ns=self._cpu_self_ns, cpu_others_ns=self._cpu_others_ns, collector_pauses=self._pauses,
        )
        self._sequence += 1
        store.append_trial(self._directory, trial)
        return trial

    def refuse(self, case: str, index: int, batch_size: int, reason: str) -> None:
        """Write down a case that was not tried because it cannot fit."""
        at_ns = now_ns()
        store.append_trial(self._directory, Trial(
            launch=self._place.launch, process=self._place.process, sequence=self._sequence, case=case, index=index,
            phase=Phase.MEASURED, batch_size=batch_size, status=Status.OUT_OF_MEMORY, error=reason, sent_ns=at_ns, ended_ns=at_ns))
        self._sequence += 1

    def _timed(self, batch: Batch, prepared: object, tape: Tape, *, marked: bool) -> tuple[tuple[Record, ...], Status, str | None]:
        device = self._engine.device
        device.reset_peaks()
        collections_before = _collections()
        was_enabled = gc.isenabled()
        gc.disable()
        cpu_before = _cpu_times(self._family)
        device.synchronize()
        tape.start()
        try:
            output = self._engine.generate(prepared, tape, marked=marked)
            device.synchronize()
            tape.stop()
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is a fact about the trial, and ends in its record
            tape.stop()
            device.release()
            return (), self._status_of(error), (str(error).strip() or type(error).__name__).splitlines()[0]
        finally:
            self._cpu_self_ns, self._cpu_others_ns = _cpu_spent(cpu_before, _cpu_times(self._family))
            self._pauses = _collections() - collections_before
            if was_enabled:
                gc.enable()
        try:
            return self._engine.read(batch, tape, output), Status.OK, None
        except TouchstoneError as error:
            return (), self._status_of(error), str(error)

    def _status_of(self, error: Exception) -> Status:
        if isinstance(error, EngineLostError):
            self.lost = error
        if self._engine.is_out_of_memory(error):
            return Status.OUT_OF_MEMORY
        return Status.KILLED if self.lost else Status.ERROR

    def _peaks(self) -> MemoryPeaks:
        memory = self._engine.device.memory()
        return MemoryPeaks(allocated_bytes=memory.peak_allocated, reserved_bytes=memory.peak_reserved,
                           device_used_bytes=memory.device_used, resident_bytes=memory.peak_resident)


def _unanswered(batch: Batch, tape: Tape, status: Status) -> list[Record]:
    return [
        Record(request_id=request.id, prompt_digest=request.prompt_digest, input_tokens_built=request.input_tokens,
               input_tokens=None, cached_tokens=None, asked_output_tokens=request.max_output_tokens, output_tokens=None,
               status=status, finish=None, sent_ns=tape.sent_ns, ended_ns=tape.ended_ns)
        for request in batch.requests
    ]


def _collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def _cpu_times(family: Sequence[psutil.Process]) -> tuple[int, float]:
    """CPU time of this process and its ``family`` in ns, and seconds that the host's processors were busy (stolen time included)."""
    times = psutil.cpu_times()
    busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return cpu_time_ns() + sum(map(_cpu_of, family)), busy


def _cpu_of(process: psutil.Process) -> int:
    try:
        spent = process.cpu_times()
    except psutil.Error:  # ended meanwhile
        return 0
    return round((spent.user + spent.system) * NS_PER_S)


def _cpu_spent(before: tuple[int, float], after: tuple[int, float]) -> tuple[int, int]:
    """CPU time of the engine's processes, this one among them, and of everything else on the host, in ns between two readings (host clock ticks are 10 ms)."""
    own_ns = after[0] - before[0]
    others_ns = round((after[1] - before[1]) * NS_PER_S) - own_ns
    return max(0, own_ns), max(0, others_ns)
