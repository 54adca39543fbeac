"""A long run is judged event by event in columns: nothing is lost, and what it took is printed (``pytest -s``)."""

import resource
from dataclasses import replace

import numpy as np
import pytest
from builders import MS, make_conduct, make_events, make_load_run, make_requests

from touchstone.clock import now_ns
from touchstone.judge.findings import findings_of
from touchstone.report import FACES
from touchstone.served import REQUEST_COLUMNS, Requests


def long_run(count, tokens, batch=4000):
    """``count`` requests a millisecond apart with ``tokens`` events each, which come in batches and are never all there."""
    one, row = make_requests(1), np.arange(count)
    columns = {name: np.ma.array(np.repeat(getattr(one, name).data, count), mask=np.repeat(np.ma.getmaskarray(getattr(one, name)), count))
               for name in REQUEST_COLUMNS}
    first = row * MS + 50 * MS + row % 7
    last = first + (tokens - 1) * 10 * MS
    known = {"request": row, "sent_ns": row * MS, "scheduled_ns": row * MS, "first_event_ns": first, "first_token_ns": first,
             "first_output_ns": first, "last_token_ns": last, "ended_ns": last + MS, "output_tokens": np.full(count, tokens),
             "output_tokens_asked": np.full(count, tokens), "token_events": np.full(count, tokens)}
    requests = Requests(**{**columns, **{name: np.ma.array(values) for name, values in known.items()}})

    def batches():
        for start in range(0, count, batch):
            yield make_events(Requests(**{name: column[start:start + batch] for name, column in vars(requests).items()}))

    run = make_load_run(one)
    point = replace(run.points[0], client=make_conduct(), started_ns=0, ended_ns=int(last[-1]))
    return replace(run, points=(point,), requests=requests, events=batches)


@pytest.mark.parametrize(("count", "tokens"), [(100_000, 128)])
def test_every_event_of_a_long_run_is_judged(count, tokens):
    run = long_run(count, tokens)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, now_ns()
    findings = findings_of(run)
    text = FACES["text"](findings, str, "en")
    print(f"\n{count} requests x {tokens} events: {(now_ns() - started) / 1e9:.2f} s with their making, "  # noqa: T201 - a number to read, not to test
          f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f} MB more at the peak")
    (case,) = findings.cases
    assert (case.ok, case.metrics["itl"].n) == (count, count * (tokens - 1))
    assert case.metrics["itl"].value == pytest.approx(0.01)
    assert f"{count * (tokens - 1):,}" in text
