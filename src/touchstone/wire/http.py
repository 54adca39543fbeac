"""HTTP/1.x answers: the head, and where in the raw bytes each byte of the body stood (RFC 9112).

The answer is given as all bytes received so far. Whatever is found in them is found in every longer version of them too,
so a reader may call again with more bytes, or once at the end.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, count, repeat
from operator import add
from typing import Literal

Framing = Literal["length", "chunked", "close", "none"]

HEAD_LIMIT_BYTES = 64 * 1024
CHUNK_LINE_LIMIT_BYTES = 4 * 1024
SIZE_DIGITS_LIMIT = 12  # 256 TiB: a longer chunk size is an attack or an accident

_VERSION = b"HTTP/1."
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_KEPT = frozenset((b"connection", b"content-encoding", b"content-length", b"content-type", b"retry-after", b"transfer-encoding"))


class WireError(ValueError):
    """Bytes that are not an HTTP/1.x answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer. ``end`` is the offset just past its blank line; ``length`` is in bytes, for framing "length" only.

    ``content_encoding`` is None where the body is sent as it is.
    """

    status: int
    framing: Framing
    length: int | None
    keep_alive: bool
    event_stream: bool
    end: int
    retry_after_s: float | None
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The body as far as it came, without its framing.

    ``stops[k]`` is the offset in ``data`` just past piece k (a chunk, or the whole body), ``raw_stops[k]`` the same place in the raw bytes.
    ``end`` is the raw offset just past the whole message, None if it is not all there. ``inside``: the bytes end within an announced piece.
    ``broken`` says what is wrong with the framing; ``data`` then ends before it.
    """

    data: bytes
    stops: list[int]
    raw_stops: list[int]
    end: int | None
    inside: bool = False
    broken: str | None = None

    def raw_offsets(self, offsets: list[int]) -> list[int]:
        """For each of the ascending ``offsets`` just past a byte of ``data``, the offset just past the same byte in the raw bytes."""
        stops, raw_stops = self.stops, self.raw_stops
        if offsets == stops[:len(offsets)]:  # as most servers write: one event, one chunk
            return raw_stops[:len(offsets)]
        places = [bisect_left(stops, offset) for offset in offsets]
        return [raw_stops[place] - stops[place] + offset for place, offset in zip(places, offsets, strict=True)]


def parse_head(raw: bytes) -> Head | None:
    """The final head at the start of ``raw``, past any interim (1xx) heads; None while it is not complete.

    Raises:
        WireError: not HTTP/1.x, or a head of more than 64 KiB.
    """
    start = 0
    while (end := _head_end(raw, start)) is not None:
        status = _status(raw, start)
        if status >= 200:
            return _head(status, raw[start:end], end)
        if status == 101:
            raise WireError("the server switched to another protocol")
        start = end
    return None


def body_end(raw: bytes, head: Head) -> int | None:
    """The offset just past the whole message (last chunk and trailers too); None if it is not all there, or ends with the connection.

    Raises:
        WireError: broken chunk framing.
    """
    body = read_body(raw, head, closed=False)
    if body.broken:
        raise WireError(body.broken)
    return body.end


def is_whole(raw: bytes, *, closed: bool = False) -> bool:
    """Whether ``raw`` is a whole message by its own framing. ``closed``: the peer closed the connection after these bytes."""
    try:
        head = parse_head(raw)
    except WireError:
        return False
    if head is None:
        return False
    body = read_body(raw, head, closed=closed)
    return body.end is not None and not body.broken


def read_body(raw: bytes, head: Head, *, closed: bool) -> Body:
    """The body that follows ``head`` in ``raw``. ``closed``: the peer closed the connection after these bytes."""
    start = head.end
    if head.framing == "chunked":
        return _whole_chunks(raw, start) or _chunks(raw, start)
    if head.framing == "none":
        return Body(b"", [], [], start)
    if head.framing == "close":
        return Body(raw[start:], [len(raw) - start], [len(raw)], len(raw) if closed else None)
    assert head.length is not None
    data = raw[start:start + head.length]
    whole = len(data) == head.length
    return Body(data, [len(data)], [start + len(data)], start + head.length if whole else None, inside=not whole)


def _head_end(raw: bytes, start: int) -> int | None:
    """Just past the first blank line from ``start``; a line may end in LF alone (RFC 9112, 2.2)."""
    got = raw[start:start + len(_VERSION)]
    if got != _VERSION[:len(got)]:
        raise WireError("the answer is not HTTP/1.x")
    crlf = raw.find(b"\n\r\n", start, HEAD_LIMIT_BYTES)
    lf = raw.find(b"\n\n", start, HEAD_LIMIT_BYTES if crlf < 0 else crlf)
    if lf >= 0:
        return lf + 2
    if crlf >= 0:
        return crlf + 3
    if len(raw) >= HEAD_LIMIT_BYTES:
        raise WireError("the head of the answer is longer than 64 KiB")
    return None


def _status(raw: bytes, start: int) -> int:
    line = raw[start + len(_VERSION):start + len(_VERSION) + 6]  # "1 200 "
    digits = line[2:5]
    if not (line[:1].isdigit() and line[1:2] == b" " and digits.isdigit() and digits >= b"100" and line[5:6].isspace()):
        raise WireError("the answer has no HTTP status line")
    return int(digits)


def _head(status: int, block: bytes, end: int) -> Head:
    fields: dict[bytes, bytes] = {}
    for line in block.split(b"\n")[1:-2]:
        name, colon, value = line.partition(b":")
        if not colon or line[:1].isspace():
            raise WireError("a header line is not `name: value`")
        key = name.strip().lower()
        if key in _KEPT:
            fields[key] = fields[key] + b"," + value.strip() if key in fields else value.strip()
    framing, length = _framing(status, fields)
    connection = fields.get(b"connection", b"").lower()
    keep_alive = b"close" not in connection and (block[:8] != b"HTTP/1.0" or b"keep-alive" in connection)
    encoding = fields.get(b"content-encoding", b"").lower().decode("latin-1")
    return Head(
        status=status, framing=framing, length=length, keep_alive=keep_alive and framing != "close",
        event_stream=fields.get(b"content-type", b"").lower().startswith(b"text/event-stream"), end=end,
        retry_after_s=_seconds(fields.get(b"retry-after", b"")), content_encoding=None if encoding in {"", "identity"} else encoding)


def _framing(status: int, fields: dict[bytes, bytes]) -> tuple[Framing, int | None]:
    """How the body ends, in the order of RFC 9112, 6.3."""
    if status in {204, 304}:
        return "none", None
    coding = fields.get(b"transfer-encoding", b"identity").lower()
    if coding == b"chunked":
        return "chunked", None
    if coding != b"identity":
        raise WireError(f"transfer-encoding {coding.decode('latin-1')} was not asked for")
    if b"content-length" not in fields:
        return "close", None
    lengths = {part.strip() for part in fields[b"content-length"].split(b",")}
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise WireError("content-length is not one number")
    return "length", int(length)


def _seconds(value: bytes) -> float | None:
    """Retry-After in seconds; None for a date, which only a clock could turn into seconds."""
    return float(value) if len(value) <= 12 and value.replace(b".", b"", 1).isdigit() else None


def _whole_chunks(raw: bytes, start: int) -> Body | None:
    """:func:`_chunks` for the usual answer, without a Python step per chunk: complete, no extension, trailer or CRLF inside a chunk.

    Split at CRLF, sizes and data alternate; that every size is the length of its data proves the split to be the framing.
    """
    if not raw.endswith(b"\r\n0\r\n\r\n"):
        return None
    parts = raw[start:-7].split(b"\r\n")
    sizes, pieces = parts[::2], parts[1::2]
    lengths = list(map(len, pieces))
    if len(sizes) != len(pieces) or not all(sizes) or not all(lengths) or b"".join(sizes).translate(None, _HEX_DIGITS):
        return None
    if list(map(int, sizes, repeat(16))) != lengths:
        return None
    passed = list(accumulate(map(len, parts)))[1::2]
    return Body(b"".join(pieces), list(accumulate(lengths)), list(map(add, passed, count(start + 2, 4))), len(raw))


def _chunks(raw: bytes, start: int) -> Body:
    pieces: list[bytes] = []
    raw_stops: list[int] = []
    at, end, inside = start, None, False
    try:
        while (line_end := raw.find(b"\r\n", at, at + CHUNK_LINE_LIMIT_BYTES)) >= 0:
            size = _chunk_size(raw[at:line_end])
            if size == 0:
                end = _trailers_end(raw, line_end)
                break
            at = line_end + 2
            if piece := raw[at:at + size]:
                pieces.append(piece)
                raw_stops.append(at + len(piece))
            inside = len(piece) < size
            if inside:
                break
            at += size + 2
            if raw[at - 2:at] != b"\r\n"[:len(raw) - at + 2]:
                raise WireError("a chunk is longer than its size says")  # noqa: TRY301 - the same fault as in the size lines
        else:
            if len(raw) >= at + CHUNK_LINE_LIMIT_BYTES:
                raise WireError("a chunk size line is longer than 4 KiB")  # noqa: TRY301 - as above
        broken = None
    except WireError as error:
        broken = str(error)
    return Body(b"".join(pieces), list(accumulate(map(len, pieces))), raw_stops, end, inside, broken)


@lru_cache(maxsize=1024)  # servers send few sizes, again and again
def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or digits.translate(None, _HEX_DIGITS) or len(digits.lstrip(b"0")) > SIZE_DIGITS_LIMIT:
        raise WireError("a chunk size is not a hexadecimal number of sensible size")
    return int(digits, 16)


def _trailers_end(raw: bytes, line_end: int) -> int | None:
    found = raw.find(b"\r\n\r\n", line_end, line_end + HEAD_LIMIT_BYTES)
    if found >= 0:
        return found + 4
    if len(raw) >= line_end + HEAD_LIMIT_BYTES:
        raise WireError("the trailers of the answer are longer than 64 KiB")
    return None
