"""A run → its trials and its requests, one line each, by the definitions of the reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from touchstone.judge import metrics
from touchstone.judge.columns import requests_of
from touchstone.judge.load.scan import Offered, offered_points
from touchstone.judge.load.summarize import summarize_case
from touchstone.judge.summarize import trial_value
from touchstone.listing import ListedRequest, ListedTrial
from touchstone.load_plan import LoadPlan
from touchstone.record import Run, Status, Trial
from touchstone.served import Ending, LoadRun, Point, Requests
from touchstone.units import seconds


def trials_of(run: Run | LoadRun, case: str | None = None) -> tuple[ListedTrial, ...]:
    """Every trial of an engine, warm-up and verification too, or every point of load, in the order they were played; of one ``case`` only."""
    if isinstance(run, LoadRun):
        first_ns = min((point.started_ns for point in run.points), default=0)
        return tuple(_point(one, LoadPlan.model_validate(run.header["plan"]), first_ns) for one in offered_points(run) if case in {None, one.point.case})
    first_ns = min((trial.sent_ns for trial in run.trials), default=0)
    return tuple(_trial(trial, first_ns) for trial in run.trials if case in {None, trial.case})


def requests_listed(run: Run | LoadRun, case: str | None = None) -> tuple[ListedRequest, ...]:
    """Every request, in the order of its trial; of one ``case`` only."""
    if isinstance(run, LoadRun):
        points = {point.index: point for point in run.points if case in {None, point.case}}
        return tuple(_of_load(run.requests, points))
    first_ns = min((record.sent_ns for trial in run.trials for record in trial.records), default=0)
    return tuple(one for trial in run.trials if case in {None, trial.case} for one in _of_trial(trial, first_ns))


# ── of an engine in this process ─────────────────────────────────────────────────────────────────────────────────────────


def _trial(trial: Trial, first_ns: int) -> ListedTrial:
    ok = sum(record.status is Status.OK for record in trial.records)
    return ListedTrial(trial.case, trial.launch, trial.index, trial.phase.value, trial.status.value, trial.batch_size, ok, seconds(trial.sent_ns - first_ns),
                       seconds(trial.ended_ns - trial.sent_ns), trial_value("ttft", trial), trial_value("tpot", trial),
                       trial_value("output_throughput", trial), metrics.peak_memory(trial.memory), trial.error)


def _of_trial(trial: Trial, first_ns: int) -> Iterator[ListedRequest]:
    rows = requests_of(trial.records)
    times = zip(*(_floats(of(rows)) for of in (metrics.ttft, metrics.tpot, metrics.e2e)), strict=True)
    for record, (ttft_s, tpot_s, e2e_s) in zip(trial.records, times, strict=True):
        yield ListedRequest(trial.case, trial.launch, trial.index, trial.phase.value, record.request_id, record.status.value,
                            seconds(record.sent_ns - first_ns), ttft_s, tpot_s, e2e_s, record.input_tokens, record.cached_tokens, record.output_tokens)


# ── of a server under load ───────────────────────────────────────────────────────────────────────────────────────────────


def _point(one: Offered, plan: LoadPlan, first_ns: int) -> ListedTrial:
    found = summarize_case(one.point.case, [one], plan)
    ttft, tpot, throughput = (found.metrics[name].value for name in ("ttft", "tpot", "output_throughput"))
    failed = ", ".join(f"{count} {word}" for word, count in found.failed.items())
    status = "ok" if not failed else "partial" if found.ok else "failed"
    return ListedTrial(one.point.case, None, one.point.index, None, status, found.issued, found.ok,
                       seconds(one.point.started_ns - first_ns), seconds(one.point.ended_ns - one.point.started_ns), ttft, tpot, throughput, error=failed or None)


def _of_load(requests: Requests, points: dict[int, Point]) -> Iterator[ListedRequest]:
    sent = requests.sent_ns.compressed()
    first_ns = int(sent.min()) if len(sent) else 0
    words = {ending.value: ending.word for ending in Ending}
    columns: list[Sequence[Any]] = [column.tolist() for column in (
        requests.point, requests.request, requests.ending, requests.sent_ns, requests.input_tokens, requests.cached_tokens, metrics.output_tokens(requests))]
    times = [_floats(of(requests)) for of in (metrics.ttft, metrics.tpot, metrics.e2e)]
    for point, request, ending, sent_ns, asked, cached, given, ttft_s, tpot_s, e2e_s in zip(*columns, *times, strict=True):
        if point in points:
            yield ListedRequest(points[point].case, None, point, None, str(request), words.get(ending, str(ending)),
                                None if sent_ns is None else seconds(sent_ns - first_ns), ttft_s, tpot_s, e2e_s, asked, cached, given)


def _floats(values: metrics.Values) -> list[float | None]:
    listed: list[float | None] = values.tolist()
    return listed
