"""A record from what an engine streamed: pieces of text, each with its stamp and the number of tokens it brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from touchstone.errors import EngineError
from touchstone.measure import thinking
from touchstone.measure.tape import Tape
from touchstone.record import Record, Status
from touchstone.request import Request


@dataclass(frozen=True)
class Piece:
    """New text and tokens; ``at_ns`` is None where nobody stamped it."""

    at_ns: int | None
    tokens: int
    text: str


@dataclass(frozen=True)
class Ending:
    """What the engine says of a request once it is over."""

    input_tokens: int | None
    cached_tokens: int | None
    finish: str | None


def record_of(request: Request, tape: Tape, pieces: Sequence[Piece], ending: Ending | None) -> Record:
    """The record of one request. Raises :class:`EngineError` where the engine never answered it."""
    if ending is None:
        raise EngineError("The engine sent nothing for request {id}.", "", id=request.id)
    stamped = [(piece.at_ns, piece.tokens) for piece in pieces if piece.at_ns is not None and piece.tokens]
    output_tokens = sum(piece.tokens for piece in pieces)
    short = not request.stop_at_eos and output_tokens != request.max_output_tokens
    text = "".join(piece.text for piece in pieces)
    thought = thinking.thinking_tokens([(piece.text, piece.tokens) for piece in pieces]) if tape.marks_ns else None
    return Record(
        request_id=request.id, prompt_digest=request.prompt_digest, input_tokens_built=request.input_tokens,
        input_tokens=ending.input_tokens, cached_tokens=ending.cached_tokens, asked_output_tokens=request.max_output_tokens,
        output_tokens=output_tokens, status=Status.TRUNCATED if short else Status.OK, finish=ending.finish, sent_ns=tape.sent_ns,
        ended_ns=tape.ended_ns, event_ns=tuple(at_ns for at_ns, _ in stamped), event_tokens=tuple(tokens for _, tokens in stamped),
        text=text, thinking_tokens=thought, answer_text=None if thought is None else thinking.split_text(text)[1],
    )
