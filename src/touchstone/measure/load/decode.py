"""After the load: the tape of one client → columns of requests and events.

Here, and only here, framing, events, JSON and token counts are looked at. Work goes batch by batch, so that memory does not grow
with the number of requests; within a batch everything but the parsing of an answer is done on whole columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from touchstone.measure.load.share import Share
from touchstone.measure.load.tape_file import HEAD, STAMP_BYTES, Outcome
from touchstone.parquet import masked
from touchstone.served import Column, Ending, EventKind
from touchstone.units import NS_PER_S
from touchstone.wire.answer import Answer, read_answer

Ints = npt.NDArray[np.int64]
_BLOCK_BYTES = 1 << 22
_BATCH_BYTES = 1 << 23
_BATCH_ANSWERS = 20_000
_EARLY_NS = 20_000  # a stamp carried over may lie this much after the read it was taken before
_LAST_TOKEN_KIND = int(EventKind.TOOL)

_ENDINGS = {Outcome.RESET: Ending.RESET, Outcome.TIMEOUT: Ending.TIMEOUT, Outcome.UNREACHABLE: Ending.UNREACHABLE, Outcome.STOPPED: Ending.STOPPED}

@dataclass(frozen=True)
class TapedAnswer:
    """One answer as read back.

    ``at_ns``, ``stamps`` (seconds and nanoseconds of the wall clock, zero where there is none) and ``sizes`` have one entry per read.
    """

    row: int
    scheduled_ns: int
    sent_ns: int
    ended_ns: int
    outcome: Outcome
    at_ns: Ints
    stamps: Ints
    sizes: npt.NDArray[np.int32]
    raw: bytes


def read_tape(path: Path) -> Iterator[TapedAnswer]:
    """The answers in ``path`` in the order they ended. What a killed process left half-written at the end is passed over."""
    with path.open("rb", buffering=_BLOCK_BYTES) as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            row, scheduled_ns, sent_ns, ended_ns, size, reads, outcome = HEAD.unpack(head)
            stamps_at, sizes_at, raw_at = 8 * reads, (8 + STAMP_BYTES) * reads, (8 + STAMP_BYTES + 4) * reads
            body = file.read(raw_at + size)
            if len(body) < raw_at + size:
                return
            yield TapedAnswer(row, scheduled_ns, sent_ns, ended_ns, Outcome(outcome), np.frombuffer(body, np.int64, reads),
                              np.frombuffer(body, np.int64, 2 * reads, stamps_at),
                              np.frombuffer(body, np.int32, reads, sizes_at), body[raw_at:])


@dataclass(frozen=True)
class Context:
    """What decoding must know beside the tape.

    ``clock_pairs`` carry the kernel's stamps over to the monotonic clock; ``share`` knows what was asked; ``count`` counts the tokens
    of texts; ``secrets`` are never written.
    """

    point: int
    case: str
    repeat: int
    process: int
    id_prefix: str
    streamed: bool
    clock_pairs: Sequence[tuple[int, int]]
    share: Share
    count: Callable[[list[str]], list[int]] | None = None
    keep_text: bool = False
    secrets: tuple[str, ...] = ()

    def printable(self, error: str | None) -> str | None:
        """``error`` without any key that a server may have repeated in it."""
        for secret in self.secrets:
            error = error and _without(error, secret)
        return error


def _without(said: str, secret: str) -> str:
    """``said`` with … for every ``secret``, and for the start of one where the text was cut off within it."""
    said = said.replace(secret, "…")
    started = next((length for length in range(len(secret) - 1, 3, -1) if said.endswith(secret[:length])), 0)
    return f"{said[:-started]}…" if started else said


class DelayHistogram:
    """How long answers lay in the kernel before they were read, in bins of 5 %, over any number of reads."""

    _EDGES = np.concatenate([[0.0], np.geomspace(100, 1e11, 426)])

    def __init__(self) -> None:
        self._counts = np.zeros(len(self._EDGES) + 1, np.int64)
        self._sum = 0.0
        self._max = 0

    def add(self, delays_ns: Ints) -> None:
        """Count delays in nanoseconds."""
        if len(delays_ns):
            self._counts += np.bincount(np.searchsorted(self._EDGES, delays_ns), minlength=len(self._counts))
            self._sum += float(delays_ns.sum())
            self._max = max(self._max, int(delays_ns.max()))

    def facts(self) -> dict[str, int | None]:
        """Mean, quantiles (upper edge of their bin), maximum and count, in nanoseconds; None where nothing was counted."""
        count = int(self._counts.sum())
        if not count:
            return {"mean": None, "p50": None, "p99": None, "max": None, "count": 0}
        reached = np.cumsum(self._counts)

        def quantile(share: float) -> int:
            place = int(np.searchsorted(reached, share * count))
            return min(self._max, round(float(self._EDGES[min(place, len(self._EDGES) - 1)])))
        return {"mean": round(self._sum / count), "p50": quantile(0.5), "p99": quantile(0.99), "max": self._max, "count": count}


def decode(answers: Iterable[TapedAnswer], context: Context, delays: DelayHistogram) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Batches of columns of requests and of events; read delays are added to ``delays``."""
    batch: list[TapedAnswer] = []
    size = 0
    for answer in answers:
        batch.append(answer)
        size += len(answer.raw) + 16 * len(answer.sizes)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ANSWERS:
            yield _decode_batch(batch, context, delays)
            batch, size = [], 0
    if batch:
        yield _decode_batch(batch, context, delays)


def _decode_batch(batch: list[TapedAnswer], context: Context, delays: DelayHistogram) -> tuple[dict[str, Any], dict[str, Any]]:
    want_text = context.keep_text or context.count is not None
    answers = [read_answer(one.raw, closed=one.outcome is not Outcome.WHOLE, streamed=context.streamed, want_text=want_text)
               for one in batch]
    reads = _Reads(batch, context.clock_pairs)
    delays.add(reads.known_delays())
    events = _Events(batch, answers, reads)
    requests = _requests(batch, answers, reads, events, context)
    owners = np.repeat(requests["request"].data, events.counts)
    return requests, {
        "point": _all(np.full(len(owners), context.point)), "request": _all(owners), "at_ns": _all(events.at_ns),
        "read_ns": _all(events.read_ns), "tokens": events.tokens, "kind": _all(events.kinds),
    }


class _Reads:
    """The reads of a batch end to end. ``arrived_ns`` is the kernel's stamp on our clock, else our own."""

    def __init__(self, batch: Sequence[TapedAnswer], clock_pairs: Sequence[tuple[int, int]]) -> None:
        self.counts = np.fromiter((len(one.sizes) for one in batch), np.int64, len(batch))
        self.at_ns = _joined([one.at_ns for one in batch])
        stamps = _joined([one.stamps for one in batch]).reshape(-1, 2)
        self.ends = np.cumsum(_joined([one.sizes for one in batch]), dtype=np.int64)
        self.bases = np.concatenate([[0], np.cumsum([len(one.raw) for one in batch], dtype=np.int64)])[:-1]
        delay = _delays(self.at_ns, stamps, clock_pairs)
        self.stamped = delay >= 0
        self.delay_ns = np.where(self.stamped, delay, 0)
        self.arrived_ns = self.at_ns - self.delay_ns
        self.stops = np.cumsum(self.counts)

    def known_delays(self) -> Ints:
        return self.delay_ns[self.stamped]

    def largest_delay(self) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
        """Per answer; masked where no read has a kernel stamp."""
        largest = np.zeros(len(self.counts), np.int64)
        known = np.zeros(len(self.counts), np.bool_)
        some = self.counts > 0
        if some.any():
            starts = (self.stops - self.counts)[some]
            largest[some] = np.maximum.reduceat(self.delay_ns, starts)
            known[some] = np.logical_or.reduceat(self.stamped, starts)
        return np.ma.MaskedArray(largest, ~known)


def _delays(at_ns: Ints, stamps: Ints, clock_pairs: Sequence[tuple[int, int]]) -> Ints:
    """Our stamp - the kernel's, by the clock pairs around the read and around the arrival; -1 where no stamp can be believed.

    The wall clock may be set while a load runs; then only some of the pairs make sense of a stamp. At most one pair is taken between
    an arrival and its read, so the second before the read was taken before both.
    """
    times = np.array([at for at, _ in clock_pairs], np.int64)
    offsets = np.array([offset for _, offset in clock_pairs], np.int64)
    after = np.clip(np.searchsorted(times, at_ns), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    wall_ns = stamps[:, 0] * NS_PER_S + stamps[:, 1]
    unknown = np.int64(1) << 62
    candidates = [at_ns - (wall_ns - offsets[place]) for place in (np.maximum(before - 1, 0), before, after)]
    smallest = np.min([np.where(one >= -_EARLY_NS, np.maximum(one, 0), unknown) for one in candidates], axis=0)
    return np.where((wall_ns == 0) | (smallest == unknown), -1, smallest)


class _Events:
    """The events of a batch end to end, each with the stamps of the read that completed it."""

    def __init__(self, batch: Sequence[TapedAnswer], answers: Sequence[Answer], reads: _Reads) -> None:
        self.counts = np.fromiter((len(one.ends) for one in answers), np.int64, len(batch))
        total = int(self.counts.sum())
        self.stops = np.cumsum(self.counts)
        ends = np.fromiter((end for one in answers for end in one.ends), np.int64, total) + np.repeat(reads.bases, self.counts)
        self.kinds = np.fromiter((kind for one in answers for kind in one.kinds), np.int64, total)
        self.tokens = masked((tokens for one in answers for tokens in one.tokens), total)
        self.read = np.searchsorted(reads.ends, ends)
        self.at_ns = reads.arrived_ns[self.read]
        self.read_ns = reads.at_ns[self.read]
        self.owner = np.repeat(np.arange(len(batch)), self.counts)
        self.bearing = np.flatnonzero(self.kinds <= _LAST_TOKEN_KIND)

    def first(self, places: npt.NDArray[np.intp], last: bool = False) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """For every answer the first (or last) of the events ``places``, and whether it has one."""
        owners = self.owner[places]
        answers = np.arange(len(self.counts))
        starts, stops = np.searchsorted(owners, answers), np.searchsorted(owners, answers, "right")
        present = stops > starts
        chosen = np.where(present, stops - 1 if last else starts, 0)
        return (places[chosen] if len(places) else chosen), present

    def stamps(self, places: npt.NDArray[np.intp], last: bool = False) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
        """The arrival of that event; masked where there is none."""
        chosen, present = self.first(places, last)
        return np.ma.MaskedArray(self.at_ns[chosen] if len(self.at_ns) else np.zeros(len(present), np.int64), ~present)

    def token_events(self) -> Ints:
        return np.bincount(self.owner[self.bearing], minlength=len(self.counts))

    def first_tokens(self, output_tokens: np.ma.MaskedArray[Any, np.dtype[np.int64]]) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
        """Tokens that came with the first stamp: as the events say, or one each where the server's count is the number of events."""
        chosen, present = self.first(self.bearing)
        with_first = self.bearing[np.isin(self.read[self.bearing], self.read[chosen[present]])] if present.any() else self.bearing[:0]
        owner = self.owner[with_first]
        together = np.bincount(owner, minlength=len(self.counts))
        said = np.bincount(owner, weights=np.ma.filled(self.tokens[with_first], 0), minlength=len(self.counts)).astype(np.int64)
        silent = np.bincount(owner, weights=np.ma.getmaskarray(self.tokens)[with_first], minlength=len(self.counts)) > 0
        one_each = ~np.ma.getmaskarray(output_tokens) & (output_tokens.data == self.token_events())
        return np.ma.MaskedArray(np.where(silent, together, said), ~present | (silent & ~one_each))


def _requests(batch: Sequence[TapedAnswer], answers: Sequence[Answer], reads: _Reads, events: _Events, context: Context) -> dict[str, Any]:
    count = len(batch)
    numbers = [context.share.number(one.row) for one in batch]
    asked = [context.share.asked(one.row) for one in batch]
    output_tokens = masked((one.output_tokens for one in answers), count)
    content = events.bearing[events.kinds[events.bearing] != int(EventKind.REASONING)]
    endings = [_ENDINGS.get(one.outcome) or answer.ending for one, answer in zip(batch, answers, strict=True)]
    last_read = reads.arrived_ns[np.maximum(reads.stops - 1, 0)] if len(reads.arrived_ns) else np.zeros(count, np.int64)
    whole = np.fromiter((one.outcome is Outcome.WHOLE for one in batch), np.bool_, count) & (reads.counts > 0)
    ended = np.where(whole, last_read, np.fromiter((one.ended_ns for one in batch), np.int64, count))
    def streamed(column: Column) -> Column:
        """An answer that comes in one piece does not say when its first token was there."""
        return column if context.streamed else np.ma.MaskedArray(column.data, np.ones(count, np.bool_))

    texts = [one.reasoning_text + one.text for one in answers]
    return {
        "point": _all(np.full(count, context.point)), "request": _numbers(numbers),
        "session": _numbers(one[0] for one in asked), "turn": _numbers(one[1] for one in asked),
        "ending": _numbers(int(one) for one in endings), "http_status": masked((one.http_status for one in answers), count),
        "input_tokens_asked": masked((one[2] for one in asked), count), "input_tokens": masked((one.input_tokens for one in answers), count),
        "cached_tokens": masked((one.cached_tokens for one in answers), count), "output_tokens_asked": masked((one[3] for one in asked), count),
        "output_tokens": output_tokens,
        "output_tokens_text": masked(context.count(texts) if context.count else [None] * count, count),
        "first_tokens": streamed(events.first_tokens(output_tokens)), "token_events": _all(events.token_events()),
        "scheduled_ns": _numbers(one.scheduled_ns for one in batch), "sent_ns": _numbers(one.sent_ns for one in batch),
        "first_event_ns": streamed(events.stamps(np.arange(len(events.kinds)))), "first_token_ns": streamed(events.stamps(events.bearing)),
        "first_output_ns": streamed(events.stamps(content)), "last_token_ns": events.stamps(events.bearing, last=True), "ended_ns": _all(ended),
        "delay_ns": reads.largest_delay(), "reads": _all(reads.counts), "received_bytes": _numbers(len(one.raw) for one in batch),
        "process": _all(np.full(count, context.process)),
        "request_id": [f"{context.id_prefix}{number}" for number in numbers], "case": [context.case] * count,
        "repeat": [context.repeat] * count, "status": [Ending(one).word for one in endings],
        "finish": [one.finish for one in answers], "error": [context.printable(one.error) for one in answers], "prompt_digest": [one[4] for one in asked],
        "text": texts if context.keep_text else [None] * count,
    }


def _joined(parts: Sequence[npt.NDArray[Any]]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _numbers(values: Iterable[int]) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
    return _all(np.array(list(values), np.int64))


def _all(values: npt.NDArray[Any]) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
    """A column in which everything is known."""
    return np.ma.MaskedArray(np.asarray(values, np.int64), np.zeros(len(values), np.bool_))
