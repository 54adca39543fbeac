"""Answers as servers write them, and ways to frame them. Written for these tests after the servers' documented formats."""

import json
from dataclasses import dataclass, field

from touchstone.served import Ending, EventKind

CONTENT, REASONING, TOOL, EMPTY, FINISH, USAGE, ERROR = EventKind


@dataclass(frozen=True)
class Sample:
    """Payloads of a stream and what a careful reader says of them."""

    name: str
    payloads: tuple
    kinds: tuple
    facts: dict
    tokens: tuple | None = None
    done: bool = True
    blocks: tuple = field(default=())  # SSE written out by hand, in place of payloads

    def stream(self, eol="\n", mark="data: "):
        """The body as SSE."""
        if self.blocks:
            return "".join(self.blocks).replace("\n", eol).encode()
        payloads = [*(payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False) for payload in self.payloads),
                    *(["[DONE]"] if self.done else [])]
        return "".join(f"{mark}{payload}{eol}{eol}" for payload in payloads).encode()


def head(*, status=200, kind="text/event-stream; charset=utf-8", extra=()):
    """Status line and headers, without the blank line's end."""
    reason = {200: "OK", 429: "Too Many Requests", 503: "Service Unavailable", 500: "Internal Server Error"}.get(status, "Some")
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", "server: uvicorn", f"Content-Type: {kind}", *extra, "", ""]).encode()


def framed(body, framing, *, sizes=None, **given):
    """``body`` in an answer. ``sizes``: lengths of the chunks, the last repeated; one chunk per event where None."""
    if framing == "length":
        return head(**given, extra=[f"Content-Length: {len(body)}"]) + body
    if framing == "close":
        return head(**given, extra=["Connection: close"]) + body
    return head(**given, extra=["Transfer-Encoding: chunked"]) + b"".join(chunk(piece) for piece in cut(body, sizes)) + b"0\r\n\r\n"


def chunk(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def cut(body, sizes):
    """The pieces of ``body``: per event, or of the given sizes."""
    if sizes is None:
        gap = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
        return [piece + gap for piece in body.split(gap)[:-1]] + [piece for piece in body.split(gap)[-1:] if piece]
    pieces, at, left = [], 0, list(sizes)
    while at < len(body):
        size = left.pop(0) if len(left) > 1 else left[0]
        pieces.append(body[at:at + size])
        at += size
    return pieces


def chat(delta, finish=None, index=0, **more):
    """One chunk of a chat stream."""
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767225600, "model": "m",
            "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}], **more}


def words(text, finish=None, **more):
    """One chunk of a completions stream."""
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish, **more}], "usage": None}


def used(given, made, **details):
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details}


def last(given, made, **details):
    """The usage chunk after the last token."""
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": used(given, made, **details)}


def call(**function):
    return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}


OPENAI = Sample(
    "openai", (
        chat({"role": "assistant", "content": "", "refusal": None}, usage=None), chat({"content": "Hé"}, usage=None),
        chat({"content": "llo 世界🌏"}, usage=None), chat({}, "stop", usage=None),
        last(9, 3, prompt_tokens_details={"cached_tokens": 4, "audio_tokens": 0}, completion_tokens_details={"reasoning_tokens": 0})),
    (EMPTY, CONTENT, CONTENT, FINISH, USAGE),
    {"finish": "stop", "model": "m", "input_tokens": 9, "cached_tokens": 4, "output_tokens": 3, "reasoning_tokens": 0,
     "text": "Héllo 世界🌏", "first_text": "Hé"})
VLLM_RUNNING_USAGE = Sample(
    "vllm, usage in every event", (
        chat({"role": "assistant", "content": ""}, usage=used(7, 0)), chat({"content": "a"}, usage=used(7, 4)),
        chat({"content": ""}, usage=used(7, 5)), chat({"content": "b"}, usage=used(7, 6)),
        chat({"content": "cd"}, "length", usage=used(7, 9)), last(7, 9)),
    (EMPTY, CONTENT, EMPTY, CONTENT, CONTENT, USAGE),
    {"finish": "length", "input_tokens": 7, "output_tokens": 9, "text": "abcd", "first_text": "a", "cached_tokens": None},
    (None, 4, 1, 1, 3, 0))
VLLM_TOKEN_IDS = Sample(
    "vllm completions, token ids", (words("x", token_ids=[1, 2, 3]), words("y", token_ids=[4]), words("", "stop", token_ids=[]), last(3, 4)),
    (CONTENT, CONTENT, FINISH, USAGE), {"finish": "stop", "text": "xy", "output_tokens": 4}, (3, 1, 0, None))
COMPLETIONS_LOGPROBS = Sample(
    "completions, log probabilities", (
        words("ab", logprobs={"tokens": ["a", "b"], "token_logprobs": [-0.1, -0.2], "top_logprobs": None}), words("c"),
        words("d", logprobs={"tokens": ["d"]}), words("", "length")),
    (CONTENT, CONTENT, CONTENT, FINISH), {"finish": "length", "text": "abcd", "output_tokens": None}, (2, None, 1, None))
CHAT_LOGPROBS = Sample(
    "chat, log probabilities", (
        {"choices": [{"delta": {"content": "ab"}, "logprobs": {"content": [{"token": "a", "logprob": -1e-9}, {"token": "b"}]}}]},
        chat({"content": ""}, "stop")),
    (CONTENT, FINISH), {"finish": "stop", "text": "ab", "model": "m"}, (2, None))
SGLANG = Sample(
    "sglang, usage in the finish event", (
        chat({"role": "assistant", "content": "", "reasoning_content": None, "tool_calls": None}, usage=None),
        chat({"role": None, "content": None, "reasoning_content": "hm", "tool_calls": None}, usage=None),
        chat({"role": None, "content": "x", "reasoning_content": None, "tool_calls": None}, usage=None),
        chat({"content": None}, "stop", usage=used(5, 3, prompt_tokens_details=None, reasoning_tokens=1), matched_stop=2)),
    (EMPTY, REASONING, CONTENT, FINISH),
    {"finish": "stop", "text": "x", "reasoning_text": "hm", "first_text": "hm", "input_tokens": 5, "output_tokens": 3, "reasoning_tokens": 1})
DEEPSEEK = Sample(
    "deepseek", (
        chat({"role": "assistant", "content": None, "reasoning_content": ""}), chat({"content": None, "reasoning_content": "We"}),
        chat({"content": None, "reasoning_content": " think"}), chat({"content": "So", "reasoning_content": None}),
        chat({"content": "", "reasoning_content": None}, "stop",
             usage=used(6, 4, prompt_cache_hit_tokens=2, prompt_cache_miss_tokens=4, completion_tokens_details={"reasoning_tokens": 2}))),
    (EMPTY, REASONING, REASONING, CONTENT, FINISH),
    {"text": "So", "reasoning_text": "We think", "first_text": "We", "cached_tokens": 2, "reasoning_tokens": 2, "output_tokens": 4})
VLLM_REASONING = Sample(
    "vllm, reasoning and content in one event", (chat({"reasoning": "r"}), chat({"reasoning": "s", "content": "c"}), chat({}, "stop")),
    (REASONING, CONTENT, FINISH), {"text": "c", "reasoning_text": "rs", "first_text": "r"})
TOOLS = Sample(
    "tool calls", (
        chat({"role": "assistant", "content": None}), chat(call(name="", arguments="")), chat(call(name="get_weather", arguments="")),
        chat(call(arguments='{"city": ')), chat(call(arguments={"x": 1})), chat({"function_call": {"name": "old"}}), chat({}, "tool_calls"),
        last(20, 11)),
    (EMPTY, EMPTY, TOOL, TOOL, TOOL, TOOL, FINISH, USAGE), {"finish": "tool_calls", "first_text": "get_weather", "text": "", "output_tokens": 11})
LLAMA_CPP = Sample(
    "llama.cpp", (
        chat({"role": "assistant", "content": None}), chat({"content": "Hi"}), chat({"content": "!"}),
        chat({}, "stop", timings={"cache_n": 12, "prompt_n": 3, "prompt_ms": 1.5, "predicted_n": 2, "predicted_ms": 3.25})),
    (EMPTY, CONTENT, CONTENT, FINISH),
    {"finish": "stop", "text": "Hi!", "input_tokens": 15, "cached_tokens": 12, "output_tokens": 2})
PARTS = Sample(
    "content in parts", (chat({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}),
                         chat({"content": []}), chat({"content": "c"}), chat({}, "stop")),
    (CONTENT, EMPTY, CONTENT, FINISH), {"text": "abc", "first_text": "ab"})
SEVERAL = Sample(
    "two choices", (
        {"choices": [{"index": 0, "delta": {"content": ""}}, {"index": 1, "delta": {"reasoning": "r"}}], "model": "m"},
        {"choices": [{"index": 0, "delta": {"content": "a"}, "token_ids": [1]}, {"index": 1, "delta": {"content": "b"}, "token_ids": [2, 3]}]},
        {"choices": [{"index": 0, "delta": {"content": "c"}}, {"index": 1, "delta": {"content": "d"}}]},
        {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
    (REASONING, CONTENT, CONTENT, FINISH), {"text": "abcd", "reasoning_text": "r", "first_text": "r"}, (None, 3, None, None))
TRANSFORMERS_SERVE = Sample(
    "transformers serve, no [DONE]", (
        {"id": "req_0", "choices": [{"delta": {"role": "assistant"}, "index": 0}], "created": 1, "model": "m@main", "object": "chat.completion.chunk",
         "system_fingerprint": ""},
        {"id": "req_0", "choices": [{"delta": {"content": "ok"}, "index": 0}], "created": 1, "model": "m@main", "object": "chat.completion.chunk"},
        {"id": "req_0", "choices": [{"delta": {}, "finish_reason": "stop", "index": 0}], "created": 1, "model": "m@main"}),
    (EMPTY, CONTENT, FINISH), {"text": "ok", "model": "m@main"}, done=False)
TGI = Sample(
    "tgi, pings and no space", (), (CONTENT, CONTENT, USAGE),
    {"text": "ab", "finish": "length", "input_tokens": 3, "output_tokens": 2, "first_text": "a"},
    blocks=(":\n\n", 'data:{"object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}],"usage":null}\n\n',
            ": keep-alive\n\n", "event: message\nid: 7\nretry: 3000\n", 'data:{"choices":[{"delta":{"content":"b"},\n',
            'data: "finish_reason":"length"}]}\n\n', "data:\n\n", "data\n\n",
            'data:{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n', "data: [DONE]\n\n", 'data: {"after": "the end"}\n\n'))
SAMPLES = [OPENAI, VLLM_RUNNING_USAGE, VLLM_TOKEN_IDS, COMPLETIONS_LOGPROBS, CHAT_LOGPROBS, SGLANG, DEEPSEEK, VLLM_REASONING, TOOLS, LLAMA_CPP,
           PARTS, SEVERAL, TRANSFORMERS_SERVE, TGI]

ERRORS = [
    ('data: {"error": {"message": "out of memory", "type": "x", "code": 500}}\n\n', Ending.STREAM_ERROR, "out of memory"),
    ('data: {"error": "overloaded", "error_type": "overloaded"}\n\n', Ending.STREAM_ERROR, "overloaded"),
    ('data: {"object": "error", "message": "too long", "code": 400}\n\n', Ending.STREAM_ERROR, "too long"),
    ('event: error\ndata: {"detail": [{"msg": "bad"}, {"msg": "worse"}]}\n\n', Ending.STREAM_ERROR, None),
    ('event: error\ndata: {"choices": [{"delta": {"content": "x"}}], "message": "said late"}\n\n', Ending.STREAM_ERROR, "said late"),
    ("event: error\ndata: it broke\n\n", Ending.STREAM_ERROR, "it broke"),
    ('error: {"code":500,"message":"slot unavailable"}\n\n', Ending.STREAM_ERROR, "slot unavailable"),
    ('data: {"error": {"code": 5}}\n\n', Ending.STREAM_ERROR, "the server reported an error without words"),
    ('data: {"error": {"error": {"error": {"error": {"error": {"error": "deep"}}}}}}\n\n', Ending.STREAM_ERROR,
     "the server reported an error without words"),
    ('data: {"x": ' + "[" * 5000 + "\n\n", Ending.MALFORMED, "event 3 is nested too deeply"),
    ('data: {"choices": [\n\n', Ending.MALFORMED, None),
    ('data: {"choices": "many"}\n\n', Ending.MALFORMED, None),
    ("data: 17\n\n", Ending.MALFORMED, None),
]
