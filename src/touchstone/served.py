"""What a load did, in columns: one row per request, one per event of an answer. Facts only; a masked value is unknown.

All stamps are integer nanoseconds on the host's monotonic clock. An event's ``at_ns`` is when its last byte reached this host: the
kernel's receive stamp where there is one, else the client's own. ``read_ns`` is the client's own stamp of the read that brought it,
so ``read_ns - at_ns`` bounds the client's delay. Events of one read share both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np

Column = np.ma.MaskedArray[Any, np.dtype[np.int64]]
"""Integers with a mask; masked is unknown."""


class Ending(IntEnum):
    """How a request ended. Only OK enters a latency; every other kind is counted by itself."""

    OK = 0
    HTTP_ERROR = 1
    REFUSED = 2
    STREAM_ERROR = 3
    MALFORMED = 4
    TRUNCATED = 5
    EMPTY = 6
    TIMEOUT = 7
    RESET = 8
    UNREACHABLE = 9
    STOPPED = 10

    @property
    def word(self) -> str:
        """As written in tables: ``http_error``."""
        return self.name.lower()


class EventKind(IntEnum):
    """What an event of an answer carried. The first three carry generated tokens."""

    CONTENT = 0
    REASONING = 1
    TOOL = 2
    EMPTY = 3
    FINISH = 4
    USAGE = 5
    ERROR = 6


TOKEN_KINDS = (EventKind.CONTENT, EventKind.REASONING, EventKind.TOOL)


@dataclass(frozen=True)
class Requests:
    """One row per request, in the order of the schedule.

    ``output_tokens`` is the server's count; ``output_tokens_text`` ours, of the text it sent. ``first_tokens`` is how many tokens the
    first token event brought. ``delay_ns`` is the largest delay between the kernel's stamp and ours over the answer's reads.
    """

    point: Column
    request: Column
    turn: Column
    ending: Column
    input_tokens_asked: Column
    input_tokens: Column
    cached_tokens: Column
    output_tokens_asked: Column
    output_tokens: Column
    output_tokens_text: Column
    first_tokens: Column
    token_events: Column
    scheduled_ns: Column
    sent_ns: Column
    first_event_ns: Column
    first_token_ns: Column
    first_output_ns: Column
    last_token_ns: Column
    ended_ns: Column
    delay_ns: Column

    def where(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Requests:
        """The rows for which ``chosen`` (one flag per row) is true."""
        return Requests(**{name.name: getattr(self, name.name)[chosen] for name in fields(self)})

    def part(self, rows: slice) -> Requests:
        """Neighbouring rows, as views of the same memory."""
        return Requests(**{name.name: getattr(self, name.name)[rows] for name in fields(self)})

    def __len__(self) -> int:
        return len(self.request)


REQUEST_COLUMNS = tuple(field.name for field in fields(Requests))
REQUEST_WORDS = ("request_id", "case", "status", "finish", "error", "prompt_digest", "text")
REQUEST_FACTS = ("repeat", "session", "http_status", "reads", "received_bytes", "process")
"""Columns of ``requests.parquet``, text and integers, that are for the reader of the file: no metric needs them."""


@dataclass(frozen=True)
class Events:
    """One row per event; a request's events are neighbours, in order. ``tokens`` is masked where the event does not say."""

    point: Column
    request: Column
    at_ns: Column
    read_ns: Column
    tokens: Column
    kind: Column

    def __len__(self) -> int:
        return len(self.request)


EVENT_COLUMNS = tuple(field.name for field in fields(Events))


@dataclass(frozen=True)
class Point:
    """One load, offered once: case ``case`` for the ``repeat``-th time. ``client`` and ``server`` are what was seen of both."""

    index: int
    case: str
    repeat: int
    load: Mapping[str, Any]
    started_ns: int
    ended_ns: int
    client: Mapping[str, Any]
    server: Mapping[str, Any]


@dataclass(frozen=True)
class LoadRun:
    """A load test as read back.

    ``events()`` gives the events in batches, so that a million requests need not fit in memory;
    a request's events are never split over two batches.
    """

    path: str
    header: Mapping[str, Any]
    points: tuple[Point, ...]
    requests: Requests
    events: Callable[[], Iterable[Events]]
