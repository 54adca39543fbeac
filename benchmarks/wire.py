"""What reading an answer costs after a trial: CPU time per event, and beside it the usual `json.loads` of every event alone.

    python benchmarks/wire.py [--events 128] [--rounds 9]

Prints, for streams as servers write them: ours (head, framing, events, JSON, kinds, tokens, offsets), ours with the text kept,
`json.loads` of the payloads, which must be given to it ready cut, and the ratio of that to ours (aim: <= 1.5 µs per event in the first row).
Then what each step costs, and other ways to do the same that were weighed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping

import msgspec

from touchstone.wire.account import Account
from touchstone.wire.answer import read_answer
from touchstone.wire.event import Event, decode
from touchstone.wire.http import parse_head, read_body
from touchstone.wire.sse import read_stream

HEAD = (b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"x-request-id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n")
CALLS_PER_ROUND = 50


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=128)
    options.add_argument("--rounds", type=int, default=9)
    given = options.parse_args()
    print(f"{given.events} events per answer, CPU time in us per event, best of {given.rounds} rounds\n")
    print(f"{'stream':<46}{'bytes/event':>12}{'ours':>8}{'+ text':>8}{'json.loads':>12}{'ratio':>8}")

    def cost(call: Callable[[], object]) -> float:
        return _cpu_us(call, given.rounds) / float(given.events)

    for name, raw in _streams(given.events).items():
        payloads = _payloads(raw)
        ours = cost(lambda raw=raw: read_answer(raw, closed=True, streamed=True))  # type: ignore[misc]
        text = cost(lambda raw=raw: read_answer(raw, closed=True, streamed=True, want_text=True))  # type: ignore[misc]
        loads = cost(lambda payloads=payloads: [json.loads(payload) for payload in payloads])  # type: ignore[misc]
        print(f"{name:<46}{len(raw) / given.events:>12.0f}{ours:>8.2f}{text:>8.2f}{loads:>12.2f}{loads / ours:>8.2f}")
    _steps(_streams(given.events)["chat, a chunk per event"], cost)


def _steps(raw: bytes, cost: Callable[[Callable[[], object]], float]) -> None:
    """Where the time of the first row goes, and alternatives."""
    head = parse_head(raw)
    assert head is not None
    body = read_body(raw, head, closed=True)
    stream = read_stream(body.data, complete=True)
    payloads = stream.payloads
    lines, array = b"\n".join(payloads), b"[" + b",".join(payloads) + b"]"
    as_lines, as_array = msgspec.json.Decoder(Event).decode_lines, msgspec.json.Decoder(list[Event]).decode
    print("\nsteps of the first row")
    for name, call in {
        "head": lambda: parse_head(raw), "framing": lambda: read_body(raw, head, closed=True),
        "events": lambda: read_stream(body.data, complete=True), "offsets": lambda: body.raw_offsets(stream.ends),
        "JSON, kinds, tokens": lambda: Account(want_text=False).read(stream, utf8=True),
    }.items():
        print(f"  {name:<44}{cost(call):>8.3f}")
    print("\nJSON alone")
    for name, call in {
        "typed, each payload alone (ours)": lambda: [decode(payload) for payload in payloads],
        "typed, as one array (without the joining)": lambda: as_array(array),
        "typed, as lines (without the joining)": lambda: as_lines(lines),
        "msgspec untyped": lambda: [msgspec.json.decode(payload) for payload in payloads],
        "json.loads": lambda: [json.loads(payload) for payload in payloads],
    }.items():
        print(f"  {name:<44}{cost(call):>8.3f}")


def _streams(events: int) -> dict[str, bytes]:
    """Answers of ``events`` events, the last two of them the finish and the usage."""
    word = {"content": " word"}
    plain = [_chat(word)] * (events - 2)
    return {
        "chat, a chunk per event": _answer(plain),
        "chat, CR LF": _answer(plain, end=b"\r\n\r\n"),
        "chat, many events per chunk": _answer(plain, chunk_bytes=65536),
        "chat, chunks that cut events": _answer(plain, chunk_bytes=100),
        "chat, no chunks, closed at the end": _answer(plain, chunk_bytes=0),
        "chat, a comment before each event": _answer(plain, start=b": ping\n\ndata: "),
        "chat, the last byte missing": _answer(plain)[:-1],
        "chat, Chinese": _answer([_chat({"content": "试金石"})] * (events - 2)),
        "chat, reasoning": _answer([_chat({"content": None, "reasoning_content": " word"})] * (events - 2)),
        "chat, usage in every event": _answer([_chat(word, usage=_usage(number + 1)) for number in range(events - 2)]),
        "chat, log probabilities": _answer([_chat(word, logprobs={"content": [{"token": " word", "logprob": -0.1, "top_logprobs": []}]})] * (events - 2)),
        "chat, tool arguments": _answer([_chat({"tool_calls": [{"index": 0, "function": {"arguments": " word"}}]})] * (events - 2)),
    }


def _chat(delta: Mapping[str, object], *, finish: str | None = None, logprobs: object = None, usage: object = None) -> dict[str, object]:
    return {"id": "chatcmpl-9f3c2b7d8a6e4f10", "object": "chat.completion.chunk", "created": 1767225600, "model": "Qwen2.5-7B-Instruct",
            "choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}], "usage": usage}


def _usage(made: int) -> dict[str, int]:
    return {"prompt_tokens": 512, "completion_tokens": made, "total_tokens": 512 + made}


def _answer(events: list[dict[str, object]], *, end: bytes = b"\n\n", start: bytes = b"data: ", chunk_bytes: int | None = None) -> bytes:
    last = {**_chat({}), "choices": [], "usage": _usage(len(events))}
    texts = [json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() for event in (*events, _chat({}, finish="length"), last)]
    blocks = [start + text + end for text in (*texts, b"[DONE]")]
    if chunk_bytes == 0:
        return HEAD + b"\r\n" + b"".join(blocks)
    if chunk_bytes is not None:
        body = b"".join(blocks)
        blocks = [body[at:at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks) + b"0\r\n\r\n"


def _payloads(raw: bytes) -> list[bytes]:
    head = parse_head(raw)
    assert head is not None
    return read_stream(read_body(raw, head, closed=True).data, complete=True).payloads


def _cpu_us(call: Callable[[], object], rounds: int) -> float:
    costs: list[float] = []
    for _ in range(rounds):
        started = time.process_time_ns()
        for _ in range(CALLS_PER_ROUND):
            call()
        costs.append((time.process_time_ns() - started) / CALLS_PER_ROUND / 1000)
    return min(costs)  # the neighbours of a shared machine only ever add


if __name__ == "__main__":
    main()
