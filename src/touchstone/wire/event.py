"""What one JSON event of an OpenAI-style answer says: which channel its tokens came on, how many, and the server's own counts.

A whole (not streamed) answer is read as one event. Field names are those of OpenAI's API, vLLM, SGLang, llama.cpp, TGI and DeepSeek.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, json

# Leaves are Any: a server that sends an odd value in a field must not lose the event for it. Fields not named here are skipped unread.


class Delta(Struct, gc=False):
    """The new part of a message, or the whole message."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None
    function_call: Any = None


class Choice(Struct, gc=False):
    """One of the answers asked for."""

    delta: Delta | None = None
    message: Delta | None = None
    text: Any = None
    finish_reason: Any = None
    logprobs: Any = None
    token_ids: Any = None


class Event(Struct, gc=False):
    """One event. ``timings`` are llama.cpp's own counts; ``object`` and ``message`` say an error in the manner of older vLLM."""

    choices: list[Choice] | None = None
    usage: Any = None
    timings: Any = None
    error: Any = None
    object: Any = None
    message: Any = None
    model: Any = None


decode = json.Decoder(Event).decode


class Counts(NamedTuple):
    """Tokens by the server's own count; None where it gives none."""

    input: int | None
    cached: int | None
    output: int | None
    reasoning: int | None


def channels(choice: Choice) -> tuple[str, str, str]:
    """The text that ``choice`` brought as content, as reasoning and as tool calls, in the order of ``TOKEN_KINDS``; empty where none."""
    part = choice.delta or choice.message
    if part is None:
        return _text(choice.text), "", ""
    return _text(part.content), _text(part.reasoning_content) or _text(part.reasoning), _calls(part)


def proven_tokens(choice: Choice) -> int | None:
    """How many tokens ``choice`` lists one by one, as ids or log probabilities; None where it lists none."""
    if isinstance(choice.token_ids, list):
        return len(choice.token_ids)
    if isinstance(choice.logprobs, dict):
        for name in ("content", "tokens"):  # chat, completions
            if isinstance(listed := choice.logprobs.get(name), list):
                return len(listed)
    return None


def made_so_far(event: Event) -> int | None:
    """The server's count of output tokens up to and with this event; None where the event has none."""
    made = _count(event.usage, "completion_tokens")
    return _count(event.timings, "predicted_n") if made is None else made


def counts(usage: Mapping[str, object], timings: Mapping[str, object]) -> Counts:
    """The server's counts by its last ``usage`` and, for what that lacks, llama.cpp's ``timings``.

    Their ``prompt_n`` leaves out the tokens found in the cache, ``cache_n``.
    """
    cached, fresh = _count(timings, "cache_n"), _count(timings, "prompt_n")
    return Counts(
        _first(_count(usage, "prompt_tokens"), None if cached is None or fresh is None else cached + fresh),
        _first(_count(usage.get("prompt_tokens_details"), "cached_tokens"), _count(usage, "prompt_cache_hit_tokens"), cached),
        _first(_count(usage, "completion_tokens"), _count(timings, "predicted_n")),
        _first(_count(usage.get("completion_tokens_details"), "reasoning_tokens"), _count(usage, "reasoning_tokens")))


def complaint(value: object, depth: int = 4) -> str | None:
    """What a server's error object says in words, wherever it keeps them; None where it says nothing."""
    if isinstance(value, str):
        return value or None
    if depth and isinstance(value, dict):
        return next(_said((value.get(name) for name in ("error", "message", "detail", "msg")), depth), None)
    if depth and isinstance(value, list):
        return "; ".join(_said(value[:3], depth)) or None
    return None


def printable(text: str, limit: int = 300) -> str:
    """At most ``limit`` characters of ``text`` on one line, without control characters."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:4 * limit])
    return " ".join(shown.split())[:limit]


def _said(values: Iterable[object], depth: int) -> Iterator[str]:
    return (said for value in values if (said := complaint(value, depth - 1)))


def _text(value: object) -> str:
    """Text as a string or as a list of typed parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def _calls(part: Delta) -> str:
    if not part.tool_calls and not part.function_call:
        return ""
    tools = part.tool_calls if isinstance(part.tool_calls, list) else []
    return "".join(_call(tool.get("function")) for tool in tools if isinstance(tool, dict)) + _call(part.function_call)


def _call(call: object) -> str:
    """Name and arguments of a function call, as far as this event has them; some servers send arguments as an object."""
    if not isinstance(call, dict):
        return ""
    parts = (call.get("name"), call.get("arguments"))
    return "".join(part if isinstance(part, str) else json.encode(part).decode() for part in parts if part)


def _count(counted: object, name: str) -> int | None:
    value = counted.get(name) if isinstance(counted, dict) else None
    return value if type(value) is int and 0 <= value < 2**63 else None


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
