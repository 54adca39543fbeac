"""What the client itself adds: the planned load, played for about two seconds against a server whose true times are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from touchstone import parquet
from touchstone.checkpoints.vocabulary import words
from touchstone.errors import TouchstoneError
from touchstone.load_plan import Endpoint, Length, Load, LoadPlan, Workload
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.play import Control, PointSpec, play, processes_for
from touchstone.measure.load.points import Asking, Points
from touchstone.measure.load.prompts import Prompter, Words
from touchstone.measure.scripted import Entry, Script, ScriptedServer
from touchstone.served import TOKEN_KINDS
from touchstone.units import seconds

PERIOD_S = 2.0
_OUTPUT_TOKENS = 25
_TTFT_S = 0.05
_ITL_S = 0.02
_INPUT_TOKENS = 128
_FASTEST_RATE = 2_000.0
_MOST_AT_ONCE = 2048
_WORDS = 64
_SUPPORTED = ((0.99, 299), (0.95, 59), (0.90, 29))


def calibrate(load: Load, at_once: int, processes: int | None, scratch: Path) -> dict[str, Any]:
    """Play ``load`` against the scripted server and compare each request with its log. Times in seconds; ``reason`` if it failed."""
    answer_s = _TTFT_S + _ITL_S * (_OUTPUT_TOKENS - 1)
    planned, count = _shortened(load, at_once, answer_s)
    plan = LoadPlan(workload=Workload(input_len=Length(mean=_INPUT_TOKENS), output_len=Length(mean=_OUTPUT_TOKENS)), loads=(planned,),
                    num_prompts=count)
    try:
        with ScriptedServer(Script(ttft_s=_TTFT_S, itl_s=_ITL_S)) as server:
            spec = _spec(server.base_url, plan, min(at_once, _MOST_AT_ONCE), processes, scratch)
            played = play(spec, Control(), lambda _: None)
            truth = {entry.request_id: entry for entry in server.log()}
    except (TouchstoneError, OSError) as error:
        return {"reason": str(error), "load": planned.label}
    return {"load": planned.label, "requests": count, "cpu_fraction": max(worker["cpu_fraction"] for worker in played.workers),
            "read_delay_ns": [worker["read_delay_ns"] for worker in played.workers], **errors(spec.parts, truth)}


def _shortened(load: Load, at_once: int, answer_s: float) -> tuple[Load, int]:
    """The same kind of load for two seconds, and its number of requests."""
    if load.closed:
        slots = min(load.concurrency or 1, _MOST_AT_ONCE)
        return Load(concurrency=slots), max(slots, round(slots * PERIOD_S / answer_s))
    if load.arrival in {"burst", "trace"}:
        slots = min(at_once, _MOST_AT_ONCE)
        return Load(arrival="burst"), slots
    rate = min(_FASTEST_RATE, max([load.request_rate or 0.0, *(stage.request_rate for stage in load.stages)]))
    return load.model_copy(update={"request_rate": rate, "stages": (), "ramp_s": 0.0}), max(8, round(rate * PERIOD_S))


def _spec(base_url: str, plan: LoadPlan, at_once: int, processes: int | None, scratch: Path) -> PointSpec:
    address = parse_address(base_url)
    endpoint = Endpoint(base_url=base_url, backend="openai", path="/v1/completions", model="scripted")
    asking = Asking(address, endpoint, Prompter(Words(words()[:_WORDS])), 0)
    points = Points(plan, asking, None)
    [load] = plan.loads
    schedule = points.schedule(load, plan.num_prompts, None, 0)
    spec = PointSpec(address=address, files=scratch / "requests", scratch=scratch, parts=scratch / "parts", point=0, case=load.label, repeat=0,
                     id_prefix="calibration-", requests=len(schedule), slots=schedule.slots, at_once=at_once, timeout_s=30.0,
                     processes=processes)
    spec.parts.mkdir(parents=True, exist_ok=True)
    count = processes_for(spec)
    points.write(spec.files, schedule, "calibration", count)
    return replace(spec, processes=count)


def errors(parts: Path, truth: Mapping[str | None, Entry]) -> dict[str, Any]:
    """Reported − true, in seconds: TTFT by the kernel's stamps and by our own, and the gaps between tokens."""
    requests = _requests(parts)
    events = _token_stamps(parts)
    ttft: list[float] = []
    ttft_read: list[float] = []
    gaps: list[float] = []
    for number, name, sent_ns in requests:
        entry, stamps = truth.get(name), events.get(number)
        if entry is None or entry.first_token_sent_ns is None or stamps is None:
            continue
        true_s = seconds(entry.first_token_sent_ns - entry.received_ns)
        ttft.append(seconds(int(stamps[0][0]) - sent_ns) - true_s)
        ttft_read.append(seconds(int(stamps[1][0]) - sent_ns) - true_s)
        if len(stamps[0]) == len(entry.token_sent_ns) > 1:
            gaps += (np.abs(np.diff(stamps[0]) - np.diff(np.array(entry.token_sent_ns))) / 1e9).tolist()
    if not ttft:
        return {"reason": "no-answer"}
    # The highest quantile that the sample can support; of a few requests a P99 would be the worst one.
    supported = next((probability for probability, least in _SUPPORTED if len(ttft) >= least), 0.5)
    entries = [entry for entry in truth.values() if entry.token_sent_ns]
    span_s = seconds(max(entry.token_sent_ns[-1] for entry in entries) - min(entry.received_ns for entry in entries))
    return {
        "floor_s": _quantile(np.abs(ttft), supported), "floor_quantile": supported, "ttft_error_mean_s": float(np.mean(ttft)),
        "read_ttft_error_mean_s": float(np.mean(ttft_read)), "read_ttft_error_p99_s": _quantile(np.abs(ttft_read), 0.99), "gap_error_p99_s": _quantile(gaps, 0.99) if gaps else None,
        "events_per_s": sum(len(entry.token_sent_ns) for entry in entries) / span_s if span_s > 0 else None, "compared": len(ttft),
    }


def _quantile(values: Sequence[float] | np.ndarray[Any, Any], probability: float) -> float:
    return float(np.quantile(np.asarray(values, float), probability))


def _requests(parts: Path) -> list[tuple[int, str, int]]:
    return [(row["request"], row["request_id"], row["sent_ns"]) for part in sorted(parts.glob("requests-*.parquet"))
            for row in parquet.read_rows(part)]


def _token_stamps(parts: Path) -> dict[int, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Request → arrival and read stamps of its token events."""
    found: dict[int, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}
    for part in sorted(parts.glob("events-*.parquet")):
        for batch in parquet.read_integers(part, ("request", "at_ns", "read_ns", "kind")):
            bearing = np.isin(batch["kind"].data, [int(kind) for kind in TOKEN_KINDS])
            owners, at_ns, read_ns = (batch[name].data[bearing] for name in ("request", "at_ns", "read_ns"))
            starts = np.flatnonzero(np.diff(owners, prepend=-1))
            for start, stop in zip(starts, [*starts[1:], len(owners)], strict=True):
                found[int(owners[start])] = (at_ns[start:stop], read_ns[start:stop])
    return found
