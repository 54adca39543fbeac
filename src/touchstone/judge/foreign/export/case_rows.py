"""The requests behind a case, as columns, whether an engine in this process or a server answered them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from touchstone.finding import CaseFinding, Findings
from touchstone.judge import metrics
from touchstone.judge.columns import events_of, requests_of
from touchstone.record import Record, Run
from touchstone.served import Column, Events, LoadRun, Requests
from touchstone.units import NS_PER_S

Gaps = dict[tuple[int, int], np.ndarray[Any, np.dtype[np.float64]]]
"""Seconds between the token events of each answer, by point and request; events that came together make no gap."""


@dataclass(frozen=True)
class CaseRows:
    """A case and its requests in the order of the tables; ``seconds`` from the first sent to the last that ended, over its repeats."""

    case: CaseFinding
    requests: Requests
    seconds: float | None

    @property
    def good(self) -> metrics.Flags:
        """The rows that ended well."""
        return metrics.succeeded(self.requests)


def case_rows(findings: Findings, run: Run | LoadRun) -> Iterator[CaseRows]:
    """The requests of every case of ``findings``. In an engine's run a repeat is a trial, and its number stands for the point."""
    for case in findings.cases:
        if isinstance(run, LoadRun):
            points = [point.index for point in run.points if point.case == case.name]
            requests = run.requests.where(np.isin(run.requests.point.data, points))
        else:
            requests = _joined([requests_of(trial.records) for trial in run.tried(case.name) if trial.records])
        yield CaseRows(case, requests, _seconds(requests))


def _joined(parts: Sequence[Requests]) -> Requests:
    """Rows of several trials; each row's point becomes the place of its trial."""
    if not parts:
        return requests_of([])
    joined = Requests(**{one.name: _column([getattr(part, one.name) for part in parts]) for one in fields(Requests)})
    joined.point[:] = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return joined


def _column(parts: Sequence[Column]) -> Column:
    flags = np.concatenate([np.ma.getmaskarray(part) for part in parts])
    return np.ma.MaskedArray(np.concatenate([part.data for part in parts]), flags)


def _seconds(requests: Requests) -> float | None:
    """First request sent to last answer ended, summed over the repeats: what lies between two repeats is not measured time."""
    total = 0
    for point in np.unique(requests.point.data):
        here = requests.point.data == point
        sent, ended = requests.sent_ns[here].compressed(), requests.ended_ns[here].compressed()
        total += int(ended.max()) - int(sent.min()) if len(sent) and len(ended) else 0
    return total / NS_PER_S or None


def gaps_of(run: Run | LoadRun) -> Callable[[CaseRows], Iterator[list[float]]]:
    """A function that gives the gaps of a case's requests, in their order; the events are read once."""
    served = _gaps(run.events()) if isinstance(run, LoadRun) else {}

    def of_case(rows: CaseRows) -> Iterator[list[float]]:
        found = served if isinstance(run, LoadRun) else _gaps_of_trials(run, rows.case.name)
        for key in zip(rows.requests.point.data.tolist(), rows.requests.request.data.tolist(), strict=True):
            yield found[key].tolist() if key in found else []

    return of_case


def _gaps_of_trials(run: Run, case: str) -> Gaps:
    trials = [trial for trial in run.tried(case) if trial.records]
    return _gaps(_of_trial(trial.records, place) for place, trial in enumerate(trials))


def _of_trial(records: Sequence[Record], place: int) -> Events:
    events = events_of(records)
    events.point[:] = place
    return events


def _gaps(batches: Iterable[Events]) -> Gaps:
    found: Gaps = {}
    for batch in batches:
        events = metrics.token_events(batch)
        if len(events):
            starts, steps = metrics.answer_starts(events), metrics.steps_ns(events)
            apart = ~np.ma.getmaskarray(steps)
            counts = np.add.reduceat(apart, starts, dtype=np.int64)
            pieces = np.split(steps.data[apart] / NS_PER_S, np.cumsum(counts)[:-1])
            keys = zip(events.point.data[starts].tolist(), events.request.data[starts].tolist(), strict=True)
            found.update(zip(keys, pieces, strict=True))
    return found


def listed(values: Any) -> list[Any]:
    """A column as a list, None where it is masked."""
    return list(np.ma.MaskedArray(values).tolist())
