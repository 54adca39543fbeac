"""A run → what enters a comparison: of every case and metric one value per replicate, its conditions, and how far to believe it.

The replicate is the launch of an engine in this process (a latency: the median over its trials of the mean over a trial's requests;
a throughput: ratio of sums; memory: the peak), and for a server the repeat of a load (the mean over its requests, the 99th percentile
where there are enough, ratios over the measured window): the numbers of the reports, before they are pooled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from touchstone.comparison import Factor
from touchstone.errors import making_sense_of
from touchstone.finding import CaseFinding, Trust, Verdict
from touchstone.judge import metrics, stats
from touchstone.judge.audit import judge_run, trust
from touchstone.judge.columns import requests_of, window_of
from touchstone.judge.compare.attribution import Cost, Setup, costs_of, setups_of
from touchstone.judge.compare.conditions import Conditions, load_conditions, run_conditions
from touchstone.judge.load import levels
from touchstone.judge.load.audit import judge_load
from touchstone.judge.load.client import judge_client
from touchstone.judge.load.evidence import LoadEvidence
from touchstone.judge.load.scan import Offered, by_case, offered_points
from touchstone.judge.load.summarize import summarize_case
from touchstone.judge.load.window import SLICES
from touchstone.judge.metrics import Window
from touchstone.judge.summarize import summarize
from touchstone.load_plan import LoadPlan
from touchstone.message import Message
from touchstone.record import Run, Status, Trial
from touchstone.served import LoadRun

Key = tuple[str, str]
"""Case and metric; a metric's statistic follows a dot, and without one it is a mean or a rate."""
_LATENCIES = {"ttft": metrics.ttft, "tpot": metrics.tpot, "e2e": metrics.e2e}
_TAILS = ("ttft", "tpot")
_TAIL = 0.99


@dataclass
class Sample:
    """One metric of one case: a value per replicate, by the replicate's number, and for a single replicate the values of its blocks."""

    replicates: dict[int, float] = field(default_factory=dict)
    blocks: tuple[float, ...] = ()

    @property
    def values(self) -> list[float]:
        """The values of the replicates, in their order."""
        return [self.replicates[number] for number in sorted(self.replicates)]


@dataclass(frozen=True)
class Measured:
    """One run, or one file of another tool's results. ``kind`` is run, load or result.

    ``lengths`` are the input_tokens and output_tokens of each case on average, as measured. Of results ``cases`` and ``verdicts`` are empty and ``trust`` is
    None: nobody has audited them. ``costs`` are what the requests of each case of a run took, and ``setup`` how its first launch asked its engine.
    """

    path: str
    identity: str
    created: str
    kind: str
    conditions: Conditions
    samples: Mapping[Key, Sample]
    trust: Trust | None = None
    cases: tuple[CaseFinding, ...] = ()
    lengths: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[Message, ...] = ()
    costs: Mapping[str, tuple[Cost, ...]] = field(default_factory=dict)
    setup: Setup | None = None

    @property
    def words(self) -> str:
        """What was measured, in the words of a report's first line."""
        one = self.conditions
        version = one.value(Factor.ENGINE, "engine_version") or one.engine
        engine = version if one.engine in version else f"{one.engine} {version}"
        parts = (" ".join(filter(None, (one.model, one.value(Factor.WORK, "dtype")))), engine, one.machine_words if one.facts else "")
        return " · ".join(part for part in parts if part and part != "-")


def measured_of(run: Run | LoadRun) -> Measured:
    """What of ``run`` enters a comparison; the same run always gives the same. Raises :class:`DataError` for a header nobody wrote so."""
    with making_sense_of(run.path):
        return _of_load(run) if isinstance(run, LoadRun) else _of_run(run)


def _identity(run: Run | LoadRun) -> tuple[str, str]:
    """What tells the run from others, wherever it is copied to, and when it was made."""
    created = str(run.header.get("created") or "")
    return f"{run.header.get('id') or run.path} {created}", created


def _lengths(cases: Sequence[CaseFinding]) -> dict[str, dict[str, float]]:
    return {case.name: {name: value for name, value in (("input_tokens", case.input_tokens), ("output_tokens", case.output_tokens))
                        if value is not None} for case in cases}


# ── an engine in this process ────────────────────────────────────────────────────────────────────────────────────────────


def _of_run(run: Run) -> Measured:
    cases = summarize(run)
    verdicts = judge_run(run, cases)
    samples: dict[Key, Sample] = {}
    for case in cases:
        launches: dict[int, list[Trial]] = {}
        for trial in run.measured(case.name):
            if trial.status is Status.OK and all(record.status is Status.OK for record in trial.records):
                launches.setdefault(trial.launch, []).append(trial)
        for launch, trials in launches.items():
            for metric, (value, blocks) in _launch(trials).items():
                sample = samples.setdefault((case.name, metric), Sample())
                sample.replicates[launch] = value
                sample.blocks = tuple(blocks)
    return Measured(run.path, *_identity(run), kind="run", conditions=run_conditions(run.header), samples=_single(samples),
                    trust=trust(verdicts), cases=cases, lengths=_lengths(cases), verdicts=verdicts, costs=_costs(run),
                    setup=next(iter(setups_of(run.header).values()), None))


def _costs(run: Run) -> dict[str, tuple[Cost, ...]]:
    return {case["name"]: costs_of(run, case["name"], greedy=not (case.get("sampling") or {}).get("temperature")) for case in run.header["plan"]["cases"]}  # type: ignore[index]


def _launch(trials: Sequence[Trial]) -> dict[str, tuple[float, list[float]]]:
    """Of one launch each metric's value, and its values trial by trial."""
    requests = [requests_of(trial.records) for trial in trials]
    each = {name: [float(values.mean()) for rows in requests if (values := of(rows).compressed()).size] for name, of in _LATENCIES.items()}
    found = {name: (median(values), values) for name, values in each.items() if values}
    windows = [window for trial in trials if (window := window_of(trial)) and metrics.output_throughput(window)]
    rate = metrics.output_throughput(Window(sum(one.seconds for one in windows), sum(one.output_tokens for one in windows)))
    if rate is not None:
        found["output_throughput"] = rate, [one.output_tokens / one.seconds for one in windows]
    peaks = [float(peak) for trial in trials if (peak := metrics.peak_memory(trial.memory)) is not None]
    if peaks:
        found["peak_memory"] = max(peaks), []
    return found


def _single(samples: dict[Key, Sample]) -> dict[Key, Sample]:
    """Blocks stand for a single replicate only: beside several they would be counted as what they are not."""
    return {key: sample if len(sample.replicates) == 1 else Sample(sample.replicates) for key, sample in samples.items()}


# ── a server under load ──────────────────────────────────────────────────────────────────────────────────────────────────


def _of_load(run: LoadRun) -> Measured:
    plan = LoadPlan.model_validate(run.header["plan"])
    points = by_case(offered_points(run))
    cases = tuple(summarize_case(name, repeats, plan) for name, repeats in points.items())
    client = judge_client(run.header, [(case, points[case.name]) for case in cases])
    verdicts = judge_load(LoadEvidence(run, plan, cases, points, client))
    samples: dict[Key, Sample] = {}
    for name, repeats in points.items():
        for place, one in enumerate(repeats):
            for metric, (value, blocks) in _repeat(one, plan).items():
                sample = samples.setdefault((name, metric), Sample())
                sample.replicates[place] = value
                sample.blocks = tuple(blocks)
    loads = {name: repeats[0].point.load for name, repeats in points.items()}
    return Measured(run.path, *_identity(run), kind="load", conditions=load_conditions(run.header, loads), samples=_single(samples),
                    trust=trust(verdicts), cases=cases, lengths=_lengths(cases), verdicts=verdicts)


def _repeat(offered: Offered, plan: LoadPlan) -> dict[str, tuple[float, list[float]]]:
    """Of one repeat each metric's value, and its means over batches of neighbouring requests, or slices of the window."""
    found: dict[str, tuple[float, list[float]]] = {}
    for name, of in _LATENCIES.items():
        values = offered.in_order(of(offered.requests)).compressed()
        if len(values):
            found[name] = float(values.mean()), stats.batch_means(values, values * 0 + 1, SLICES)
        if name in _TAILS and len(values) >= stats.least_n(_TAIL):
            found[f"{name}.p99"] = stats.quantiles(values, [_TAIL])[0], []
    stretch = offered.stretch
    if stretch is None or not stretch.seconds:
        return found
    within = stretch.seconds / SLICES
    found["output_throughput"] = _rate(offered.streams.slice_tokens.tolist(), within)
    goals = levels.per_request(plan.slos)
    inside = levels.keeps_all(offered, goals) if goals and all(levels.can_judge([offered], goal) for goal in goals) else None
    if inside is not None:
        found["goodput"] = _rate(stretch.slices(offered.requests.ended_ns, inside).tolist(), within)
    return found


def _rate(counts: Sequence[float], seconds: float) -> tuple[float, list[float]]:
    """Counts in equal slices of so many ``seconds``: the rate over all of them, and in each."""
    return sum(counts) / seconds / len(counts), [count / seconds for count in counts]
