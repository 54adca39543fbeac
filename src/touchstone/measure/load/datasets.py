"""Recorded conversations: ShareGPT (one JSON array) and JSON lines of prompts or messages.

A conversation is a row of exchanges. Later ones are sent with the recorded answers in front, not with what the server under
test said, so that every byte is known before the load starts and two servers are asked the same.
"""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from touchstone.errors import DataError, UsageError
from touchstone.load_plan import Workload
from touchstone.measure.load.traces import Trace, read_trace
from touchstone.plan import ChatMessage

_ROW_LIMIT_BYTES = 1 << 26
Role = Literal["system", "user", "assistant"]
_SHAREGPT_ROLES: dict[str, Role] = {
    "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "bard": "assistant", "bing": "assistant",
    "assistant": "assistant", "system": "system",
}
_COUNTED_AT_ONCE = 512


class Counter(Protocol):
    """Whatever counts tokens without special ones."""

    def counts(self, texts: Sequence[str]) -> list[int]: ...


@dataclass(frozen=True)
class Exchange:
    """What is said and what was answered. ``output_tokens`` is the length of the answer to ask for; None: unknown, as for the counts."""

    messages: tuple[ChatMessage, ...]
    answer: str | None = None
    input_tokens: int | None = None
    answer_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Conversation:
    """Exchanges in order, at least one; every one but the last has an answer."""

    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True)
class Dataset:
    """Conversations in the order of the file, at least one; ``skipped`` rows were well formed but asked nothing."""

    conversations: tuple[Conversation, ...]
    skipped: int


Source = Trace | Dataset
"""What brings its own lengths."""


class _ShareGptMessage(msgspec.Struct):
    speaker: str = msgspec.field(name="from")
    value: str


class _ShareGptRow(msgspec.Struct):
    conversations: list[_ShareGptMessage] | None = None


class _JsonlMessage(msgspec.Struct):
    role: Role
    content: str


Tokens = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]


class _JsonlRow(msgspec.Struct):
    prompt: str | None = None
    messages: list[_JsonlMessage] | None = None
    output_len: Tokens | None = None
    max_tokens: Tokens | None = None


def read_source(workload: Workload) -> Source | None:
    """The trace or dataset that ``workload`` names; None if it is synthetic. Raises :class:`UsageError` where it names none."""
    if workload.kind == "synthetic":
        return None
    if workload.path is None:
        raise UsageError("A {kind} workload needs its file.", "", kind=workload.kind)
    path = Path(workload.path)
    if workload.kind == "trace":
        return read_trace(path)
    return read_sharegpt(path) if workload.kind == "sharegpt" else read_jsonl(path, split=workload.turns > 1)


def read_sharegpt(path: Path) -> Dataset:
    """The conversations of a ShareGPT file: ``[{"conversations": [{"from": "human", "value": …}, …]}, …]``.

    Raises :class:`DataError`, with the number of the row (from 1), for a row of another shape.
    """
    try:
        rows = msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8), type=list[msgspec.Raw])
    except OSError as error:
        raise DataError("The dataset {path} cannot be read: {error}.", "", path=path, error=error.strerror or error) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError("The dataset {path} is not a JSON array of conversations: {why}.", "", path=path, why=str(error)) from error
    decode = msgspec.json.Decoder(_ShareGptRow).decode
    conversations: list[Conversation] = []
    for number, raw in enumerate(rows, start=1):
        try:
            row = decode(raw)
            said = [(_role(message.speaker), message.value) for message in row.conversations or ()]
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise _bad(path, number, str(error)) from error
        exchanges = _exchanges(said)
        if exchanges:
            conversations.append(Conversation(exchanges))
    return _dataset(path, conversations, len(rows))


def read_jsonl(path: Path, *, split: bool = False) -> Dataset:
    """The prompts of a JSON-lines file: ``{"prompt": text}`` or ``{"messages": [{"role": …, "content": …}, …]}`` on each line.

    ``output_len`` (or ``max_tokens``) is the length of the answer to ask for. Messages are sent in one request as they stand, or turn
    by turn if ``split``; an answer at the end is not sent. Raises :class:`DataError`, with the number of the row (from 1, blank lines
    counted), for a row of another shape.
    """
    decode = msgspec.json.Decoder(_JsonlRow).decode
    conversations: list[Conversation] = []
    rows = 0
    for number, line in _lines(path):
        try:
            row = decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _bad(path, number, str(error)) from error
        rows += 1
        if (row.prompt is None) == (row.messages is None):
            raise _bad(path, number, 'it must have either "prompt" or "messages"')
        said: list[tuple[Role, str]] = [("user", row.prompt)] if row.prompt is not None else [
            (message.role, message.content) for message in row.messages or ()]
        exchanges = _exchanges(said) if split else _whole(_exchanges(said))
        if exchanges:
            limit = row.output_len if row.output_len is not None else row.max_tokens
            conversations.append(Conversation(tuple(replace(one, output_tokens=limit) for one in exchanges)))
    return _dataset(path, conversations, rows)


def counted(dataset: Dataset, counter: Counter) -> Dataset:
    """``dataset`` with the lengths of its texts; an answer whose length the file does not state is asked for as long as recorded."""
    def texts() -> Iterator[str]:
        for conversation in dataset.conversations:
            for exchange in conversation.exchanges:
                yield from (message.content for message in exchange.messages)
                yield exchange.answer or ""

    counts = _counts(texts(), counter)
    return replace(dataset, conversations=tuple(
        Conversation(tuple(_counted(exchange, counts) for exchange in conversation.exchanges)) for conversation in dataset.conversations))


def _counts(texts: Iterator[str], counter: Counter) -> Iterator[int]:
    while batch := list(itertools.islice(texts, _COUNTED_AT_ONCE)):
        yield from counter.counts(batch)


def _counted(exchange: Exchange, counts: Iterator[int]) -> Exchange:
    input_tokens = sum(itertools.islice(counts, len(exchange.messages)))
    answer_tokens = next(counts)
    if exchange.answer is None:
        return replace(exchange, input_tokens=input_tokens)
    asked = exchange.output_tokens if exchange.output_tokens is not None else max(1, answer_tokens)
    return replace(exchange, input_tokens=input_tokens, answer_tokens=answer_tokens, output_tokens=asked)


def _exchanges(said: Sequence[tuple[Role, str]]) -> tuple[Exchange, ...]:
    """Cut into exchanges: all that was said up to an answer, and the answer. An answer to nothing is left out."""
    exchanges: list[Exchange] = []
    waiting: list[ChatMessage] = []
    for role, content in said:
        if role != "assistant":
            if content:
                waiting.append(ChatMessage(role=role, content=content))
        elif any(message.role == "user" for message in waiting):
            exchanges.append(Exchange(tuple(waiting), content))
            waiting = []
    if any(message.role == "user" for message in waiting):
        exchanges.append(Exchange(tuple(waiting)))
    return tuple(exchanges)


def _whole(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    """All exchanges as one: everything before the last answer is sent together."""
    messages: list[ChatMessage] = []
    for exchange in exchanges:
        messages += exchange.messages
        if exchange is not exchanges[-1]:
            messages.append(ChatMessage(role="assistant", content=exchange.answer or ""))
    return (Exchange(tuple(messages), exchanges[-1].answer),) if messages else ()


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; one that is too long is refused before it is in memory."""
    try:
        with path.open("rb") as file:
            for number in itertools.count(1):
                line = file.readline(_ROW_LIMIT_BYTES + 1)
                if not line:
                    return
                if len(line) > _ROW_LIMIT_BYTES:
                    raise _bad(path, number, "it is too long")
                line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if line.strip():
                    yield number, line
    except OSError as error:
        raise DataError("The dataset {path} cannot be read: {error}.", "", path=path, error=error.strerror or error) from error


def _role(speaker: str) -> Role:
    if speaker not in _SHAREGPT_ROLES:
        raise ValueError(f"nobody is called {speaker[:40]!r} there")
    return _SHAREGPT_ROLES[speaker]


def _dataset(path: Path, conversations: Sequence[Conversation], rows: int) -> Dataset:
    if not conversations:
        raise DataError("The dataset {path} asks nothing in any of its {rows} rows.", "", path=path, rows=rows)
    return Dataset(tuple(conversations), rows - len(conversations))


def _bad(path: Path, number: int, why: str) -> DataError:
    return DataError("Row {number} of the dataset {path} cannot be used: {why}.", "", number=number, path=path, why=why.rstrip("."))
