"""Plays one point: the request file is there, workers are started, all begin at one instant, and nothing is said until they end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from touchstone.clock import now_ns, sleep
from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.devices.cpu import usable_cores
from touchstone.measure.load.body import RequestFile
from touchstone.measure.load.connection import Address
from touchstone.measure.load.page import Page, Slot, Stage
from touchstone.measure.load.worker import UNREACHABLE, WorkerSpec
from touchstone.units import NS_PER_MS, NS_PER_S

_STREAMS_PER_PROCESS = 256
_LEAD_NS = 20 * NS_PER_MS
_LOOK_S = 0.02
_LOOK_SLOWLY_S = 0.2
_SPARE = 16
_MOST_WARM = 1024
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Counts:
    """How far a point is: requests sent, ended and failed so far, over all its workers."""

    sent: int = 0
    ended: int = 0
    failed: int = 0


@dataclass
class Control:
    """The user's wish to stop: 1 sends nothing new and waits for what is under way, 2 stops at once."""

    stop: int = 0


@dataclass(frozen=True)
class PointSpec:
    """One load, once. ``slots`` is the concurrency of a closed loop or the cap of an open one; ``burst`` has that many at once."""

    address: Address
    files: Path
    scratch: Path
    parts: Path
    point: int
    case: str
    repeat: int
    id_prefix: str
    requests: int
    slots: int | None
    at_once: int
    timeout_s: float
    duration_s: float | None = None
    streamed: bool = True
    tokenizer: str | None = None
    keep_text: bool = False
    processes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Played:
    """When a point began and ended, and what each worker says of itself."""

    started_ns: int
    ended_ns: int
    workers: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)


def processes_for(spec: PointSpec) -> int:
    """One process per 256 streams, on at most half the cores: the rest belong to the kernel and, here, perhaps to the server."""
    if spec.processes is not None:
        return min(spec.processes, spec.requests)
    return max(1, min(usable_cores() // 2, -(-spec.at_once // _STREAMS_PER_PROCESS), spec.requests))


def play(spec: PointSpec, control: Control, watch: Callable[[Counts], None]) -> Played:
    """Play ``spec`` to its end. Raises :class:`NotReadyError` where no worker can connect, :class:`EngineError` if one is lost."""
    spec.scratch.mkdir(parents=True, exist_ok=True)
    count = processes_for(spec)
    workers = [_Worker(_share(spec, process, count)) for process in range(count)]
    try:
        _until(workers, Stage.READY, control, watch)
        start_ns = now_ns() + _LEAD_NS
        for worker in workers:
            worker.page[Slot.START_NS] = start_ns
        _until(workers, Stage.PLAYED, control, watch)
        ended_ns = now_ns()
        _until(workers, Stage.DONE, control, watch)
        return Played(start_ns, ended_ns, tuple(worker.facts() for worker in workers))
    finally:
        for worker in workers:
            worker.close()


def _share(spec: PointSpec, process: int, processes: int) -> WorkerSpec:
    slots = None if spec.slots is None else _part(spec.slots, process, processes)
    at_once, files = _part(spec.at_once, process, processes), RequestFile(spec.files, processes)
    stem = spec.scratch / f"{spec.point:04d}-{process:03d}"
    return WorkerSpec(
        address=asdict(spec.address), index=str(files.index_path(process)), requests=str(files.data_path),
        process=process, cap=slots,
        connections=max(1, min(at_once, _MOST_WARM)), spare=0 if spec.slots is not None else _SPARE, timeout_s=spec.timeout_s,
        duration_s=spec.duration_s, page=f"{stem}.page", tape=f"{stem}.tape", facts=f"{stem}.json", parts=str(spec.parts), point=spec.point,
        case=spec.case, repeat=spec.repeat, id_prefix=spec.id_prefix, streamed=spec.streamed, tokenizer=spec.tokenizer,
        keep_text=spec.keep_text, private_headers="".join(f"{name}: {value}\r\n" for name, value in spec.headers.items()))


def _part(total: int, process: int, processes: int) -> int:
    """What falls to one process when ``total`` is dealt out, as sessions are."""
    return len(range(process, total, processes))


class _Worker:
    """A process and the page it shares with us."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self.page = Page(Path(spec.page), create=True)
        self._log = Path(f"{spec.page}.log")
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the parent alone, which tells the worker through the page.
            self.process = subprocess.Popen([sys.executable, "-m", "touchstone", "load-worker"], stdin=subprocess.PIPE, stdout=log,
                                            stderr=log, start_new_session=True, text=True)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:  # a worker that died at once is found by its exit
            pipe.write(spec.to_json())

    def lost(self) -> bool:
        return self.process.poll() is not None and self.page[Slot.STAGE] != Stage.DONE

    def error(self) -> NotReadyError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"exit {self.process.returncode}"
        if self.process.returncode == UNREACHABLE:
            return NotReadyError("No server can be reached at {server}: {why}.",
                                 "Start it, or check --base-url (and the scheme: http or https).",
                                 server=self._spec.address["host"], why=why)
        return EngineError("A process of the load client was lost: {why}.", "What it had finished before is kept in the run's directory.", why=why)

    def facts(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = json.loads(Path(self._spec.facts).read_text(encoding="utf-8"))
        return facts

    def close(self) -> None:
        if self.process.poll() is None:
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.page.close()


def _until(workers: list[_Worker], stage: Stage, control: Control, watch: Callable[[Counts], None]) -> None:
    """Look at the pages, rarely while the load runs, until every worker has reached ``stage``."""
    began_ns = now_ns()
    while any(worker.page[Slot.STAGE] < stage for worker in workers):
        lost = next((worker for worker in workers if worker.lost()), None)
        if lost is not None or (stage == Stage.READY and now_ns() - began_ns > _PATIENCE_S * NS_PER_S):
            for worker in workers:
                worker.page[Slot.STOP] = 2
                worker.process.terminate()
            raise (lost or workers[0]).error()
        if control.stop:
            for worker in workers:
                worker.page[Slot.STOP] = control.stop
        if stage == Stage.PLAYED:
            watch(_counts(workers))
        sleep(_LOOK_SLOWLY_S if stage == Stage.PLAYED and now_ns() - began_ns > NS_PER_S else _LOOK_S)
    watch(_counts(workers))


def _counts(workers: list[_Worker]) -> Counts:
    total = Counts()
    for worker in workers:
        total = replace(total, sent=total.sent + worker.page[Slot.SENT], ended=total.ended + worker.page[Slot.ENDED],
                        failed=total.failed + worker.page[Slot.FAILED])
    return total
