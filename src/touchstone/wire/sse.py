"""Server-sent events (WHATWG HTML, section 9.2.6), as far as LLM servers use them: the data of each event and where it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count
from operator import add

_BOM = b"\xef\xbb\xbf"
_DONE = b"[DONE]"
_DONE_LINES = (b"data: [DONE]", b"data:[DONE]")


@dataclass(slots=True)
class Stream:
    """The events of a body, each as its data without white space around it.

    ``ends[k]`` is the offset just past the byte that completes event k: the first byte that ends its blank line, so of CR LF the CR. Events without data, and ``data: [DONE]``, which sets ``done``, are not in the list.

    ``errors`` holds the indices of the events named "error". ``tail``: the last event has no blank line; the end of the message ended it.
    """

    payloads: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    done: bool = False
    errors: set[int] = field(default_factory=set)
    tail: bool = False


def read_stream(data: bytes, *, complete: bool) -> Stream:
    """The events in ``data``. ``complete``: nothing follows, so that a last event that lacks only its blank line counts."""
    return _plain(data) or _lines(data, complete=complete)


def _plain(data: bytes) -> Stream | None:
    """:func:`_lines` for the usual stream, without a Python step per line: nothing but single data lines, all written alike, and all ended."""
    mark = b"data: " if data.startswith(b"data: ") else b"data:"
    gap = b"\r\n\r\n" if data.endswith(b"\r\n\r\n") else b"\n\n"
    if not (data.startswith(mark) and data.endswith(gap)):
        return None
    payloads = data[len(mark):-len(gap)].split(gap + mark)
    lengths = list(map(len, payloads))
    payloads = list(map(bytes.strip, payloads))
    if not all(payloads) or _DONE in payloads[:-1] or not _only_gaps(data, gap, len(payloads)):
        return None
    step = len(mark) + len(gap)
    ends = list(map(add, accumulate(lengths), count(step - gap.count(b"\r\n\r"), step)))
    done = payloads[-1] == _DONE
    if done:
        del payloads[-1], ends[-1]
    return Stream(payloads, ends, done)


def _only_gaps(data: bytes, gap: bytes, gaps: int) -> bool:
    """Whether the line ends in ``data`` are those of its ``gaps`` gaps and no others."""
    if data.count(b"\n") != 2 * gaps:
        return False
    if gap == b"\n\n":
        return b"\r" not in data
    return data.count(b"\r") == data.count(b"\r\n") == 2 * gaps


def _lines(data: bytes, *, complete: bool) -> Stream:
    stream = Stream()
    values: list[bytes] = []
    name = b""
    for line, end in _ended_lines(data):
        if not line:
            _dispatch(stream, values, name, end)
            name = b""
            continue
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            if value.strip() == _DONE and not b"".join(values).strip():
                stream.done = True
                return stream
            values.append(value)
        elif key == b"event":
            name = value
        elif key == b"error":  # not in the standard: older llama.cpp says errors so
            values.append(value)
            name = key
    if complete:
        stream.tail = _dispatch(stream, values, name, len(data))
    return stream


def _dispatch(stream: Stream, values: list[bytes], name: bytes, end: int) -> bool:
    """End the event that consists of the data lines ``values``, and empty them. Whether there was one."""
    payload = b"\r".join(values).strip()  # JSON takes CR for the space that LF is too, and no payload line can hold one
    values.clear()
    if not payload:
        return False
    if name == b"error":
        stream.errors.add(len(stream.payloads))
    stream.payloads.append(payload)
    stream.ends.append(end)
    return True


def _ended_lines(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Each line that is ended, by CR LF, LF or CR, and the offset just past the first byte of its ending. ``[DONE]`` needs none."""
    at = len(_BOM) if data.startswith(_BOM) else 0
    for whole in data[at:].splitlines(keepends=True):
        line = whole.rstrip(b"\r\n")
        if len(line) < len(whole) or line in _DONE_LINES:
            yield line, at + len(line) + 1
        at += len(whole)
