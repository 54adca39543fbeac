"""The tape of a batch over HTTP → records: which bytes came when, what they say, how many tokens each event proves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from touchstone.errors import EngineError
from touchstone.measure import thinking
from touchstone.measure.tape import Tape
from touchstone.record import Record, Status
from touchstone.request import Request
from touchstone.served import TOKEN_KINDS, Ending
from touchstone.units import NS_PER_MS
from touchstone.wire.answer import Answer, read_answer

_TIMINGS = re.compile(rb'"timings":\s*(\{[^{}]*\})')


@dataclass
class Lane:
    """One connection's share of the tape: ``ends[k]`` is how many bytes there were after the read stamped ``at_ns[k]``."""

    sent_ns: int
    at_ns: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)


def lanes_of(tape: Tape) -> list[Lane]:
    """The tape by connection."""
    lanes = [Lane(sent_ns) for sent_ns in tape.lane_sent_ns]
    for at_ns, payload, number in zip(tape.marks_ns, tape.payloads, tape.lanes, strict=True):
        lane = lanes[number]
        lane.raw += payload
        lane.at_ns.append(at_ns)
        lane.ends.append(len(lane.raw))
    return lanes


def record_of(request: Request, lane: Lane, tape: Tape, *, marked: bool, closed: bool) -> tuple[Record, str | None]:
    """One request's record, and the model that the answer names. Raises :class:`EngineError` where there is no whole answer."""
    raw = bytes(lane.raw)
    answer = read_answer(raw, closed=closed, streamed=marked, want_text=True)
    if answer.ending is not Ending.OK and not (answer.ending is Ending.EMPTY and answer.output_tokens):
        raise EngineError("The server did not answer request {id} whole: {why}.", "Look at its log.", id=request.id,
                          why=answer.error or answer.ending.name.lower())
    events = _events(answer, lane) if marked else []
    prefill_ns, decode_ns = _timings(raw)
    short = not request.stop_at_eos and answer.output_tokens != request.max_output_tokens
    thought = thinking.CLOSE in answer.text
    return Record(
        request_id=request.id, prompt_digest=request.prompt_digest, input_tokens_built=request.input_tokens, input_tokens=answer.input_tokens,
        cached_tokens=answer.cached_tokens, asked_output_tokens=request.max_output_tokens, output_tokens=answer.output_tokens,
        status=Status.TRUNCATED if short else Status.OK, finish=answer.finish, sent_ns=lane.sent_ns,
        ended_ns=lane.at_ns[-1] if lane.at_ns else tape.ended_ns, event_ns=tuple(at_ns for at_ns, _ in events),
        event_tokens=tuple(tokens for _, tokens in events), engine_prefill_ns=prefill_ns, engine_decode_ns=decode_ns,
        text=answer.text, answer_text=thinking.split_text(answer.text)[1] if thought else None,
    ), answer.model


def _events(answer: Answer, lane: Lane) -> list[tuple[int, int | None]]:
    """Stamps and tokens of the events that bring tokens.

    An event brings what the server's running count proves. Where it keeps none, events are as many as tokens, and then one each, or
    the tokens of each stay unknown.
    """
    bearing = [(end, tokens) for kind, end, tokens in zip(answer.kinds, answer.ends, answer.tokens, strict=True)
               if (kind in TOKEN_KINDS if tokens is None else tokens > 0)]
    one_each = all(tokens is None for _, tokens in bearing) and len(bearing) == answer.output_tokens
    return [(at_ns, 1 if one_each else tokens) for at_ns, (_, tokens) in zip(_stamps(lane, [end for end, _ in bearing]), bearing, strict=True)]


def _stamps(lane: Lane, ends: Sequence[int]) -> list[int]:
    """When each of ``ends``, which ascend, had been read."""
    stamps: list[int] = []
    read = 0
    for end in ends:
        while read < len(lane.ends) - 1 and lane.ends[read] < end:
            read += 1
        stamps.append(lane.at_ns[read])
    return stamps


def _timings(raw: bytes) -> tuple[int | None, int | None]:
    """llama.cpp's own times of prefill and decoding, from the last of its ``timings``, in ns."""
    found = _TIMINGS.findall(raw)
    if not found:
        return None, None
    try:
        said = json.loads(found[-1])
    except ValueError:
        return None, None
    prefill, decode = (said.get(name) for name in ("prompt_ms", "predicted_ms"))
    return (round(prefill * NS_PER_MS) if isinstance(prefill, (int, float)) else None,
            round(decode * NS_PER_MS) if isinstance(decode, (int, float)) else None)
