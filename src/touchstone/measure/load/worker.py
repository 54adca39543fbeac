"""One process of a load: opens its connections, waits for the common start, plays its share in silence, then decodes its own tape.

Nothing heavy is imported before the load is over: the process starts in a tenth of a second and is small while it measures.
"""

from __future__ import annotations

import gc
import json
import os
import resource
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from touchstone.clock import cpu_time_ns, now_ns, sleep
from touchstone.measure.load.client import Client, Limits
from touchstone.measure.load.connection import Address
from touchstone.measure.load.page import Page, Slot, Stage
from touchstone.measure.load.pool import Pool
from touchstone.measure.load.share import Share
from touchstone.measure.load.tape_file import TapeWriter
from touchstone.units import NS_PER_S

_SPIN_NS = 2_000_000
UNREACHABLE = 3
"""Exit code of a worker that could open no connection."""


@dataclass(frozen=True)
class WorkerSpec:
    """A worker's share.

    ``index`` and ``requests`` hold it; ``parts`` is where the decoded tables go.
    ``private_headers`` are whole header lines that may hold a key; they come over the pipe and go to the server, nowhere else.
    """

    address: Mapping[str, Any]
    index: str
    requests: str
    process: int
    cap: int | None
    connections: int
    spare: int
    timeout_s: float
    duration_s: float | None
    page: str
    tape: str
    facts: str
    parts: str
    point: int
    case: str
    repeat: int
    id_prefix: str
    streamed: bool
    tokenizer: str | None
    keep_text: bool
    private_headers: str

    def to_json(self) -> str:
        """As handed to the process."""
        return json.dumps(asdict(self))


def work(spec: WorkerSpec) -> None:
    """Play and decode ``spec``; what happened is in its facts file. Raises OSError where the server cannot be reached."""
    _allow_connections(spec.connections + spec.spare + 64)
    page = Page(Path(spec.page))
    share = Share(Path(spec.index), Path(spec.requests))
    pool = Pool(Address(**spec.address))
    client = Client(pool, share, TapeWriter(Path(spec.tape)), page, Limits(spec.cap, spec.spare, spec.timeout_s))
    client.add_headers(spec.private_headers)
    opened = pool.warm(spec.connections)
    gc.collect()
    gc.freeze()
    gc.disable()
    page[Slot.STAGE] = Stage.READY
    parent = os.getppid()
    while not page[Slot.START_NS]:
        if os.getppid() != parent:
            return
        sleep(0.001)
    start_ns = page[Slot.START_NS]
    stop_ns = None if spec.duration_s is None else start_ns + round(spec.duration_s * NS_PER_S)
    sleep((start_ns - now_ns() - _SPIN_NS) / NS_PER_S)
    while now_ns() < start_ns:
        pass
    cpu_fraction = client.play(start_ns, stop_ns)
    ended_ns = now_ns()
    gc.enable()
    pool.close()
    page[Slot.STAGE] = Stage.PLAYED
    conduct = client.conduct
    elapsed_ns = max(1, ended_ns - start_ns)
    facts: dict[str, object] = {
        "process": spec.process, "started_ns": start_ns, "ended_ns": ended_ns, "cpu_fraction": cpu_fraction, "connections": opened,
        "connections_opened": pool.opened, "loop_busy_fraction": conduct.busy_ns / elapsed_ns, "loop_turns": conduct.turns,
        "late_loops": conduct.late_turns, "late_ns": conduct.late_ns, "longest_loop_ns": conduct.longest_turn_ns,
        "collector_pauses": conduct.collections, "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    cpu_ns = cpu_time_ns()
    facts["read_delay_ns"] = _decode(spec, share, conduct.clock_pairs)
    facts["decode_cpu_ns"] = cpu_time_ns() - cpu_ns
    facts["peak_resident_bytes_decoding"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    Path(spec.facts).write_text(json.dumps(facts), encoding="utf-8")
    page[Slot.STAGE] = Stage.DONE


def _secrets(header_lines: str) -> tuple[str, ...]:
    """The values of private headers, and their last words: the key in ``Bearer KEY``."""
    values = [line.partition(":")[2].strip() for line in header_lines.split("\r\n") if line]
    return tuple(dict.fromkeys(part for value in values for part in (value, value.rpartition(" ")[2]) if part))


def _allow_connections(count: int) -> None:
    """Raise the soft limit on open files as far as it may go; opening them says what is missing then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard) if hard != resource.RLIM_INFINITY else count, hard))


def _decode(spec: WorkerSpec, share: Share, clock_pairs: list[tuple[int, int]]) -> dict[str, int | None]:
    from touchstone import load_store
    from touchstone.measure.load.decode import Context, DelayHistogram, decode, read_tape

    delays = DelayHistogram()
    count = None
    if spec.tokenizer is not None:
        from touchstone.measure.load.prompts import TokenizerFile

        count = TokenizerFile(Path(spec.tokenizer)).counts
    context = Context(spec.point, spec.case, spec.repeat, spec.process, spec.id_prefix, spec.streamed, clock_pairs, share, count, spec.keep_text,
                      _secrets(spec.private_headers))
    parts = Path(spec.parts)
    for number, (requests, events) in enumerate(decode(read_tape(Path(spec.tape)), context, delays)):
        load_store.append_answers(parts, f"{spec.point:04d}-{spec.process:03d}-{number:05d}", requests, events)
    return delays.facts()
