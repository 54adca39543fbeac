"""Every fault on the wire, as a client meets it."""

from __future__ import annotations

import json

import pytest
from raw_client import ask, ask_once, chat, connect, get

from touchstone.measure.scripted import Script, ScriptedServer


@pytest.fixture(scope="module")
def server_with():
    """Servers that always fail in one way, started once each."""
    started = {}

    def start(fault: str, **script):
        key = (fault, *sorted(script.items()))
        if key not in started:
            started[key] = ScriptedServer(Script(ttft_s=0.005, itl_s=0.002, faults={fault: 1.0}, fault_after_tokens=3, **script)).__enter__()
        return started[key]

    yield start
    for server in started.values():
        server.__exit__(None, None, None)


def test_http_500(server_with):
    with connect(server_with("http_500")) as sock:
        for stream in (True, False):
            reply = ask(sock, chat(stream=stream))
            assert reply.status == 500
            assert reply.json["error"]["message"]
    entry = server_with("http_500").log()[0]
    assert (entry.fault, entry.output_tokens) == ("http_500", 0)


def test_429_says_when_to_come_back(server_with):
    reply = ask_once(server_with("refuse_429", retry_after_s=7), chat())
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")


def tokens(reply) -> int:
    return reply.raw.count(b" tok")


def test_a_reset_after_some_tokens(server_with):
    reply = ask_once(server_with("reset"), chat(max_tokens=10))
    assert reply.closed == "reset"
    assert tokens(reply) <= 3
    assert server_with("reset").log()[-1].output_tokens == 3
    assert ask_once(server_with("reset"), chat(stream=False)).closed == "reset"


def test_a_stall_for_ever_keeps_the_connection(server_with):
    server = server_with("stall_forever")
    with connect(server) as sock:
        sock.settimeout(0.5)
        sock.sendall(chat(max_tokens=10))
        raw = b""
        with pytest.raises(TimeoutError):
            while True:
                raw += sock.recv(65536)
        assert raw.count(b" tok") == 3
        assert 'requests_running{model_name="scripted"} 1.0' in server.get("/metrics").decode()
    assert len(server.log()[0].sent_ns) == 3


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_broken_json_in_an_otherwise_good_stream(server_with):
    reply = ask_once(server_with("malformed"), chat(max_tokens=6))
    broken = [place for place, event in enumerate(reply.events[:-1]) if not is_json(event)]
    assert broken == [3]
    assert reply.events[-1] == "[DONE]"
    with pytest.raises(ValueError):
        _ = ask_once(server_with("malformed"), chat(stream=False)).json


def test_an_error_inside_the_stream(server_with):
    reply = ask_once(server_with("error_in_stream"), chat(max_tokens=6))
    assert reply.status == 200
    assert [("error" in chunk) for chunk in reply.chunks[:4]] == [False, False, False, True]
    assert tokens(reply) == 3
    whole = ask_once(server_with("error_in_stream"), chat(stream=False))
    assert (whole.status, list(whole.json)) == (200, ["error"])


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_stream_that_ends_too_early(server_with, framing: str):
    reply = ask_once(server_with("truncate", framing=framing), chat(max_tokens=10))
    assert reply.closed == "fin"
    assert tokens(reply) == 3
    assert b"[DONE]" not in reply.raw
    assert not reply.raw.endswith(b"0\r\n\r\n")
    whole = ask_once(server_with("truncate", framing=framing), chat(stream=False))
    assert whole.closed == "fin"
    assert len(whole.body) < int(whole.headers["content-length"])


def test_broken_framing(server_with):
    reply = ask_once(server_with("bad_chunk"), chat(max_tokens=6))
    with pytest.raises(ValueError, match="invalid literal"):
        _ = reply.body
    assert reply.raw.partition(b"zz")[0].count(b" tok") == 3


def test_an_empty_answer(server_with):
    reply = ask_once(server_with("empty"), chat(max_tokens=6))
    assert tokens(reply) == 0
    assert reply.chunks[0]["choices"][0]["finish_reason"] == "stop"
    assert reply.chunks[-1]["usage"]["completion_tokens"] == 0
    assert reply.events[-1] == "[DONE]"
    assert ask_once(server_with("empty"), chat(stream=False)).json["choices"][0]["message"]["content"] == ""


def test_failed_requests_leave_no_tokens_running(server_with):
    for fault in ("http_500", "truncate", "reset", "bad_chunk", "empty"):
        server = server_with(fault)
        ask_once(server, chat(max_tokens=5))
        assert 'requests_running{model_name="scripted"} 0.0' in server.get("/metrics").decode()


def test_which_requests_fail_follows_the_seed():
    def faults(seed: int) -> list[str | None]:
        script = Script(ttft_s=0, itl_s=0, faults={"http_500": 0.3, "truncate": 0.3}, seed=seed)
        with ScriptedServer(script) as server:
            for _ in range(30):
                ask_once(server, chat())
            return [entry.fault for entry in server.log()]

    first = faults(3)
    assert first == faults(3)
    assert first != faults(4)
    assert set(first) == {None, "http_500", "truncate"}


def test_idle_connections_are_closed_and_busy_ones_are_not():
    with ScriptedServer(Script(ttft_s=0.4, itl_s=0.01, close_idle_s=0.1)) as server:
        with connect(server) as unused:
            assert unused.recv(1) == b""
        with connect(server) as sock:
            assert len(ask(sock, chat(max_tokens=3)).events) == 5
            assert ask(sock, get("/health")).status == 200
            sock.settimeout(5)
            assert sock.recv(1) == b""
