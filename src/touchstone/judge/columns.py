"""Records of an engine in this process as the columns of a server's answers, so that each definition exists once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from touchstone.judge.metrics import Window
from touchstone.record import Record, Status, Trial
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, Column, Ending, EventKind, Events, Requests
from touchstone.units import seconds

_ENDINGS = {Status.OK: Ending.OK, Status.TRUNCATED: Ending.TRUNCATED}


def column(values: Iterable[int | None]) -> Column:
    """Integers, masked where None."""
    listed = list(values)
    return np.ma.array([value or 0 for value in listed], mask=[value is None for value in listed], dtype=np.int64)


def carried_tokens(record: Record) -> int | None:
    """Tokens that the events of ``record`` carried; the server's count of all where its events do not say. None without events."""
    if not record.event_ns:
        return None
    carried = _known_sum(record.event_tokens)
    return record.output_tokens if carried is None else carried


def _known_sum(tokens: Iterable[int | None]) -> int | None:
    """The sum; None where any is unknown."""
    listed = list(tokens)
    return None if None in listed else sum(one for one in listed if one is not None)


def requests_of(records: Sequence[Record]) -> Requests:
    """One row per record. Its tokens are those its events carried; events that share the first stamp are the first event."""
    stamps = [record.event_ns or (None,) for record in records]
    first = [_known_sum(tokens for at_ns, tokens in zip(record.event_ns, record.event_tokens, strict=True) if at_ns == record.event_ns[0])
             for record in records]
    known: dict[str, Iterable[int | None]] = {
        "request": range(len(records)),
        "ending": [_ENDINGS.get(record.status, Ending.STREAM_ERROR) for record in records],
        "input_tokens_asked": [record.input_tokens_built for record in records],
        "input_tokens": [record.input_tokens for record in records],
        "cached_tokens": [record.cached_tokens for record in records],
        "output_tokens_asked": [record.asked_output_tokens for record in records],
        "output_tokens": [carried_tokens(record) for record in records],
        "first_tokens": [tokens or None for tokens in first],
        "token_events": [len(record.event_ns) for record in records],
        "sent_ns": [record.sent_ns for record in records],
        "first_event_ns": [at_ns[0] for at_ns in stamps],
        "first_token_ns": [at_ns[0] for at_ns in stamps],
        "last_token_ns": [at_ns[-1] for at_ns in stamps],
        "ended_ns": [record.ended_ns for record in records],
    }
    unknown = column([None] * len(records))
    return Requests(**{name: column(known[name]) if name in known else unknown for name in REQUEST_COLUMNS})


def events_of(records: Sequence[Record]) -> Events:
    """One row per token-bearing event of ``records``, answer by answer; the request is the record's place."""
    places = [place for place, record in enumerate(records) for _ in record.event_ns]
    stamps = [at_ns for record in records for at_ns in record.event_ns]
    known: dict[str, Iterable[int | None]] = {"request": places, "at_ns": stamps, "read_ns": stamps, "point": [0] * len(places),
             "tokens": [tokens for record in records for tokens in record.event_tokens], "kind": [EventKind.CONTENT] * len(places)}
    return Events(**{name: column(known[name]) for name in EVENT_COLUMNS})


def window_of(trial: Trial) -> Window | None:
    """From handing over the batch to its last token, with the tokens of its good requests by the engine's count; None without tokens."""
    last = max((record.event_ns[-1] for record in trial.records if record.event_ns), default=None)
    if last is None:
        return None
    good = [record for record in trial.records if record.status is Status.OK]
    return Window(seconds(last - trial.sent_ns), sum(record.output_tokens or 0 for record in good), completed=len(good))
