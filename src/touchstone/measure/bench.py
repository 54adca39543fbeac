"""Plays one launch of a plan: load, verify, pilot, warm up, measure. One process, one engine, facts only.

What needs judgement (is the text sane, is a case warm, is it precise enough) is asked of functions handed in from outside,
and only their answer is written down.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from touchstone.clock import clock_info, now_ns
from touchstone.errors import EngineError, NotReadyError, UsageError
from touchstone.measure import environment, page_cache, workloads
from touchstone.measure.devices import Device
from touchstone.measure.devices.cpu import usable_cores
from touchstone.measure.engines import Engine, Sizes, StoppedError, Workplace, open_target
from touchstone.measure.player import Place, Player
from touchstone.measure.roofline import memory_read_bytes_per_s
from touchstone.measure.tape import mark_cost_ns
from touchstone.message import Message
from touchstone.plan import Case, Plan, Target
from touchstone.record import EngineFacts, LoadTime, Phase, Status, Trial
from touchstone.request import Batch
from touchstone.units import gigabytes, seconds

RELOAD_LIMIT_S = 5.0
"""A model is loaded a second time, warm, only if the first load took no longer than this."""
PILOT_CAP = 20

Emit = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True)
class Judges:
    """The questions a launch asks of the judging wing."""

    verify: Callable[[Sequence[Trial], bool], Message | None]
    enough: Callable[[Sequence[Trial], float], bool]
    steady: Callable[[Sequence[Trial]], int | None]


@dataclass(frozen=True)
class LaunchSpec:
    """One process's share of a run. ``done`` are (case, index) already measured by an earlier process of this launch."""

    plan: Plan
    target: Target
    directory: Path
    place: Place
    warmup: Mapping[str, int] = field(default_factory=dict)
    done: frozenset[tuple[str, int]] = frozenset()
    skip: frozenset[str] = frozenset()
    pilot: bool = True


def run_launch(spec: LaunchSpec, judges: Judges, emit: Emit, should_stop: Callable[[], bool]) -> bool:
    """Play ``spec``. Returns False if it was stopped early. Raises :class:`touchstone.errors.TouchstoneError`."""
    launch = _Launch(spec, judges, emit, should_stop)
    try:
        launch.play()
    except StoppedError:
        return False
    finally:
        launch.close()
    return True


class _Launch:
    def __init__(self, spec: LaunchSpec, judges: Judges, emit: Emit, should_stop: Callable[[], bool]) -> None:
        self._spec, self._judges, self._emit, self._should_stop = spec, judges, emit, should_stop
        self._plan = spec.plan
        self._engine: Engine = open_target(spec.target, Workplace(spec.directory, spec.place.launch, emit, should_stop))
        self._device: Device = self._engine.device
        self._player = Player(self._engine, spec.directory, spec.place,
                              lambda case, phase, index: emit("trial", {"case": case, "phase": phase.value, "index": index}))
        self._cases = [case for case in self._plan.cases if case.name not in spec.skip]

    def play(self) -> None:
        self._emit("environment", {"environment": environment.collect(self._device), "clock": vars(clock_info()),
                                   "mark_cost_ns": round(mark_cost_ns(), 1), "memory_read_bytes_per_s": self._bandwidth()})
        self._drop_what_cannot_fit()
        facts = self._load()
        self._emit("engine", {"facts": vars(facts) | {"loads": [vars(load) for load in facts.loads]}})
        self._verify(facts)
        if not self._cases:
            return
        self._pool = workloads.PromptPool(self._engine, self._plan.cases, self._plan.seed)
        self._check_prompts()
        gc.collect()
        gc.freeze()
        if self._spec.pilot:
            self._observe()
        self._cases = [case for case in self._cases if self._warm_up(case)]
        self._measure()

    def close(self) -> None:
        self._engine.stop()

    def _bandwidth(self) -> float | None:
        """Chips have published figures; a host's memory is measured beside the run."""
        return round(memory_read_bytes_per_s(usable_cores())) if self._device.kind == "cpu" else None

    # ── before ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _drop_what_cannot_fit(self) -> None:
        """Refuse, by arithmetic and before anything is loaded, the cases whose weights and KV cache exceed the device."""
        footprint = self._engine.footprint()
        memory = self._device.memory()
        if memory.device_total is None or memory.device_used is None:
            return
        free = memory.device_total - memory.device_used
        weights, per_token = footprint.weight_bytes or 0, footprint.kv_bytes_per_token or 0
        fitting: list[Case] = []
        cache = 0
        for case in self._cases:
            tokens = (case.input_tokens or 0) + case.output_tokens
            if footprint.max_positions and tokens > footprint.max_positions:
                raise UsageError("Case {case} needs {tokens} positions; the model has {positions}.",
                                 "Shorten the prompt or the output.", case=case.name, tokens=tokens,
                                 positions=footprint.max_positions)
            cache = case.batch_size * tokens * per_token
            if weights + cache <= free:
                fitting.append(case)
            else:
                why = f"weights {gigabytes(weights)} + KV cache {gigabytes(cache)} > free {gigabytes(free)}"
                self._player.refuse(case.name, 0, case.batch_size, why)
                self._emit("refused", {"case": case.name, "reason": why})
        if self._cases and not fitting:
            raise NotReadyError("Nothing of this plan fits on {device}: weights of {weights} and a KV cache of {cache} for a "
                                "batch of {batch}, and {free} are free.",
                                "Use a smaller batch, shorter sequences, a smaller dtype or model.",
                                device=self._device.torch_name, weights=gigabytes(weights), cache=gigabytes(cache),
                                batch=self._cases[-1].batch_size, free=gigabytes(free))
        self._cases = fitting

    def _load(self) -> EngineFacts:
        """Load: the first launch from storage, where the kernel lets go of the files, and again from memory where that is quick."""
        largest = max((case.batch_size for case in self._cases), default=0)
        prompts = len(self._plan.verification.prompts) if self._plan.verification else 1
        fitting = self._plan.model_copy(update={"cases": tuple(self._cases)})
        sizes = Sizes(largest or prompts, workloads.longest_sequence(fitting))
        files = self._engine.model_files()
        first = self._spec.place == Place(0, 0)
        if first:
            page_cache.evict(files)
        loads = [self._load_once(files, sizes)]
        if first and files and loads[0][0].seconds <= RELOAD_LIMIT_S:
            self._engine.stop()
            loads.append(self._load_once(files, sizes))
        running_already = self._spec.target.options.base_url is not None
        return replace(loads[-1][1], loads=() if running_already else tuple(time for time, _ in loads))

    def _load_once(self, files: Sequence[str], sizes: Sizes) -> tuple[LoadTime, EngineFacts]:
        resident = page_cache.resident_fraction(files) if files else None
        started_ns = now_ns()
        facts = self._engine.start(sizes)
        self._device.synchronize()
        took_s = seconds(now_ns() - started_ns)
        # A server knows best when it was ready: what came after was ours.
        return LoadTime(facts.loads[0].seconds if facts.loads else took_s, resident), facts

    def _verify(self, facts: EngineFacts) -> None:
        if self._plan.verification is None:
            return
        largest = max((case.batch_size for case in self._cases), default=len(self._plan.verification.prompts))
        batches = workloads.verification_batches(self._plan.verification, self._engine, largest)
        trials = []
        for index, batch in enumerate(batches):
            trials.append(self._told(self._player.play("verify", index, Phase.VERIFY, batch)))
            if self._player.lost:
                raise EngineError(self._player.lost.message, self._player.lost.cure, **self._player.lost.fields)
        problem = self._judges.verify(trials, facts.random_weights)
        if problem is not None:
            raise EngineError("The engine's text does not hold up, so nothing was measured: {problem}",
                              "Look at it: touchstone run verify. Check the checkpoint, the dtype and the tokenizer.",
                              problem=problem)

    def _check_prompts(self) -> None:
        """Build a batch of every case now, so that a prompt that cannot be built costs no measurement."""
        for case in self._cases:
            self._batch(case, 0)

    # ── pilot and warm-up ────────────────────────────────────────────────────────────────────────────────────────────────

    def _observe(self) -> None:
        """Play the first speed case with and without stamps in turn: the difference is what watching costs."""
        case = next((case for case in self._cases if case.speed), None)
        if case is None or not self._plan.observer_pairs:
            return
        if self._play(case, 0, Phase.WARMUP).status is not Status.OK:
            return
        for index in range(self._plan.observer_pairs):
            pair = [Phase.PILOT_PLAIN, Phase.PILOT_MARKED]
            for phase in pair if index % 2 == 0 else reversed(pair):
                self._play(case, index, phase)

    def _warm_up(self, case: Case) -> bool:
        """Full runs of the same shape: a fixed number, or as many as a pilot finds (then frozen for every launch).

        Returns whether they all succeeded; a case that fails here is not measured, and its failure is its result.
        """
        frozen = self._spec.warmup.get(case.name)
        wanted = frozen if frozen is not None else self._plan.warmup
        if isinstance(wanted, int):
            return all(self._play(case, index, Phase.WARMUP).status is Status.OK for index in range(wanted))
        trials: list[Trial] = []
        found = None
        while found is None and len(trials) < PILOT_CAP:
            trials.append(self._play(case, len(trials), Phase.PILOT_WARMUP))
            if trials[-1].status is not Status.OK:
                return False
            found = self._judges.steady(trials)
        self._emit("warmup", {"case": case.name, "count": found if found is not None else PILOT_CAP, "steady": found is not None})
        return True

    # ── measurement ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _measure(self) -> None:
        """Rounds over all cases in an order shuffled anew each time, or case after case where the plan says so."""
        chooser = random.Random(f"order:{self._plan.seed}:{self._spec.place.launch}")  # noqa: S311 - reproducible, not secret
        played: dict[str, list[Trial]] = {case.name: [] for case in self._cases}
        if self._plan.order == "sequential":
            for case in self._cases:
                while not self._step(case, played[case.name]):
                    pass
            return
        active = list(self._cases)
        while active:
            chooser.shuffle(active)
            active = [case for case in active if not self._step(case, played[case.name])]

    def _step(self, case: Case, played: list[Trial]) -> bool:
        """Play the next trial of ``case`` unless an earlier process did; returns whether the case is finished."""
        taken = sum(name == case.name for name, _ in self._spec.done)
        index = taken + len(played)
        if index >= self._plan.trials and (not played or self._plan.half_width is None):
            return self._finish(case, index, "count")
        trial = self._play(case, index, Phase.MEASURED)
        played.append(trial)
        if trial.status is not Status.OK:
            return self._finish(case, index + 1, trial.status.value)
        if index + 1 < self._plan.trials:
            return False
        if self._plan.half_width is None:
            return self._finish(case, index + 1, "count")
        if self._judges.enough(played, self._plan.half_width):
            return self._finish(case, index + 1, "half_width")
        return index + 1 >= self._plan.max_trials and self._finish(case, index + 1, "max_trials")

    def _finish(self, case: Case, trials: int, why: str) -> bool:
        self._emit("case", {"case": case.name, "trials": trials, "stopped_by": why})
        return True

    def _play(self, case: Case, index: int, phase: Phase) -> Trial:
        if self._should_stop():
            raise StoppedError
        # Warm-ups and pilots take prompts that no measured trial has.
        trial = self._told(self._player.play(case.name, index, phase, self._batch(case, index if phase is Phase.MEASURED else -1 - index)))
        if self._player.lost:
            raise self._player.lost
        return trial

    def _told(self, trial: Trial) -> Trial:
        """Say how ``trial`` ended; it is written down already."""
        tokens = [record.output_tokens for record in trial.records]
        self._emit("played", {"case": trial.case, "phase": trial.phase.value, "index": trial.index, "status": trial.status.value,
                              "elapsed_s": seconds(trial.ended_ns - trial.sent_ns),
                              "output_tokens": None if None in tokens else sum(filter(None, tokens))})
        return trial

    def _batch(self, case: Case, index: int) -> Batch:
        return workloads.batch_of(case, index, self._pool, self._engine)

