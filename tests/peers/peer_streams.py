"""Answers of a server made up from a seed, and both sides of them: the columns we keep, and the bytes and times another client would see."""

import asyncio
import json
import random
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from builders import MS, S, ints, make_load, make_load_run

from touchstone.judge.definitions import metrics_as_table
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, TOKEN_KINDS, Ending, EventKind, Events, Requests
from touchstone.wire.answer import read_answer

DONE = "[DONE]"


@dataclass
class Played:
    """One answer: ``told`` are (nanoseconds, payload) in order. ``broken`` is a connection that was cut after them."""

    sent_ns: int
    told: list
    ended_ns: int
    asked: int
    prompt: int
    status: int = 200
    broken: bool = False
    text: str = ""

    def reads(self):
        """(nanoseconds, bytes): events with the same stamp come together."""
        together = {}
        for at_ns, payload in self.told:
            together.setdefault(at_ns, []).append(payload if payload == DONE else json.dumps(payload))
        return [(at_ns, "".join(f"data: {one}\n\n" for one in payloads).encode()) for at_ns, payloads in together.items()]


def make_played(seed, count=60, *, chat=True, usage_share=0.8, tools=True):
    """``count`` answers: most are good, with role, reasoning, tool calls, empty and multi-token events, late usage; some fail in every way."""
    rng = random.Random(seed)
    played, start = [], 5 * S
    kinds = ["good", "status", "cut", "error", "empty"]
    for kind in rng.sample(kinds + rng.choices(kinds, [20, 1, 1, 1, 1], k=count - len(kinds)), count):
        start += rng.randrange(0, 120 * MS)
        played.append(_one(rng, start, kind, chat=chat, has_usage=rng.random() < usage_share, tools=tools))
    return played


def _one(rng, sent_ns, kind, *, chat, has_usage, tools):
    at_ns = sent_ns
    if kind == "status":
        at_ns += rng.randrange(5 * MS)
        return Played(sent_ns, [], at_ns, 64, 20, status=500)
    told, parts = [], []

    def tell(payload, least=1, most=30):
        nonlocal at_ns
        if not told or rng.random() > 0.15:
            at_ns += rng.randrange(least * MS, most * MS)
        told.append((at_ns, payload))

    if chat and rng.random() < 0.7:
        tell(_chunk(chat, {"role": "assistant", "content": ""}), 1, 8)
    if kind != "empty":
        parts = _parts(rng, chat=chat, has_usage=has_usage and kind != "error", tools=tools)
        tell(_chunk(chat, parts[0]), 40, 300)
        for part in parts[1:]:
            tell(_chunk(chat, part))
    text = "".join(part.get("reasoning", "") + part.get("content", "") for part in parts)
    prompt = rng.randrange(10, 40)
    if kind == "cut":
        return Played(sent_ns, told, at_ns + MS, 64, 20, broken=True, text=text)
    if kind == "error":
        tell({"error": {"message": "out of luck", "type": "server_error"}})
    else:
        tell(_chunk(chat, {}, finish="stop"))
        if has_usage:
            tell({"object": "chat.completion.chunk" if chat else "text_completion", "choices": [],
                  "usage": {"prompt_tokens": prompt, "completion_tokens": rng.randrange(1, 2 * len(text) + 3)}}, 1, 80)
    tell(DONE, 1, 40)
    return Played(sent_ns, told, at_ns, 64, 20, text=text)


def _parts(rng, *, chat, has_usage, tools):
    """Deltas with tokens: several characters (each a token) in some, none in a few."""
    def text():
        return "x" * rng.choice([1, 1, 1, 2, 5])

    parts = [{"content": text()} for _ in range(rng.randrange(1, 20))]
    if len(parts) > 3 and rng.random() < 0.4:
        parts.insert(rng.randrange(1, len(parts)), {"content": ""})
    if chat and has_usage and rng.random() < 0.4:
        parts = [{"reasoning": text()} for _ in range(rng.randrange(1, 6))] + parts
    if chat and has_usage and tools and rng.random() < 0.2:
        call = {"index": 0, "id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        parts.insert(rng.randrange(0, len(parts) + 1), {"tool_calls": [call]})
    return parts


def _chunk(chat, delta, finish=None):
    if chat:
        return {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return {"id": "1", "object": "text_completion", "choices": [{"index": 0, "text": delta.get("content", ""), "finish_reason": finish}]}


# ── our side ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(played, *, chat=True, with_text=True):
    """A load run of what was played, read by our own decoder from the bytes."""
    columns, rows = {name: [] for name in REQUEST_COLUMNS}, []
    for number, one in enumerate(played):
        answer = read_answer(_raw(one), closed=one.broken, streamed=True)
        stamps = [at_ns for at_ns, payload in one.told if payload != DONE]
        assert len(answer.kinds) == len(stamps)
        bearing = [at_ns for at_ns, kind in zip(stamps, answer.kinds, strict=True) if kind in TOKEN_KINDS]
        visible = [at_ns for at_ns, kind in zip(stamps, answer.kinds, strict=True) if kind in {EventKind.CONTENT, EventKind.TOOL}]
        facts = {"point": 0, "request": number, "ending": answer.ending, "input_tokens_asked": one.prompt, "input_tokens": answer.input_tokens,
                 "output_tokens_asked": one.asked, "output_tokens": answer.output_tokens,
                 "output_tokens_text": len(one.text) if with_text else None, "token_events": len(bearing), "scheduled_ns": one.sent_ns,
                 "sent_ns": one.sent_ns, "ended_ns": one.ended_ns, "first_event_ns": stamps[0] if stamps else None,
                 "first_token_ns": bearing[0] if bearing else None, "first_output_ns": visible[0] if visible else None,
                 "last_token_ns": bearing[-1] if bearing else None}
        for name in REQUEST_COLUMNS:
            columns[name].append(facts.get(name))
        rows += [(0, number, at_ns, at_ns, tokens, kind) for at_ns, tokens, kind in zip(stamps, answer.tokens, answer.kinds, strict=True)]
    requests = Requests(**{name: ints(values) for name, values in columns.items()})
    assert {Ending.OK, Ending.HTTP_ERROR, Ending.TRUNCATED, Ending.STREAM_ERROR, Ending.EMPTY} <= set(requests.ending.tolist())
    events = Events(**{name: ints(values) for name, values in zip(EVENT_COLUMNS, zip(*rows, strict=True), strict=True)})
    backend = "openai-chat" if chat else "openai"
    return make_load_run(requests, events, load=make_load(), endpoint={"backend": backend, "stream": True})


def _raw(one):
    if one.status != 200:
        return b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(data), data) for _, data in one.reads())
    return (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"" if one.broken else b"0\r\n\r\n"))


def ours(tool, played, **how):
    """Our metrics as ``tool`` has them, by name."""
    ((_, found),) = metrics_as_table(recorded(played, **how), tool)
    return {metric.name: metric.statistics for metric in found}


# ── the other side ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Clock:
    """The time of a module under test."""

    def __init__(self):
        self.now_ns = 0

    def perf_counter(self):
        return self.now_ns / S

    time = perf_counter

    def perf_counter_ns(self):
        return self.now_ns


class Content:
    """The body of an answer as aiohttp gives it: by read, or by line."""

    def __init__(self, clock, one):
        self._clock, self._one = clock, one

    async def iter_any(self):
        for at_ns, data in self._one.reads():
            self._clock.now_ns = at_ns
            yield data
        if self._one.broken:
            raise ConnectionResetError("cut")

    async def __aiter__(self):
        async for data in self.iter_any():
            for line in data.splitlines(keepends=True):
                yield line


class Response:
    """What a session's post gives."""

    def __init__(self, clock, one):
        self.status, self.reason = one.status, "Oh"
        self.headers = {"Content-Type": "text/event-stream"}
        self.content = Content(clock, one)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_exc):
        return False

    async def text(self):
        return ""

    async def json(self):
        return {}


def session(clock, one):
    """A session that answers with ``one``; the clock stands at its sending."""
    clock.now_ns = one.sent_ns

    class Session:
        def post(self, **_asked):
            return Response(clock, one)

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_exc):
            return False
    return Session()


def run(coroutine):
    """The result of ``coroutine``."""
    return asyncio.run(coroutine)


def letters(text, **_how):
    """A tokenizer: every letter is a token."""
    return SimpleNamespace(input_ids=list(text))


def duration_s(played):
    """From the first request sent to the end of the last."""
    return (max(one.ended_ns for one in played) - min(one.sent_ns for one in played)) / S


def same(ours, theirs, rel=1e-9):
    """Whether two numbers agree; both may be missing."""
    if theirs is None or ours is None:
        return ours is theirs
    return bool(np.isclose(ours, theirs, rtol=rel, atol=1e-9))
