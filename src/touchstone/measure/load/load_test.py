"""A whole load test: calibrate, warm up, play every load as often as the plan says, and write everything down as it happens."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from touchstone import load_store, store
from touchstone.clock import wall_time
from touchstone.load_plan import Load, LoadPlan
from touchstone.measure import environment
from touchstone.measure.devices import open_device
from touchstone.measure.load.calibration import calibrate
from touchstone.measure.load.datasets import read_source
from touchstone.measure.load.play import Control, Counts, PointSpec, play, processes_for
from touchstone.measure.load.points import Asking, Points
from touchstone.measure.load.preflight import Probe
from touchstone.measure.load.schedule import Schedule
from touchstone.measure.load.scrape import Scraper, samples_of
from touchstone.units import seconds

SCRATCH = "scratch"
_GUESSED_ANSWER_S = 1.0
_MOST_GUESSED = 1024
_MARGIN = 4

Watch = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Target:
    """Who is asked and how; ``headers`` may hold a key and go to the server only."""

    asking: Asking
    headers: Mapping[str, str]
    probe: Probe


class LoadTest:
    """Plays ``header["plan"]`` into ``directory``. ``watch`` is told of every step; ``control`` is the user's wish to stop."""

    def __init__(self, directory: Path, header: dict[str, Any], target: Target, watch: Watch, control: Control) -> None:
        self._directory, self._header, self._target, self._watch, self._control = directory, header, target, watch, control
        self._plan = LoadPlan.model_validate(header["plan"])
        self._points = Points(self._plan, target.asking, read_source(self._plan.workload))
        self._scratch = directory / SCRATCH
        self._scraper = Scraper(target.asking.address, target.headers)

    def play(self) -> str:
        """Play the plan; returns the status that is written too. Raises :class:`touchstone.errors.TouchstoneError`."""
        with self:
            for load in self._plan.loads:
                for repeat in range(self._plan.repeats):
                    if not self._control.stop:
                        self.offer(load, repeat)
        return str(self._header["status"])

    def __enter__(self) -> LoadTest:  # noqa: PYI034 - typing.Self needs Python 3.11
        self._header |= {"status": "running", "points": [], "environment": environment.collect(open_device("cpu"))}
        store.write_header(self._directory, self._header)
        self._watch("start", {})
        self._scraper.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Whatever ended the test, what was measured is put in order and kept."""
        self._scraper.__exit__()
        status = "failed" if kind is not None else "interrupted" if self._control.stop else "complete"
        self._header |= {"status": status, "ended": wall_time()}
        load_store.compact(self._directory)
        store.write_header(self._directory, self._header)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def note(self, **facts: Any) -> None:
        """Add to the header."""
        self._header |= facts

    def offer(self, load: Load, repeat: int, requests: int | None = None) -> int | None:
        """Play ``load`` once, with ``requests`` instead of what the plan says; returns the point's index, None where it was stopped before."""
        if load.label not in self._header.setdefault("calibrations", {}):
            self._calibrate(load)
        if self._control.stop:
            return None
        self._point(load, repeat, requests or self._count(load))
        return len(self._header["points"]) - 1

    def _calibrate(self, load: Load) -> None:
        """The worst floor of all loads is the run's: it is the one a reader must keep in mind."""
        if not self._plan.calibrate:
            self._header["calibration"] = self._header["calibrations"][load.label] = {"reason": "not-asked"}
            return
        self._watch("calibration", {"load": load.label})
        found = calibrate(load, self._at_once(load, self._count(load)), self._plan.processes, self._scratch / f"calibration-{load.label}")
        known = self._header["calibrations"]
        known[load.label] = found
        self._header["calibration"] = max(known.values(), key=lambda one: one.get("floor_s") or 0.0)
        if not self._control.stop:
            self._watch("calibrated", found)

    def _point(self, load: Load, repeat: int, count: int | None) -> None:
        index, scraper = len(self._header["points"]), self._scraper
        schedule = self._points.schedule(load, count, self._plan.duration_s, repeat)
        key = f"{self._header['id']}-{load.label}-{repeat}"
        self._watch("preparing", {"case": load.label, "repeat": repeat, "requests": len(schedule)})
        spec = self._written(schedule, key, replace(self._spec(index, load, repeat), requests=len(schedule), slots=schedule.slots,
                                                    at_once=self._at_once(load, len(schedule))))
        warmup = self._warm_up(load, f"{key}-warmup")
        before = scraper.read_once()
        scraper.take_samples()
        self._watch("point", {"case": load.label, "repeat": repeat, "requests": len(schedule), "duration_s": self._plan.duration_s})
        played = play(spec, self._control, lambda counts: self._watch("counts", vars(counts)))
        self._watch("played", {"case": load.label, "repeat": repeat, "elapsed_s": seconds(played.ended_ns - played.started_ns),
                               "late_s": max(seconds(one["longest_loop_ns"]) for one in played.workers),
                               "cpu_fraction": max(one["cpu_fraction"] for one in played.workers)})
        after = scraper.read_once()
        samples = [*samples_of(before), *scraper.take_samples(), *samples_of(after)]
        load_store.append_server(self._directory, index, [vars(sample) | {"point": index} for sample in samples])
        self._header["points"].append({
            "index": index, "case": load.label, "repeat": repeat, "load": load.model_dump(mode="json"), "started_ns": played.started_ns,
            "ended_ns": played.ended_ns,
            "client": {"processes": list(played.workers), "planned_requests": len(schedule), "schedule_digest": schedule.digest, "warmup": warmup},
            "server": {"before": before.to_json() if before else None, "after": after.to_json() if after else None,
                       "reason": scraper.reason}})
        self._header["processes"] = len(played.workers)
        store.write_header(self._directory, self._header)

    def _warm_up(self, load: Load, key: str) -> Mapping[str, int]:
        """A few requests of the same shape, a few at a time, whose answers are counted and not kept."""
        wanted, limit_s = self._plan.warmup, self._plan.warmup_s
        at_once = self._at_once(load, None)
        count = at_once if wanted == "auto" else wanted
        if limit_s is not None:
            count = self._in_time(at_once, limit_s)
        if not count or self._control.stop:
            return {"requests": 0, "failed": 0}
        slots = min(count, load.concurrency or (count if limit_s is None else at_once))
        schedule = self._points.schedule(Load(concurrency=slots), count, None, 0)
        parts = self._scratch / "warmup"
        spec = replace(self._spec(0, load, 0), case="warmup", requests=len(schedule), slots=slots, at_once=slots, processes=1, parts=parts,
                       scratch=parts, files=parts / "requests", duration_s=limit_s)
        parts.mkdir(parents=True, exist_ok=True)
        seen = Counts()

        def count_up(counts: Counts) -> None:
            nonlocal seen
            seen = counts
        self._watch("warmup", {"case": load.label, "requests": len(schedule)})
        play(self._written(schedule, key, spec), self._control, count_up)
        shutil.rmtree(parts, ignore_errors=True)
        return {"requests": seen.sent, "failed": seen.failed}

    def _written(self, schedule: Schedule, key: str, spec: PointSpec) -> PointSpec:
        processes = processes_for(spec)
        self._points.write(spec.files, schedule, key, processes)
        return replace(spec, processes=processes, id_prefix=f"{key}-")

    def _spec(self, index: int, load: Load, repeat: int) -> PointSpec:
        endpoint = self._target.asking.endpoint
        counting = "no-usage" in self._target.probe.notes or self._header.get("token_count", "server") != "server"
        return PointSpec(
            address=self._target.asking.address, files=self._scratch / "requests", scratch=self._scratch, parts=self._directory / store.PARTS,
            point=index, case=load.label, repeat=repeat, id_prefix="", requests=1, slots=None, at_once=1, timeout_s=self._plan.timeout_s,
            duration_s=self._plan.duration_s, streamed=endpoint.stream, tokenizer=endpoint.tokenizer if counting else None,
            keep_text=bool(self._header.get("keep_text")), processes=self._plan.processes, headers=self._target.headers)

    def _count(self, load: Load) -> int | None:
        """How many requests to prepare. A closed loop that runs for a time gets as many as it could finish at the pace of one alone."""
        if self._plan.num_prompts is not None or not load.closed or self._plan.duration_s is None:
            return self._plan.num_prompts
        return self._in_time(load.concurrency or 1, self._plan.duration_s)

    def _in_time(self, slots: int, duration_s: float) -> int:
        """More requests than ``slots`` finish in the time: the probe may have been the server's first request, and its slowest."""
        return slots * (1 + round(_MARGIN * duration_s / self._answer_s()))

    def _answer_s(self) -> float:
        """How long one short request of this shape would take alone; guessed low where the probe could not tell."""
        probe, length = self._target.probe, self._plan.workload.output_len
        if probe.ttft_s is None or probe.itl_s is None:
            return _GUESSED_ANSWER_S
        return max(0.005, probe.ttft_s + probe.itl_s * ((length.mean if length else 1) - 1))

    def _at_once(self, load: Load, requests: int | None) -> int:
        """How many connections to have open: the slots, the burst, or twice what Little's law says of a rate."""
        if load.concurrency is not None:
            return load.concurrency
        if load.arrival == "burst":
            return requests or 1
        rates = [load.request_rate or 0.0, *(stage.request_rate for stage in load.stages)]
        wanted = round(2 * max(rates) * self._answer_s()) + 8 if load.arrival != "trace" else 64
        return max(1, min(wanted, _MOST_GUESSED, requests or _MOST_GUESSED))

