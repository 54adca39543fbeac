"""The bytes of every answer and when each write is due, worked out from the script before they are needed.

An answer is first a list of events; faults change the list; then the list becomes writes. Writes of the same answer are rendered
once and shared by all requests that get it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from touchstone.measure.scripted.script import Fault, Script
from touchstone.units import NS_PER_S

EventName = Literal["head", "role", "reasoning", "content", "tool", "finish", "usage", "done", "error"]
TOKEN_EVENTS: tuple[EventName, ...] = ("reasoning", "content", "tool")
Ending = Literal["keep", "close", "reset", "hold"]
"""What happens to the connection after the last write."""
_KEPT_ANSWERS = 1024
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 411: "Length Required", 413: "Content Too Large",
            429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error"}


@dataclass(frozen=True)
class Asked:
    """What a request asks for, in tokens; everything that an answer depends on."""

    chat: bool
    streamed: bool
    prompt_tokens: int
    output_tokens: int
    capped: bool
    cached_tokens: int = 0


@dataclass(frozen=True)
class Event:
    """One event: its name, its tokens, the ``step`` (number of the token event) it belongs to, its delay after that step, its bytes.

    Step -1 is the moment the request was received.
    """

    name: EventName
    tokens: int
    step: int
    delay_ns: int
    data: bytes


@dataclass(frozen=True)
class Answer:
    """The writes of an answer: ``payloads``, due ``offsets_ns`` after the request was taken up.

    ``steps`` and ``delays_ns`` say what the offsets are made of. After write i, ``events_after[i]`` of the events are complete;
    ``names`` and ``tokens`` describe the events.
    """

    payloads: Sequence[bytes]
    offsets_ns: Sequence[int]
    steps: Sequence[int]
    delays_ns: Sequence[int]
    events_after: Sequence[int]
    names: Sequence[EventName]
    tokens: Sequence[int]
    ending: Ending


def message(status: int, body: bytes, kind: str = "application/json", extra: str = "") -> bytes:
    """A whole HTTP answer with its length."""
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nServer: touchstone\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def refusal(status: int, text: str, extra: str = "") -> bytes:
    """A whole HTTP answer that says why there is none."""
    return message(status, _json({"error": {"message": text, "type": "scripted", "param": None, "code": status}}), extra=extra)


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


class Answers:
    """All answers of one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._kept: dict[tuple[Asked, Fault | None], Answer] = {}
        self._chunks: dict[tuple[object, ...], bytes] = {}
        self._gap_ns = round(script.itl_s * NS_PER_S)
        self._line = "\r\n" if script.line_end == "CRLF" else "\n"

    def answer(self, asked: Asked, fault: Fault | None) -> Answer:
        """The answer to a request, as far as it does not depend on chance."""
        answer = self._kept.get((asked, fault))
        if answer is None:
            if len(self._kept) >= _KEPT_ANSWERS:
                self._kept.clear()
            answer = self._kept[asked, fault] = self._render(asked, fault)
        return answer

    def jittered_ns(self, answer: Answer, asked: Asked, number: int) -> Sequence[int]:
        """The offsets of ``answer`` with the jitter of request ``number``: every gap between steps is drawn anew."""
        share = self._script.jitter
        chance = random.Random(f"{self._script.seed}/jitter/{number}")  # noqa: S311 - a schedule, not a secret
        at_ns = {-1: 0.0}
        for step in range(max(answer.steps) + 1):
            gap_ns = self._gap_ns if step else self._first_ns(asked)
            at_ns[step] = at_ns[step - 1] + gap_ns * chance.uniform(1 - share, 1 + share)
        return [round(at_ns[step]) + delay_ns for step, delay_ns in zip(answer.steps, answer.delays_ns, strict=True)]

    def fault(self, number: int) -> Fault | None:
        """What goes wrong with request ``number``, drawn from the seed."""
        if not self._script.faults:
            return None
        left = random.Random(f"{self._script.seed}/fault/{number}").random()  # noqa: S311 - a schedule, not a secret
        for fault, part in self._script.faults.items():
            left -= part
            if left < 0:
                return fault
        return None

    def _first_ns(self, asked: Asked) -> int:
        script = self._script
        return round((script.ttft_s + script.ttft_per_input_token_s * (asked.prompt_tokens - asked.cached_tokens)) * NS_PER_S)

    def _render(self, asked: Asked, fault: Fault | None) -> Answer:
        if fault in {"http_500", "refuse_429"}:
            retry = f"Retry-After: {self._script.retry_after_s}\r\n"
            payload = refusal(500, "scripted failure") if fault == "http_500" else refusal(429, "scripted refusal", retry)
            return self._writes(asked, [Event("error", 0, -1, 0, payload)], "keep")
        events, ending = self._stream(asked, fault) if asked.streamed else self._whole(asked, fault)
        return self._writes(asked, events, ending)

    # --- streams -------------------------------------------------------------------------------------------------------------

    def _stream(self, asked: Asked, fault: Fault | None) -> tuple[list[Event], Ending]:
        script = self._script
        events = list(self._token_events(asked)) if fault != "empty" else [
            Event("finish", 0, 0, 0, self._event(self._chunk(asked, "content", 0, "stop")))]
        ending: Ending = "keep" if script.framing == "chunked" else "close"
        if fault in {"reset", "stall_forever", "truncate", "malformed", "error_in_stream", "bad_chunk"}:
            events, ending = self._broken(asked, events, fault), _ENDINGS.get(fault, ending)
        if fault not in {"reset", "stall_forever", "truncate"}:
            events.extend(self._tail(asked, events))
        if script.role_first and asked.chat:
            events.insert(0, Event("role", 0, -1, round(script.role_s * NS_PER_S), self._event(self._chunk(asked, "role", 0, None))))
        framing = "Transfer-Encoding: chunked" if script.framing == "chunked" else "Connection: close"
        head = f"HTTP/1.1 200 OK\r\nServer: touchstone\r\nContent-Type: text/event-stream; charset=utf-8\r\n{framing}\r\n\r\n".encode()
        if script.head_s is not None or not events:
            return [Event("head", 0, -1, round((script.head_s or 0) * NS_PER_S), head), *events], ending
        return [replace(events[0], data=head + events[0].data), *events[1:]], ending

    def _token_events(self, asked: Asked) -> Iterator[Event]:
        script, sent, step = self._script, 0, 0
        reasoning = min(script.reasoning_tokens, asked.output_tokens) if asked.chat else 0
        tool = min(script.tool_tokens, asked.output_tokens - reasoning) if asked.chat else 0
        content = asked.output_tokens - reasoning - tool
        parts: tuple[tuple[EventName, int], ...] = (("reasoning", reasoning), ("content", content), ("tool", tool))
        for name, part in parts:
            left = part
            while left:
                size = min(left, script.first_event_tokens if script.first_event_tokens and not sent else script.tokens_per_event)
                sent, left = sent + size, left - size
                last = sent == asked.output_tokens and not script.finish_event
                chunk = self._chunk(asked, name, size, _finish(asked, tool) if last else None,
                                    opening=name == "tool" and left + size == part, sent=sent)
                yield Event(name, size, step, 0, self._event(chunk))
                step += 1
        if script.finish_event:
            yield Event("finish", 0, step - 1, 0, self._event(self._chunk(asked, "content", 0, _finish(asked, tool), sent=sent)))

    def _tail(self, asked: Asked, events: Sequence[Event]) -> Iterator[Event]:
        """Usage and the end of the stream, after the last of ``events``."""
        script, step = self._script, events[-1].step
        tokens, delay_ns = sum(event.tokens for event in events), 0
        if script.usage != "missing":
            delay_ns = round(script.late_usage_s * NS_PER_S) if script.usage == "late" else 0
            chunk = self._envelope(asked, [], self._usage(asked, tokens))
            yield Event("usage", 0, step, delay_ns, self._event(chunk))
        end = self._event(b"[DONE]") + (b"0\r\n\r\n" if script.framing == "chunked" else b"")
        yield Event("done", 0, step, delay_ns + round(script.done_late_s * NS_PER_S), end)

    def _broken(self, asked: Asked, events: list[Event], fault: Fault) -> list[Event]:
        """``events`` with ``fault`` after the tokens that the script lets through."""
        kept, tokens = 0, 0
        while kept < len(events) - 1 and tokens + events[kept].tokens <= self._script.fault_after_tokens:
            tokens, kept = tokens + events[kept].tokens, kept + 1
        struck = events[kept]
        if fault == "error_in_stream":
            error = _json({"error": {"message": "scripted failure", "type": "scripted", "param": None, "code": 500}})
            return [*events[:kept], replace(struck, name="error", tokens=0, data=self._event(error))]
        if fault == "malformed":
            chunk = self._chunk(asked, struck.name, struck.tokens, None)
            return [*events[:kept], replace(struck, name="error", tokens=0, data=self._event(chunk[:-7])), *events[kept + 1:]]
        if fault == "bad_chunk":
            return [*events[:kept], replace(struck, name="error", tokens=0, data=b"zz" + struck.data), *events[kept + 1:]]
        return events[:kept]

    # --- answers in one piece -------------------------------------------------------------------------------------------------

    def _whole(self, asked: Asked, fault: Fault | None) -> tuple[list[Event], Ending]:
        tokens = list(self._token_events(asked))
        step, count = tokens[-1].step, 0 if fault == "empty" else asked.output_tokens
        texts = {name: self._script.token_text * sum(event.tokens for event in tokens if event.name == name and count) for name in TOKEN_EVENTS}
        finish = _finish(asked, 1 if texts["tool"] else 0)
        said: dict[str, Any] = {"text": texts["content"]}
        if asked.chat:
            said = {"message": {"role": "assistant", "content": texts["content"]}}
            if texts["reasoning"]:
                said["message"][self._script.reasoning_field] = texts["reasoning"]
            if texts["tool"]:
                said["message"]["tool_calls"] = [_tool_call(texts["tool"], opening=True)]
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        body = self._envelope(asked, [choice], None if self._script.usage == "missing" else self._usage(asked, count), whole=True)
        if fault == "error_in_stream":
            body = _json({"error": {"message": "scripted failure", "type": "scripted", "param": None, "code": 500}})
        if fault in {"malformed", "bad_chunk"}:
            body = body[:-7]
        payload = message(200, body)
        if fault in {"reset", "stall_forever", "truncate"}:
            return [Event("head", 0, step, 0, payload[:-len(body) // 2])], _ENDINGS[fault]
        failed = fault in {"error_in_stream", "malformed", "bad_chunk"}
        return [Event("error" if failed else "content", 0 if failed else count, step, 0, payload)], "keep"

    # --- pieces ---------------------------------------------------------------------------------------------------------------

    def _chunk(self, asked: Asked, name: EventName, size: int, finish: str | None, *, opening: bool = False, sent: int = 0) -> bytes:
        """The JSON of one event; equal ones are rendered once."""
        continuous = self._script.usage == "continuous"
        key = (asked.chat, name, size, finish, opening, *((asked, sent) if continuous else ()))
        chunk = self._chunks.get(key)
        if chunk is None:
            if len(self._chunks) >= 64 * _KEPT_ANSWERS:
                self._chunks.clear()
            said: dict[str, Any] = {"text": self._script.token_text * size}
            if asked.chat:
                said = {"delta": self._delta(name, size, opening=opening)}
            choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
            chunk = self._chunks[key] = self._envelope(asked, [choice], self._usage(asked, sent) if continuous else None)
        return chunk

    def _delta(self, name: EventName, size: int, *, opening: bool) -> dict[str, Any]:
        text = self._script.token_text * size
        if name == "role":
            return {"role": "assistant", "content": ""}
        if name == "reasoning":
            return {self._script.reasoning_field: text}
        if name == "tool":
            return {"tool_calls": [_tool_call(text, opening=opening)]}
        return {"content": text} if size else {}

    def _envelope(self, asked: Asked, choices: list[dict[str, Any]], usage: dict[str, Any] | None, *, whole: bool = False) -> bytes:
        kind = ("chat.completion" if whole else "chat.completion.chunk") if asked.chat else "text_completion"
        head = {"id": "scripted-0", "object": kind, "created": 0, "model": self._script.model, "choices": choices}
        return _json(head if usage is None else {**head, "usage": usage})

    def _usage(self, asked: Asked, sent: int) -> dict[str, Any]:
        cached = {"prompt_tokens_details": {"cached_tokens": asked.cached_tokens}} if self._script.cache else {}
        reasoning = min(self._script.reasoning_tokens, sent) if asked.chat else 0
        thought = {"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
        return {"prompt_tokens": asked.prompt_tokens, "completion_tokens": sent, "total_tokens": asked.prompt_tokens + sent,
                **cached, **thought}

    def _event(self, data: bytes) -> bytes:
        """``data`` as a server-sent event, in a chunk of its own where the body is chunked."""
        event = b"data: " + data + 2 * self._line.encode()
        return event if self._script.framing == "close" else f"{len(event):x}\r\n".encode() + event + b"\r\n"

    # --- from events to writes ------------------------------------------------------------------------------------------------

    def _writes(self, asked: Asked, events: Sequence[Event], ending: Ending) -> Answer:
        script, first_ns = self._script, self._first_ns(asked)
        pause_ns = round(script.split_pause_s * NS_PER_S)
        payloads: list[bytes] = []
        steps: list[int] = []
        delays_ns: list[int] = []
        after: list[int] = []
        done = 0
        for group in _sends(events, script.coalesce):
            data, last = b"".join(event.data for event in group), group[-1]
            pieces = min(script.split, len(data))
            for piece in range(pieces):
                payloads.append(data[piece * len(data) // pieces:(piece + 1) * len(data) // pieces])
                steps.append(last.step)
                delays_ns.append(last.delay_ns + piece * pause_ns)
                after.append(done + len(group) if piece == pieces - 1 else done)
            done += len(group)
        offsets_ns = [(0 if step < 0 else first_ns + step * self._gap_ns) + delay_ns for step, delay_ns in zip(steps, delays_ns, strict=True)]
        return Answer(payloads, offsets_ns, steps, delays_ns, after, tuple(event.name for event in events),
                      tuple(event.tokens for event in events), ending)


_ENDINGS: dict[Fault, Ending] = {"reset": "reset", "stall_forever": "hold", "truncate": "close", "bad_chunk": "close"}


def _finish(asked: Asked, tool: int) -> str:
    return "tool_calls" if tool else ("length" if asked.capped else "stop")


def _tool_call(text: str, *, opening: bool) -> dict[str, Any]:
    named = {"id": "call-0", "type": "function"} if opening else {}
    return {"index": 0, **named, "function": {**({"name": "scripted"} if opening else {}), "arguments": text}}


def _sends(events: Sequence[Event], coalesce: int) -> Iterator[list[Event]]:
    """Events that leave in one send: up to ``coalesce`` token events, and what follows the last token at the same moment."""
    group: list[Event] = []
    for event in events:
        is_token = event.name in TOKEN_EVENTS
        if group and (len(group) == coalesce if is_token and group[-1].name in TOKEN_EVENTS else not _together(group[-1], event)):
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def _together(before: Event, event: Event) -> bool:
    """Usage and the end of the stream share a send when they are due at once; nothing else is mixed with tokens."""
    return {before.name, event.name} <= {"usage", "done"} and (before.step, before.delay_ns) == (event.step, event.delay_ns)
