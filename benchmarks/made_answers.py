"""Answers of a load test that nobody measured, as its client writes them: for benchmarks that need very many."""

from __future__ import annotations

from typing import Any

import numpy as np

from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, REQUEST_FACTS, REQUEST_WORDS

MS = 1_000_000
INPUT_TOKENS = 8
Stamps = np.ndarray[Any, np.dtype[np.int64]]
Columns = dict[str, Any]


def answers(point: int, tokens: int, stamps: tuple[Stamps, Stamps, int], **more: Any) -> tuple[Columns, Columns]:
    """The columns of the requests and of the events of one point. ``stamps`` are when each was sent, when its first token came, and the gap."""
    sent, first, step = stamps
    count, last, row = len(sent), first + (tokens - 1) * step, np.arange(len(sent))
    known = {"point": np.full(count, point), "request": row, "ending": np.zeros(count), "input_tokens": np.full(count, INPUT_TOKENS),
             "output_tokens": np.full(count, tokens), "first_tokens": np.ones(count), "token_events": np.full(count, tokens), "sent_ns": sent,
             "first_event_ns": first, "first_token_ns": first, "first_output_ns": first, "last_token_ns": last, "ended_ns": last + MS, **more}
    requests: Columns = {name: _column(known.get(name), count) for name in (*REQUEST_COLUMNS, *REQUEST_FACTS)}
    at_ns = (first[:, None] + np.arange(tokens) * step).ravel()
    bearing = {"point": np.full(len(at_ns), point), "request": np.repeat(row, tokens), "at_ns": at_ns, "read_ns": at_ns, "tokens": np.ones(len(at_ns)),
               "kind": np.zeros(len(at_ns))}
    events = {name: _column(bearing[name], len(at_ns)) for name in EVENT_COLUMNS}
    return requests | {name: [None] * count for name in REQUEST_WORDS}, events


def _column(values: Any, count: int) -> Any:
    """Integers, or ``count`` unknown ones."""
    return np.ma.MaskedArray(np.zeros(count, np.int64) if values is None else np.asarray(values).astype(np.int64), values is None)
