"""Request bytes, built before the load starts, and the files that hold them while it runs.

The layout of the files is in :mod:`touchstone.measure.load.request_index`.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from touchstone import __version__
from touchstone.errors import NotReadyError, UsageError
from touchstone.load_plan import Endpoint, LoadPlan
from touchstone.measure.load.connection import Address
from touchstone.measure.load.request_index import (
    AFTER,
    INPUT_TOKENS,
    NONE,
    OFFSET_NS,
    OUTPUT_TOKENS,
    REQUEST,
    ROW,
    SESSION,
    SIZE,
    START,
    THINK_NS,
    TURN,
    RequestSlice,
)
from touchstone.measure.load.schedule import Schedule
from touchstone.plan import ChatMessage

_CHUNK_ROWS = 4096
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_PRINTABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, section 5.5, obsolete folding left out
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_OURS = {"content-length", "transfer-encoding", "connection", "accept-encoding", "x-request-id"}
PUBLIC_HEADERS = frozenset({"host", "user-agent", "accept", "content-type"})
"""Headers of ours that a user may replace. They hold no secret; of all others that a user gives it must be assumed."""
_PROMPT, _LIMIT = object(), object()

_quoted = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Dialect:
    """How one server wants to be asked.

    Fields of the body that it ``refused`` are left out; in place of ``max_tokens`` comes ``max_completion_tokens``. A server that
    ``closes`` every connection without a word is asked to, and then says so.
    """

    refused: tuple[str, ...] = ()
    closes: bool = False


ANY = Dialect()
"""Anything that a server of this kind should take."""


class RequestTemplate:
    """Everything of a request but its id, its prompt and its length limit, rendered once.

    ``headers`` come on top of ours and may replace them, except those that the measurement rests on. ``fields`` are added to the body
    and override any of it; see :func:`sampling_fields`. Raises :class:`UsageError` for a path or header that is none.
    """

    def __init__(self, address: Address, endpoint: Endpoint, headers: Mapping[str, str], fields: Mapping[str, Any],
                 dialect: Dialect = ANY) -> None:
        self._chat = endpoint.backend == "openai-chat"
        self._head = _head(address, endpoint, headers, closes=dialect.closes)
        whole = _fields(endpoint, fields, dialect.refused)
        self._limited = _pieces(whole)
        self._unlimited = _pieces({name: value for name, value in whole.items() if value is not _LIMIT})

    def render(self, request_id: str, messages: Sequence[ChatMessage], limit_tokens: int | None) -> bytes:
        """The whole HTTP/1.1 request. ``limit_tokens`` None leaves the length of the answer to the server.

        Plain completions get the texts of ``messages`` joined by a space where neither side has one.
        Raises :class:`UsageError` for an id that cannot be a header.
        """
        if not (request_id.isascii() and request_id.isprintable()):
            raise UsageError("The request id {request_id} cannot be a header.", "", request_id=repr(request_id))
        prompt = _chat(messages) if self._chat else _quoted(joined([message.content for message in messages]))
        if limit_tokens is None:
            body = b"".join([prompt if piece is None else piece for piece in self._unlimited])
        else:
            limit = b"%d" % limit_tokens
            body = b"".join([prompt if piece is None else piece or limit for piece in self._limited])
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, request_id.encode(), len(body), body)


def joined(texts: Sequence[str]) -> str:
    """One text of several: a space between two where neither has white space there."""
    whole = texts[0] if texts else ""
    for text in texts[1:]:
        whole += text if not whole or whole[-1].isspace() or text[:1].isspace() else f" {text}"
    return whole


def _chat(messages: Sequence[ChatMessage]) -> bytes:
    return b"[%b]" % b",".join([b'{"role":"%b","content":%b}' % (message.role.encode(), _quoted(message.content)) for message in messages])


def sampling_fields(plan: LoadPlan) -> dict[str, Any]:
    """What ``plan`` adds to every body: temperature and ignore_eos where asked for, and ``extra_body``, which may override them."""
    temperature = {} if plan.temperature is None else {"temperature": plan.temperature}
    return {**temperature, **({"ignore_eos": True} if plan.ignore_eos else {}), **plan.extra_body}


def with_key(headers: Mapping[str, str], api_key: str | None) -> dict[str, str]:
    """``headers`` and, where there is a key, the one that shows it; a header of that name given by the user stays."""
    given = {name.lower() for name in headers}
    return {**({} if api_key is None or "authorization" in given else {"Authorization": f"Bearer {api_key}"}), **headers}


def _fields(endpoint: Endpoint, added: Mapping[str, Any], refused: Sequence[str]) -> dict[str, Any]:
    """The body's fields in order; the two that change from request to request are marks."""
    fields: dict[str, Any] = {} if endpoint.model is None else {"model": endpoint.model}
    fields["messages" if endpoint.backend == "openai-chat" else "prompt"] = _PROMPT
    fields["max_completion_tokens" if "max_tokens" in refused else "max_tokens"] = _LIMIT
    fields["stream"] = endpoint.stream
    if endpoint.stream:
        fields["stream_options"] = {"include_usage": True}
    return {name: value for name, value in {**fields, **added}.items() if name not in refused}


def _pieces(fields: Mapping[str, Any]) -> list[bytes | None]:
    """The body as JSON, cut where a request's own parts go: None for the prompt, nothing (``b""``) for the limit."""
    pieces: list[bytes | None] = [b"{"]
    separator = b""
    for name, value in fields.items():
        pieces[-1] = (pieces[-1] or b"") + separator + _quoted(name) + b":"
        separator = b","
        if value is _PROMPT or value is _LIMIT:
            pieces += [None if value is _PROMPT else b"", b""]
        else:
            pieces[-1] = (pieces[-1] or b"") + _quoted(value)
    pieces[-1] = (pieces[-1] or b"") + b"}"
    return pieces


def _head(address: Address, endpoint: Endpoint, headers: Mapping[str, str], *, closes: bool) -> bytes:
    """The request line and headers up to the value of X-Request-Id, which comes last but for Content-Length."""
    path = address.prefix + endpoint.path
    if not (path.startswith("/") and _VISIBLE.fullmatch(path)):
        raise UsageError("{path} is not a path of a server.", "It starts with / and has no spaces.", path=repr(path))
    lines = {"host": ("Host", address.host_header), "user-agent": ("User-Agent", f"touchstone/{__version__}"),
             "accept": ("Accept", "text/event-stream" if endpoint.stream else "application/json"),
             "content-type": ("Content-Type", "application/json")}
    for name, value in headers.items():
        if name.lower() in _OURS:
            raise UsageError("The header {name} cannot be chosen: the measurement rests on it.", "", name=name)
        lines[name.lower()] = (name, value)
    for name, value in lines.values():
        if not (_TOKEN.fullmatch(name) and _PRINTABLE.fullmatch(value)):
            # The value may be a key, so it is not shown.
            raise UsageError("The header {name} has a character that headers may not have.",
                             "Line breaks and characters beyond Latin-1 are not allowed.", name=repr(name))
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.values()) + ("Connection: close\r\n" if closes else "")
    return f"POST {path} HTTP/1.1\r\n{text}Accept-Encoding: identity\r\nX-Request-Id: ".encode("latin-1")


@dataclass(frozen=True)
class RequestFile:
    """The requests of one point on disk, for ``processes`` clients; the layout is described in :mod:`.request_index`."""

    directory: Path
    processes: int

    @property
    def data_path(self) -> Path:
        """The bytes of all requests."""
        return self.directory / "requests.bin"

    def index_path(self, process: int) -> Path:
        """The index of one client."""
        return self.directory / f"requests.{process}.index"

    def write(self, schedule: Schedule, requests: Iterable[bytes]) -> int:
        """Write one request per row of ``schedule``, in its order, keeping a few thousand rows in memory; returns the bytes.

        Raises :class:`NotReadyError` where the disk will not take them, ValueError where their number is not the schedule's.
        """
        try:
            with ExitStack() as files:
                data = files.enter_context(self.data_path.open("wb"))
                indexes = [files.enter_context(self.index_path(process).open("wb")) for process in range(self.processes)]
                return self._write(schedule, iter(requests), data, indexes)
        except OSError as error:
            raise NotReadyError("The requests cannot be written to {directory}: {error}.", "Free some space there.",
                                directory=self.directory, error=error.strerror or error) from error

    def _write(self, schedule: Schedule, requests: Iterator[bytes], data: BinaryIO, indexes: Sequence[BinaryIO]) -> int:
        start, written = 0, [0] * self.processes
        for first in range(0, len(schedule), _CHUNK_ROWS):
            buffers = [array("q") for _ in indexes]
            for row in _rows(schedule, first, self.processes):
                request = next(requests, None)
                if request is None:
                    raise ValueError("fewer requests than the schedule has rows")
                process = row.pop()
                row[START], row[SIZE] = start, len(request)
                if row[AFTER] != NONE:
                    row[AFTER] = written[process] - 1
                buffers[process].extend(row)
                written[process] += 1
                start += len(request)
                data.write(request)
            for index, buffer in zip(indexes, buffers, strict=True):
                buffer.tofile(index)
        if next(requests, None) is not None:
            raise ValueError("more requests than the schedule has rows")
        return start

    def open(self, process: int) -> RequestSlice:
        """The share of one client. Raises :class:`DataError` where the files are not there or not whole."""
        return RequestSlice(self.index_path(process), self.data_path)


def _rows(schedule: Schedule, first: int, processes: int) -> Iterable[list[int]]:
    """Rows of the index from ``first`` on, a chunk of them, START and SIZE still 0, each with its process appended."""
    part = slice(first, first + _CHUNK_ROWS)
    count = min(_CHUNK_ROWS, len(schedule) - first)
    table = np.zeros((count, ROW + 1), dtype=np.int64)
    table[:, REQUEST] = np.arange(first, first + count)
    table[:, OFFSET_NS] = schedule.offset_ns[part].filled(NONE)
    table[:, AFTER] = schedule.after[part].filled(NONE)
    table[:, THINK_NS] = schedule.think_ns[part]
    table[:, SESSION] = schedule.session[part]
    table[:, TURN] = schedule.turn[part]
    table[:, INPUT_TOKENS] = schedule.input_tokens[part].filled(NONE)
    table[:, OUTPUT_TOKENS] = schedule.output_tokens[part].filled(NONE)
    table[:, ROW] = schedule.process_of(schedule.session[part], processes)
    rows: list[list[int]] = table.tolist()
    return rows
