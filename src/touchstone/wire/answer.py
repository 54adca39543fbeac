"""One answer of an LLM server, read whole: how it ended, its events, where each was complete, and the server's counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import MsgspecError, json

from touchstone.served import Ending
from touchstone.wire.account import Account
from touchstone.wire.event import complaint, printable
from touchstone.wire.http import Body, Head, WireError, parse_head, read_body
from touchstone.wire.sse import Stream, read_stream


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``kinds``, ``ends`` and ``tokens`` have one entry per event.

    ``ends`` is the offset in the raw bytes just past the byte that completes the event: the event is known once the bytes up to there are,
    and not before. ``tokens`` is how many tokens the event itself proves it brought (running usage, else listed token ids, else listed
    log probabilities), None where it does not say. The four counts are the server's. ``error`` is what the server said, or what is wrong.
    ``first_text`` is the text of the first event that carries tokens. ``cut``: bytes followed the end of the message.
    """

    ending: Ending
    http_status: int | None = None
    error: str | None = None
    finish: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    kinds: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    tokens: list[int | None] = field(default_factory=list)
    text: str = ""
    reasoning_text: str = ""
    first_text: str = ""
    cut: bool = False


def read_answer(raw: bytes, *, closed: bool, streamed: bool, want_text: bool = False) -> Answer:
    """Read ``raw``, all bytes of one answer of a chat or completions endpoint. Never raises, whatever the bytes.

    ``closed``: the peer closed the connection after them. ``streamed``: a stream was asked for. ``want_text``: keep the text as well.
    """
    try:
        head = parse_head(raw)
    except WireError as fault:
        return Answer(Ending.MALFORMED, error=printable(str(fault)))
    if head is None:
        return Answer(Ending.TRUNCATED, error="the answer ended within its head" if raw else "there is no answer")
    body = read_body(raw, head, closed=closed)
    cut = body.end is not None and body.end < len(raw)
    if head.status >= 300:
        return Answer(Ending.REFUSED if head.status in {429, 503} else Ending.HTTP_ERROR, head.status, _reason(head, body), cut=cut)
    if head.content_encoding:
        return Answer(Ending.MALFORMED, head.status, _unasked(head.content_encoding), cut=cut)
    as_stream = (streamed or head.event_stream) and not body.data.lstrip().startswith(b"{")
    stream = read_stream(body.data, complete=body.end is not None) if as_stream else _document(body)
    account = Account(want_text=want_text)
    account.read(stream, utf8=_is_utf8(body.data))
    ending, error = _ending(account, body, stream, as_stream=as_stream)
    ends = body.raw_offsets(stream.ends)
    if stream.tail and body.end is not None:
        ends[-1] = body.end
    return Answer(
        ending, head.status, None if error is None else printable(error), account.finish, account.model, *account.counts,
        account.kinds, ends[:len(account.kinds)], account.tokens,
        "".join(account.texts), "".join(account.reasoning_texts), account.first_text, cut)


def _document(body: Body) -> Stream:
    """An answer that is not a stream is one event, complete at the end of the message."""
    if body.end is None or not body.data.strip():
        return Stream()
    return Stream([body.data], [len(body.data)], tail=True)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ending(account: Account, body: Body, stream: Stream, *, as_stream: bool) -> tuple[Ending, str | None]:
    """How a 200 ended, and why if not well. After ``[DONE]`` only the mark of the end of the message may be missing."""
    if account.error is not None:
        return Ending.STREAM_ERROR, account.error
    if fault := account.malformed or body.broken:
        return Ending.MALFORMED, fault
    if body.end is None and (body.inside or not stream.done):
        return Ending.TRUNCATED, "the answer stopped before its end"
    if as_stream and not stream.done and account.finish is None:
        return Ending.TRUNCATED, "the stream ended without a finish reason and without [DONE]"
    return (Ending.OK, None) if account.has_tokens else (Ending.EMPTY, "the answer has no tokens")


def _reason(head: Head, body: Body) -> str:
    """What the server said with an HTTP error, as far as it came."""
    if head.content_encoding:
        return _unasked(head.content_encoding)
    try:
        said = complaint(json.decode(body.data))
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        said = None
    return printable(said or body.data[:4096].decode(errors="replace")) or f"HTTP status {head.status}"


def _unasked(content_encoding: str) -> str:
    return printable(f"content-encoding {content_encoding} was not asked for")
