"""What the scripted server does, and when: the delays of its answers, their shape on the wire, and its faults.

The defaults are a server that answers at once and evenly; every other line of a :class:`Script` is something that real servers do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from touchstone.errors import DataError, UsageError, unknown_name
from touchstone.message import say
from touchstone.plan import Noun, Positive

Fault = Literal["http_500", "refuse_429", "reset", "stall_forever", "malformed", "error_in_stream", "truncate", "bad_chunk", "empty"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
_UNITS_S = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "m": 60.0, "min": 60.0}


def duration_s(text: object) -> object:
    """Seconds from ``50ms``, ``2s``, ``200us``, ``1m`` or a plain number of seconds; what is not a text stays as it is.

    >>> duration_s("50ms"), duration_s("2s"), duration_s("0.05")
    (0.05, 2.0, 0.05)

    Raises ValueError for any other text.
    """
    if not isinstance(text, str):
        return text
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([a-zµ]*)\s*", text)
    if found is None or found[2] not in _UNITS_S:
        raise ValueError(f"{text!r} is not a duration such as 50ms or 2s")
    return float(found[1]) * _UNITS_S[found[2]]


def share(text: object) -> object:
    """A share from ``5%`` or ``0.05``; what is not a text stays as it is. Raises ValueError for any other text."""
    if not isinstance(text, str):
        return text
    return float(text.rstrip().removesuffix("%")) / 100 if text.rstrip().endswith("%") else float(text)


Seconds = Annotated[float, BeforeValidator(duration_s), Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(share), Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Script(Noun):
    """The behaviour of a scripted server. Times are seconds since the request was received, or since the event before.

    Timing: the k-th token event (from 0) is due ``ttft_s`` + ``ttft_per_input_token_s`` × uncached prompt tokens + k × ``itl_s`` after
    the request was received (or, beyond ``concurrency``, taken from the queue). ``jitter`` multiplies each of these gaps by a number
    drawn evenly from [1 - jitter, 1 + jitter]. For ``stall_s`` in every ``stall_every_s`` the server neither reads nor sends.

    Tokens: ``output_tokens`` caps what the request asks for. The first ``reasoning_tokens`` are reasoning, the last ``tool_tokens`` the
    arguments of a tool call (chat only). An event brings ``tokens_per_event``, the first one ``first_event_tokens``. A prompt counts
    its words, or its ids if it is a list of them, and a chat ``template_tokens`` more. With ``cache``, the leading whole blocks of
    16 words that were seen before count as cached.

    Wire: the head goes out with the first event, or by itself at ``head_s``; a chat begins with a role-only event at ``role_s`` if
    ``role_first``; the finish reason comes with the last token, or in an event of its own if ``finish_event``. ``coalesce`` token
    events share one send, when the last of them is due. Each send is cut into ``split`` writes, ``split_pause_s`` apart. Usage comes
    right after the last token, ``late_usage_s`` after it, never, or in every event; ``[DONE]`` comes ``done_late_s`` after that.

    Faults: ``faults`` gives the share of requests for each kind; which ones is drawn from ``seed`` and the request's number. Those that
    break a stream do so after ``fault_after_tokens`` tokens. A connection without a request for ``close_idle_s`` is closed.
    """

    model: str = "scripted"
    seed: Count = 0
    ttft_s: Seconds = 0.05
    itl_s: Seconds = 0.02
    ttft_per_input_token_s: Seconds = 0.0
    jitter: Share = 0.0
    stall_s: Seconds = 0.0
    stall_every_s: Seconds = 0.0
    concurrency: Positive | None = None

    output_tokens: Positive | None = None
    template_tokens: Count = 4
    token_text: str = Field(default=" tok", min_length=1)
    reasoning_tokens: Count = 0
    reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning_content"
    tool_tokens: Count = 0
    tokens_per_event: Positive = 1
    first_event_tokens: Positive | None = None
    cache: bool = False

    head_s: Seconds | None = None
    role_first: bool = False
    role_s: Seconds = 0.0
    finish_event: bool = False
    coalesce: Positive = 1
    split: Positive = 1
    split_pause_s: Seconds = 0.0005
    usage: Literal["last", "late", "missing", "continuous"] = "last"
    late_usage_s: Seconds = 0.05
    done_late_s: Seconds = 0.0
    line_end: Literal["LF", "CRLF"] = "LF"
    framing: Literal["chunked", "close"] = "chunked"

    faults: Mapping[Fault, Share] = {}
    fault_after_tokens: Count = 2
    retry_after_s: Count = 1
    close_idle_s: Seconds | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Script:
        if sum(self.faults.values()) > 1:
            raise ValueError("the shares of the faults add up to more than 1")
        if self.faults.get("bad_chunk") and self.framing == "close":
            raise ValueError("the fault bad_chunk needs the framing chunked")
        if self.stall_s and self.stall_every_s <= self.stall_s:
            raise ValueError("stall_every_s must be longer than stall_s")
        if self.role_first and self.role_s > self.ttft_s:
            raise ValueError("role_s is later than ttft_s")
        if self.head_s is not None and self.head_s > (self.role_s if self.role_first else self.ttft_s):
            raise ValueError("head_s is later than the first event")
        return self


def parse_script(content: Mapping[str, Any], source: str) -> Script:
    """A script from a mapping; ``source`` names it in errors. Raises :class:`UsageError` for an unknown key or a bad value."""
    for key in content:
        if key not in Script.model_fields:
            raise unknown_name(say("line of a script"), str(key), Script.model_fields)
    try:
        return Script.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "script"
        raise UsageError("The script {source} does not hold together at {where}: {why}.", "",
                         source=source, where=where, why=first["msg"].rstrip(".")) from error


def read_script(text_or_path: str) -> dict[str, Any]:
    """The lines of a script file (YAML or JSON), or of a JSON object given in place of a path.

    Raises :class:`DataError` for a file that cannot be read or is not a mapping.
    """
    inline = text_or_path.lstrip().startswith("{")
    try:
        content = yaml.safe_load(text_or_path if inline else Path(text_or_path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError("The script {path} cannot be read: {error}.", "", path=text_or_path,
                        error=" ".join(str(error).split())) from error
    if not isinstance(content, dict):
        raise DataError("The script {path} is not a mapping of keys to values.", "", path=text_or_path)
    return content
