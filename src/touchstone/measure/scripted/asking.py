"""What clients send: HTTP/1.1 requests for completions, read with suspicion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from touchstone.measure.scripted.answers import Asked
from touchstone.measure.scripted.script import Script

HEAD_BYTES = 64 * 1024
BODY_BYTES = 64 * 1024 * 1024
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_DEFAULT_OUTPUT_TOKENS = 16


class BadRequestError(Exception):
    """A request that is answered with ``status`` and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Head:
    """The head of a request; ``end`` is the offset just past its blank line and ``length`` the size of its body in bytes."""

    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool
    end: int
    length: int


def parse_head(inbox: bytearray) -> Head | None:
    """The head at the start of ``inbox``; None if it is not complete. Raises :class:`BadRequestError` for what is not HTTP/1.x."""
    end = inbox.find(b"\r\n\r\n", 0, HEAD_BYTES)
    if end < 0:
        if len(inbox) >= HEAD_BYTES:
            raise BadRequestError(431, "the head of the request is too long")
        return None
    first, *lines = inbox[:end].decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.0", "HTTP/1.1"}:
        raise BadRequestError(400, "this is not an HTTP/1.1 request")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequestError(400, "a header line is malformed")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise BadRequestError(411, "send a Content-Length")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequestError(400, "Content-Length is not a number")
    if len(length) > 12 or int(length) > BODY_BYTES:
        raise BadRequestError(413, "the body is too long")
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection and (words[2] == "HTTP/1.1" or "keep-alive" in connection)
    return Head(words[0], words[1].partition("?")[0], headers, keep_alive, end + 4, int(length))


def read_body(path: str, body: bytes, script: Script) -> tuple[Asked, list[Any]]:
    """What the body asks for, and the pieces its prompt is counted by: words, or token ids.

    Raises :class:`BadRequestError` for anything but one prompt with sensible limits.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequestError(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadRequestError(400, "the body is not a JSON object")
    if content.get("n") not in {None, 1}:
        raise BadRequestError(400, "n must be 1")
    chat = path == CHAT
    pieces = _chat_pieces(content.get("messages")) if chat else _prompt_pieces(content.get("prompt"))
    wanted = content.get("max_completion_tokens")
    wanted = content.get("max_tokens") if wanted is None else wanted
    if wanted is not None and (type(wanted) is not int or wanted < 1):
        raise BadRequestError(400, "max_tokens must be a positive integer")
    most = wanted or script.output_tokens or _DEFAULT_OUTPUT_TOKENS
    output_tokens = min(most, script.output_tokens or most)
    asked = Asked(chat=chat, streamed=content.get("stream") is True, prompt_tokens=len(pieces) + (script.template_tokens if chat else 0),
                  output_tokens=output_tokens, capped=output_tokens == wanted)
    return asked, pieces


def _chat_pieces(messages: object) -> list[Any]:
    if not isinstance(messages, list) or not messages:
        raise BadRequestError(400, "messages must be a list with at least one message")
    words: list[Any] = []
    for one in messages:
        content = one.get("content") if isinstance(one, dict) else None
        parts = content if isinstance(content, list) else [{"text": content or ""}]
        for part in parts:
            text = part.get("text") if isinstance(one, dict) and isinstance(part, dict) else None
            if not isinstance(text, str):
                raise BadRequestError(400, "the content of a message must be text")
            words += text.split()
    return words


def _prompt_pieces(prompt: object) -> list[Any]:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], (str, list)):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt.split()
    if isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt):
        return prompt
    raise BadRequestError(400, "prompt must be one text or one list of token ids")
