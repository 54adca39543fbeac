"""How much of what physics allows was reached: the least time that the work can take, over the time that it took."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from touchstone.finding import CaseFinding, Estimate
from touchstone.judge.footprint.of_run import facts_of
from touchstone.judge.limits.costs import Costs, cache_bytes
from touchstone.judge.limits.devices import chip_of, count_of, device_name_of, is_host, why_open
from touchstone.judge.limits.model import costs_of_run, model_of_run, why_reads_are_unknown
from touchstone.judge.limits.peaks import Peaks, peaks_of
from touchstone.judge.lockstep import in_lockstep
from touchstone.judge.meters import Meters
from touchstone.message import Message, say
from touchstone.record import Run, Status
from touchstone.simulate.architecture import Architecture
from touchstone.units import gigabytes, significant


@dataclass(frozen=True)
class Share:
    """A share of a limit, and what the limit is; without a ``value``, ``limit`` says why there is none. It may pass 1: it is not cut."""

    value: float | None
    limit: Message
    note: Message | None = None


@dataclass(frozen=True)
class Phase:
    """Work of one case (prefill, or a step of decode) and the ``seconds`` it took: the bytes it has to read, its FLOPs (None: unknown)."""

    name: str
    read_bytes: float
    flops: float | None
    seconds: float

    def least_s(self, peaks: Peaks) -> float:
        """Seconds that the work takes at least: its bytes through the memory, or its operations through the arithmetic."""
        return max(self.read_bytes / peaks.bandwidth, self._by_arithmetic(peaks))

    def is_bound_by_arithmetic(self, peaks: Peaks) -> bool:
        """Whether the operations take longer than the bytes."""
        return self._by_arithmetic(peaks) > self.read_bytes / peaks.bandwidth

    def _by_arithmetic(self, peaks: Peaks) -> float:
        return self.flops / peaks.flops if self.flops and peaks.flops else 0.0


@dataclass(frozen=True)
class Limits:
    """What physics allows ``run``: its cases' phases, and their shares of the roof above them, min(bandwidth x intensity, FLOPS)."""

    run: Run

    @cached_property
    def costs(self) -> Costs | Message:
        """What the model's work moves and does, or why that is not known."""
        costs = costs_of_run(self.run)
        return costs if isinstance(costs, Message) else why_reads_are_unknown(self.run) or costs

    @cached_property
    def peaks(self) -> Peaks | Message:
        """What the devices can do at most, or why that is not known."""
        return peaks_of(self.run)

    @cached_property
    def _model(self) -> Architecture | None:
        return model_of_run(self.run)

    # ── phases ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def decode(self, case: CaseFinding) -> Phase | Message:
        """A decoding step by the case's TPOT. Sequences that are not in step share no step for certain: then it is one sequence's."""
        return self._step(case, "tpot", case.batch_size if self._in_lockstep(case) else 1)

    def _step(self, case: CaseFinding, metric: str, batch: int) -> Phase | Message:
        estimate = case.metrics[metric]
        if isinstance(self.costs, Message):
            return self.costs
        if not estimate.value:
            return estimate.reasons.get("value") or say("nothing was measured")
        seconds = estimate.value if metric == "tpot" else batch / estimate.value
        cache = cache_bytes(self.costs, batch, case.input_tokens or 0.0, case.output_tokens or 0.0)
        return Phase("decode", self.costs.read_bytes + cache, batch * self.costs.token_flops or None, seconds)

    def prefill(self, case: CaseFinding) -> Phase | Message:
        """The prompts of a batch that came to their first tokens together, else one of them; the weights are read once."""
        ttft, costs = case.metrics["ttft"], self.costs
        if isinstance(costs, Message):
            return costs
        if not ttft.value or not case.input_tokens:
            return ttft.reasons.get("value") or say("nothing was measured")
        if any(record.cached_tokens for trial in self.run.measured(case.name) for record in trial.records):
            return say("a part of the prompts came out of a cache")
        batch = case.batch_size if self._in_lockstep(case) else 1
        return Phase("prefill", costs.read_bytes, batch * costs.prompt_flops(case.input_tokens) or None, ttft.value)

    def _in_lockstep(self, case: CaseFinding) -> bool:
        return in_lockstep([trial for trial in self.run.measured(case.name) if trial.status is Status.OK])

    # ── shares ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def decode_share(self, case: CaseFinding) -> Share:
        """Of the least time that a decoding step can take."""
        return self._share(self.decode(case))

    def throughput_share(self, case: CaseFinding) -> Share:
        """Of the output tokens per second that decoding alone would give, with the whole batch in every step."""
        return self._share(self._step(case, "output_throughput", case.batch_size))

    def prefill_share(self, case: CaseFinding) -> Share:
        """Of the least time that prefill can take. Where the arithmetic's peak is not known nobody can tell which of the two limits."""
        phase, peaks = self.prefill(case), self.peaks
        if isinstance(phase, Phase) and isinstance(peaks, Peaks):
            if phase.flops is None:
                return Share(None, say("the engine does not count the parameters of the model"))
            if peaks.flops is None:
                return Share(None, peaks.no_flops or peaks.source)
        return self._share(phase)

    def _share(self, phase: Phase | Message) -> Share:
        peaks = self.peaks
        if isinstance(peaks, Message):
            return Share(None, peaks)
        if isinstance(phase, Message):
            return Share(None, phase)
        value = phase.least_s(peaks) / phase.seconds
        if phase.is_bound_by_arithmetic(peaks):
            assert phase.flops is not None
            assert peaks.flops is not None
            limit = say("{work} TFLOP at {peak} TFLOP/s: {source}", work=significant(phase.flops / 1e12, 3), peak=significant(peaks.flops / 1e12, 4),
                        source=peaks.source)
        else:
            limit = say("reading {size} at {peak} GB/s: {source}", size=gigabytes(phase.read_bytes), peak=significant(peaks.bandwidth / 1e9, 4),
                        source=peaks.source)
        return Share(value, limit, self._note(value, peaks))

    def _note(self, value: float, peaks: Peaks) -> Message | None:
        if value > 1 and not peaks.nominal:
            return say("more than memory gave beside the run: caches help, or the host was busy then")
        if value > 1:
            return say("more than the nominal figures allow")
        return say("taken as a dense model: its architecture is not known") if self._model is None else None

    def memory_share(self, estimate: Estimate) -> Share:
        """How full the device was at a peak, or the devices together where ``estimate`` is of all of them."""
        name, chip = device_name_of(self.run) or "?", None if is_host(self.run) else chip_of(self.run)
        size = facts_of(self.run).get("memory_total_bytes") or (chip.visible_bytes or chip.memory_bytes if chip else None)
        if estimate.value is None or not size:
            return Share(None, estimate.reasons.get("value") or say("the size of the memory of {device} is not known", device=name))
        together = estimate.metric == "device_memory"
        if not together and (reason := self._why_not_of_all()) is not None:
            return Share(None, reason)
        count = max(sum(kind != "cpu" for kind, _ in Meters(self.run).devices), 1) if together else 1
        return Share(estimate.value / (size * count), say("{size} of memory in {device}", size=gigabytes(size * count),
                                                          device=name if count == 1 else f"{count} x {name}"))

    def _why_not_of_all(self) -> Message | None:
        """Why a peak that one process counted is not that of everything; a host has one memory, whatever is done in it."""
        count = count_of(self.run)
        if count > 1:
            return say("the peak is not of all {count} devices", count=count)
        return None if is_host(self.run) else why_open(self.run)
