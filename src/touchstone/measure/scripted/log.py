"""The true times of every request, as the server saw them, in nanoseconds on the host's monotonic clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from touchstone.measure.scripted.answers import TOKEN_EVENTS
from touchstone.measure.scripted.stream import Stream


@dataclass(frozen=True)
class Entry:
    """One request and the events that were sent for it.

    ``received_ns`` is the kernel's receive stamp of the request's last bytes if ``kernel_stamp``, else the server's own stamp of the
    read. ``started_ns`` is when it was taken up: the same moment, unless it had to queue; None if it still does. ``events`` and
    ``tokens`` describe the events that left whole; of the write that completed each, ``scheduled_ns`` is when it was due,
    ``sending_ns`` the stamp just before the send and ``sent_ns`` the one just after. ``output_tokens`` counts what was sent.
    ``cut`` says that the client left before the end. ``number`` counts the requests of one server process.
    """

    request_id: str | None
    process: int
    number: int
    connection: int
    endpoint: str
    streamed: bool
    fault: str | None
    cut: bool
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    received_ns: int
    kernel_stamp: bool
    started_ns: int | None
    events: tuple[str, ...]
    tokens: tuple[int, ...]
    scheduled_ns: tuple[int, ...]
    sending_ns: tuple[int, ...]
    sent_ns: tuple[int, ...]

    @property
    def token_places(self) -> tuple[int, ...]:
        """Which of the events carried tokens."""
        return tuple(place for place, name in enumerate(self.events) if name in TOKEN_EVENTS and self.tokens[place])

    @property
    def token_sent_ns(self) -> tuple[int, ...]:
        """When each token event had left."""
        return tuple(self.sent_ns[place] for place in self.token_places)

    @property
    def first_token_sent_ns(self) -> int | None:
        """When the first token event had left; None if none did."""
        return next(iter(self.token_sent_ns), None)

    @property
    def last_token_sent_ns(self) -> int | None:
        """When the last token event had left; None if none did."""
        return self.token_sent_ns[-1] if self.token_sent_ns else None


def entry(stream: Stream, process: int) -> Entry:
    """What has happened to ``stream`` so far."""
    answer, asked = stream.answer, stream.asked
    scheduled_ns, sending_ns, sent_ns = [], [], []
    before = 0
    for write in range(len(stream.stamps_ns) // 2):
        count = answer.events_after[write] - before
        scheduled_ns += [stream.base_ns + stream.offsets_ns[write]] * count
        sending_ns += [stream.stamps_ns[2 * write]] * count
        sent_ns += [stream.stamps_ns[2 * write + 1]] * count
        before += count
    return Entry(
        request_id=stream.request_id, process=process, number=stream.number, connection=stream.connection_number,
        endpoint="chat" if asked.chat else "completions", streamed=asked.streamed, fault=stream.fault, cut=stream.cut,
        prompt_tokens=asked.prompt_tokens, cached_tokens=asked.cached_tokens, output_tokens=sum(answer.tokens[:before]),
        received_ns=stream.received_ns, kernel_stamp=stream.kernel_stamp, started_ns=stream.base_ns or None,
        events=tuple(answer.names[:before]), tokens=tuple(answer.tokens[:before]),
        scheduled_ns=tuple(scheduled_ns), sending_ns=tuple(sending_ns), sent_ns=tuple(sent_ns))


def log_lines(streams: Iterable[Stream], process: int) -> Iterable[bytes]:
    """One line of JSON per request."""
    for stream in streams:
        yield msgspec.json.encode(entry(stream, process)) + b"\n"


def parse_log(content: bytes) -> list[Entry]:
    """Entries from lines of JSON, in the order in which the requests were received."""
    decoder = msgspec.json.Decoder(Entry)
    return sorted((decoder.decode(line) for line in content.splitlines()), key=lambda one: one.received_ns)
