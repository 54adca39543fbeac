"""Rules of method: was this measured so that it can be believed?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import reduce
from statistics import fmean, median

from touchstone.finding import Judgement, Verdict
from touchstone.judge import metrics, stats
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.judge.columns import requests_of, window_of
from touchstone.judge.stopping import LEAST_TRIALS
from touchstone.message import Message, say
from touchstone.record import Phase, Status, Trial
from touchstone.units import significant

RUN_WORDS = {"incomplete": say("incomplete"), "interrupted": say("interrupted"), "failed": say("failed")}
OBSERVER_LIMIT = 0.01
OUTSIDE_LIMIT = 0.03
OTHERS_LIMIT = 0.10
COALESCED_LIMIT = 0.02
PRECISION_LIMIT = 0.05
SLOW_FIRST_LIMIT = 0.10
DRIFT_LIMIT = 0.02
ENGINE_LIMIT = 0.05
_ENGINE_FLOOR_S = 0.002
_VALUE_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


def _complete(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    status = evidence.run.status
    if status != "complete":
        yield Verdict(rule, Judgement.SUSPECT, say("the run is {status}: some trials are missing", status=RUN_WORDS.get(status, status)),
                      cure=say("touchstone run --resume {directory}", directory=evidence.run.path))
    for case in evidence.cases:
        if not case.failed:
            continue
        trial = next(trial for trial in evidence.run.tried(case.name) if trial.status is not Status.OK
                     or any(record.status is not Status.OK for record in trial.records))
        cure = say("use a smaller batch, shorter sequences, a smaller dtype or model") \
            if trial.status in {Status.OUT_OF_MEMORY, Status.KILLED} else None
        yield Verdict(rule, Judgement.SUSPECT, say(
            "{failed} of {issued} requests failed ({kinds}): {error}", failed=sum(case.failed.values()), issued=case.issued,
            kinds=", ".join(f"{kind} {count}" for kind, count in case.failed.items()),
            error=trial.error or "-"), case.name, cure=cure)
    planned = len(evidence.run.header["plan"]["cases"])  # type: ignore[index]
    if status == "complete" and not any(case.failed for case in evidence.cases) and planned == len(evidence.cases):
        yield Verdict(rule, Judgement.PASS, say("every request of every case succeeded"))


def _verified(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    trials = [trial for trial in evidence.run.trials if trial.phase is Phase.VERIFY]
    if trials:
        yield Verdict(rule, Judgement.PASS, say("greedy text was the same on repetition, and began the same inside a batch ({count} calls)",
                                                count=len(trials)))
    if evidence.facts.get("random_weights"):
        yield Verdict(rule, Judgement.CANNOT_TELL, say(
            "the weights are random: speed is real, the text means nothing, and routing or early stopping cannot be judged"))


def _dtype(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    asked, stored = evidence.target["dtype"], evidence.facts.get("dtypes")
    if not isinstance(stored, Mapping) or not stored:
        return
    options = evidence.facts.get("options")
    if isinstance(options, Mapping) and options.get("weights_from") == "request":
        yield Verdict(rule, Judgement.CANNOT_TELL, say("the server does not say in which type it holds the weights; {asked} was asked for", asked=asked))
        return
    most = max(stored, key=lambda name: stored[name] / _VALUE_BYTES.get(name, 1))  # of the values, not of the bytes
    shares = [say("{name} {share} %", name=name, share=f"{100 * size / sum(stored.values()):.0f}") for name, size in stored.items()]
    listed = reduce(lambda one, other: say("{one}, {other}", one=one, other=other), shares)
    status = Judgement.PASS if asked in {most, "auto"} else Judgement.INCONSISTENT
    yield Verdict(rule, status, say("asked for {asked}; the weights are stored as {listed}", asked=asked, listed=listed))


def _observer(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """E2E with stamps / E2E without, in pairs, on a pilot; and the bare cost of the stamps themselves."""
    plain = [trial for trial in evidence.run.trials if trial.phase is Phase.PILOT_PLAIN and trial.status is Status.OK]
    marked = {trial.index: trial for trial in evidence.run.trials if trial.phase is Phase.PILOT_MARKED and trial.status is Status.OK}
    pairs = [(_duration(marked[trial.index]), _duration(trial)) for trial in plain if trial.index in marked]
    if not any(case.speed for case in evidence.cases):
        return
    if not pairs:
        yield Verdict(rule, Judgement.CANNOT_TELL, say("no pilot measured what watching costs"))
        return
    ratio, width = stats.paired_ratio(*map(list, zip(*pairs, strict=True)))
    steps = fmean(len(trial.records[0].event_ns) for trial in marked.values())
    stamps = float(evidence.run.header.get("mark_cost_ns") or 0) * steps / 1e9 / fmean(one for one, _ in pairs)  # type: ignore[arg-type]
    effect = ratio - 1
    low = math.exp(math.log(ratio) - width) - 1 if width is not None else None
    if effect <= OBSERVER_LIMIT:
        status = Judgement.PASS
    else:
        status = Judgement.SUSPECT if low is not None and low > OBSERVER_LIMIT else Judgement.CANNOT_TELL
    yield Verdict(rule, status, say(
        "E2E with a stamp per token was {effect} % against E2E without (± {width} points, {pairs} pairs); the stamps alone cost {stamps} %",
        effect=f"{100 * effect:+.2f}", width="?" if width is None else f"{100 * math.expm1(width):.1f}", pairs=len(pairs),
        stamps=significant(100 * stamps, 2)), observed=effect, bound=OBSERVER_LIMIT)


def _duration(trial: Trial) -> float:
    return (trial.ended_ns - trial.sent_ns) / 1e9


def _outside(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """Share of the measured wall time that was not spent inside the engine."""
    outside = wall = 0
    for process in {(trial.launch, trial.process) for trial in evidence.run.measured()}:
        trials = [trial for trial in evidence.run.measured() if (trial.launch, trial.process) == process and trial.ended_ns > trial.sent_ns]
        if len(trials) > 1:
            span = max(trial.ended_ns for trial in trials) - min(trial.sent_ns for trial in trials)
            wall += span
            outside += span - sum(trial.ended_ns - trial.sent_ns for trial in trials)
    if wall:
        share = outside / wall
        yield Verdict(rule, Judgement.PASS if share <= OUTSIDE_LIMIT else Judgement.SUSPECT,
                      say("{share} % of the measured wall time was spent outside the engine", share=significant(100 * share, 3)),
                      observed=share, bound=OUTSIDE_LIMIT)


def _contention(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """CPU time of everything else on the host, as a share of the cores, while trials ran."""
    trials = [trial for trial in evidence.run.measured() if trial.cpu_others_ns is not None and trial.ended_ns > trial.sent_ns]
    environment = evidence.run.header.get("environment")
    cores = environment.get("cores") if isinstance(environment, Mapping) else None
    if not trials or not cores:
        return
    wall = sum(trial.ended_ns - trial.sent_ns for trial in trials)
    share = sum(trial.cpu_others_ns or 0 for trial in trials) / (wall * cores)
    busy = environment.get("busy_processes") if isinstance(environment, Mapping) else None
    yield Verdict(rule, Judgement.PASS if share <= OTHERS_LIMIT else Judgement.SUSPECT, say(
        "other work took {share} % of the host's cores during the trials; busy before the start: {busy}",
        share=significant(100 * share, 3), busy=", ".join(str(one["name"]) for one in busy) if busy else "-"),
        observed=share, bound=OTHERS_LIMIT, cure=say("stop other work on this machine") if share > OTHERS_LIMIT else None)


def _coalesced(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """Token events that came in one read with the event before them: they have one stamp, and the gap between them is unknown."""
    for case in evidence.cases:
        stamps = [record.event_ns for trial in evidence.good(case.name) for record in trial.records if len(record.event_ns) > 1]
        gaps = sum(len(one) - 1 for one in stamps)
        if not gaps:
            continue
        share = sum(len(one) - len(set(one)) for one in stamps) / gaps
        yield Verdict(rule, Judgement.PASS if share <= COALESCED_LIMIT else Judgement.SUSPECT, say(
            "{share} % of the token events came together with the one before: their gaps are not known, and first tokens may be late",
            share=significant(100 * share, 3)), case.name, observed=share, bound=COALESCED_LIMIT,
            cure=say("stop other work on this machine, or leave the engine fewer threads") if share > COALESCED_LIMIT else None)


def _replication(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    launches = max((case.launches for case in evidence.cases), default=0)
    if launches == 1:
        yield Verdict(rule, Judgement.CANNOT_TELL, say(
            "one launch: the intervals hold within this process and claim nothing about running it again"),
            cure=say("--launches 5"))
    elif launches:
        yield Verdict(rule, Judgement.PASS, say("{launches} launches are the unit of every interval", launches=launches))


def _precision(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    for case in evidence.cases:
        estimate = case.metrics["output_throughput"]
        width = estimate.relative_half_width
        if estimate.value is None:
            continue
        if width is None:
            yield Verdict(rule, Judgement.CANNOT_TELL, say("no interval from {n} trials", n=estimate.n), case.name)
            continue
        yield Verdict(rule, Judgement.PASS if width <= PRECISION_LIMIT else Judgement.SUSPECT, say(
            "throughput is known to ± {width} % (n = {n})", width=significant(100 * width, 2), n=estimate.n), case.name,
            observed=width, bound=PRECISION_LIMIT, cure=say("more trials: --trials, or --half-width") if width > PRECISION_LIMIT else None)


_COURSES = {"warm-up": say("slower at first, steady from trial {start} on"), "slowdown": say("faster at first, steady from trial {start} on"),
            "no steady state": say("no steady state")}


def _steady(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """The first trial is no slower than the rest, and a long series is flat."""
    for case in evidence.cases:
        for launch in sorted({trial.launch for trial in evidence.good(case.name)}):
            windows = [window_of(trial) for trial in evidence.good(case.name) if trial.launch == launch]
            rates = [rate for window in windows if window and (rate := metrics.output_throughput(window))]
            if len(rates) >= _LEAST_SERIES:
                yield _course(rule, case.name, launch + 1, rates)


_LEAST_SERIES = 3
_SHORT_WARM_UP = 0.2


def _course(rule: str, case: str, launch: int, rates: list[float]) -> Verdict:
    slow = median(rates[1:]) / rates[0] - 1
    if slow > SLOW_FIRST_LIMIT:
        return Verdict(rule, Judgement.SUSPECT, say(
            "launch {launch}: the first trial is {slow} % slower than the rest; more warm-up is needed", launch=launch,
            slow=significant(100 * slow, 3)), case, observed=slow, bound=SLOW_FIRST_LIMIT, cure=say("--warmup auto"))
    drift = stats.theil_sen_drift(rates) if len(rates) >= LEAST_TRIALS else 0.0
    if len(rates) >= LEAST_TRIALS and stats.mann_kendall_p(rates) < 0.05 and abs(drift) > DRIFT_LIMIT:
        return Verdict(rule, Judgement.SUSPECT, say("launch {launch}: throughput drifts by {drift} % over the trials", launch=launch,
                                                    drift=f"{100 * drift:+.1f}"), case, observed=drift, bound=DRIFT_LIMIT)
    state = stats.steady_state([1 / rate for rate in rates])
    if state is None or state.course not in _COURSES:
        return Verdict(rule, Judgement.PASS, say("launch {launch}: no slow start, no trend", launch=launch), case)
    course = Message(_COURSES[state.course].template, (("start", (state.start or 0) + 1),))
    warm_up = state.course == "warm-up"
    short = warm_up and (state.start or 0) <= _SHORT_WARM_UP * len(rates)  # and not slow enough to be found above
    return Verdict(rule, Judgement.PASS if short else Judgement.SUSPECT, say("launch {launch}: {course}", launch=launch, course=course), case,
                   cure=say("--warmup auto") if warm_up and not short else None)


def _engine_agrees(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """The engine's own prefill and decode times against our stamps: a client that was not running shows here."""
    for case in evidence.cases:
        records = [record for trial in evidence.good(case.name) for record in trial.records if record.event_ns]
        delays = [(e2e, e2e - (record.engine_prefill_ns + record.engine_decode_ns) / 1e9)
                  for record, e2e in zip(records, metrics.e2e(requests_of(records)).tolist(), strict=True)
                  if record.engine_prefill_ns is not None and record.engine_decode_ns is not None and e2e is not None]
        if not delays:
            continue
        excess = fmean(extra for _, extra in delays)
        share = excess / fmean(e2e for e2e, _ in delays)
        agrees = abs(share) <= ENGINE_LIMIT or abs(excess) <= _ENGINE_FLOOR_S
        yield Verdict(rule, Judgement.PASS if agrees else Judgement.SUSPECT, say(
            "our E2E differs by {excess} ms ({share} %) from the engine's own prefill and decode times",
            excess=f"{1e3 * excess:+.2f}", share=f"{100 * share:+.1f}"), case.name, observed=share, bound=ENGINE_LIMIT)


PROCEDURE = (
    Rule("complete", "every issued request succeeded", _complete),
    Rule("verified", "greedy text is repeatable, alone and in a batch", _verified),
    Rule("dtype", "stored dtype = requested dtype", _dtype),
    Rule("observer", f"E2E with stamps / without - 1 <= {OBSERVER_LIMIT}", _observer),
    Rule("outside-engine", f"1 - engine time / wall time <= {OUTSIDE_LIMIT}", _outside),
    Rule("contention", f"CPU time of others / (wall time * cores) <= {OTHERS_LIMIT}", _contention),
    Rule("coalesced", f"token events that share a read with the one before <= {COALESCED_LIMIT}", _coalesced),
    Rule("replication", "launches >= 2 for any claim about re-runs", _replication),
    Rule("precision", f"relative half-width of throughput <= {PRECISION_LIMIT}", _precision),
    Rule("steady", "no slow first trial, no trend; from ten trials on flat: no slowdown, no want of a steady state", _steady),
    Rule("engine-agrees", f"|E2E - engine's own time| <= {ENGINE_LIMIT} of E2E", _engine_agrees),
)
