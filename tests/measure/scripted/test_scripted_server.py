"""The server on real sockets: what it promises is on the wire, and its log agrees with what a client sees."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import socket
import struct
import subprocess
import threading

import pytest
from raw_client import CHAT, COMPLETIONS, ask, ask_once, chat, complete, connect, get, post, read

from touchstone.measure.scripted import Script, ScriptedServer
from touchstone.measure.scripted.log import parse_log

QUICK = {"ttft_s": 0.01, "itl_s": 0.005}


@pytest.fixture(scope="module")
def quick():
    with ScriptedServer(Script(**QUICK)) as server:
        yield server


def last(server, count: int = 1):
    return server.log()[-count:]


# --- times ------------------------------------------------------------------------------------------------------------------------

def test_every_token_is_scheduled_from_the_kernel_s_receive_stamp_without_drift(quick):
    with connect(quick) as sock:
        ask(sock, chat(max_tokens=20))  # the kernel begins to stamp a little after the first socket has asked it to
        replies = [ask(sock, chat(max_tokens=20, headers={"X-Request-Id": f"drift-{k}"})) for k in range(3)]
    for k, (reply, entry) in enumerate(zip(replies, last(quick, 3), strict=True)):
        assert entry.request_id == f"drift-{k}"
        assert entry.kernel_stamp
        assert entry.started_ns == entry.received_ns
        assert reply.sent_before_ns - 2000 <= entry.received_ns <= reply.reads[0][0]
        assert [entry.scheduled_ns[place] - entry.received_ns for place in entry.token_places] == [10_000_000 + k * 5_000_000 for k in range(20)]
        for place in range(len(entry.events)):
            assert entry.scheduled_ns[place] <= entry.sending_ns[place] <= entry.sent_ns[place]
        assert list(entry.sending_ns) == sorted(entry.sending_ns)
        assert entry.first_token_sent_ns == entry.sent_ns[0]
        assert entry.last_token_sent_ns == entry.sent_ns[19]


def test_no_byte_of_a_token_arrives_before_it_was_sent(quick):
    reply = ask_once(quick, chat(max_tokens=10))
    entry, = last(quick)
    ends = list(itertools.accumulate(len(part) + 2 for part in reply.body.split(b"\n\n")))
    assert len(reply.reads) > 3
    for at_ns, received in reply.reads:
        seen = reply.raw[:received].count(b" tok")
        assert seen == 0 or at_ns >= entry.sending_ns[seen - 1]
    assert len(ends) == 10 + 3


def test_an_answer_in_one_piece_comes_when_its_last_token_would(quick):
    for request in (chat(stream=False, max_tokens=5), complete(stream=False, max_tokens=5)):
        reply = ask_once(quick, request)
        entry, = last(quick)
        assert not entry.streamed
        assert (entry.events, entry.tokens) == (("content",), (5,))
        assert entry.scheduled_ns[0] - entry.received_ns == 10_000_000 + 4 * 5_000_000
        assert reply.json["usage"]["completion_tokens"] == 5
        choice = reply.json["choices"][0]
        assert choice.get("text", choice.get("message", {}).get("content")) == " tok" * 5
        assert choice["finish_reason"] == "length"


def test_fast_streams_share_the_server_fairly():
    with ScriptedServer(Script(ttft_s=0.1, itl_s=0)) as server:
        socks = [connect(server) for _ in range(8)]
        for sock in socks:
            sock.sendall(chat(max_tokens=2000))
        for sock in socks:
            assert len(read(sock).events) == 2002
            sock.close()
        log = server.log()
    # All are overdue at once from the last arrival on; none may be served whole before the others begin.
    assert max(entry.first_token_sent_ns for entry in log) < min(entry.last_token_sent_ns for entry in log)


def test_a_stall_stops_everything():
    with ScriptedServer(Script(**QUICK, stall_s=0.06, stall_every_s=0.15)) as server:
        ask_once(server, chat(max_tokens=100))
        entry, = server.log()
    stall_ns, every_ns = 60_000_000, 150_000_000
    held_up = [(due, sending) for due, sending in zip(entry.scheduled_ns, entry.sending_ns, strict=True) if due % every_ns < stall_ns]
    assert held_up
    assert all(sending - due >= stall_ns - due % every_ns for due, sending in held_up)  # each waited for the end of its stall
    # The tokens that were held up are not lost time: those behind them stay due when they were.
    assert {after - before for before, after in itertools.pairwise(entry.scheduled_ns[:100])} == {round(QUICK["itl_s"] * 1e9)}


def test_requests_beyond_the_concurrency_queue():
    with ScriptedServer(Script(ttft_s=0.03, itl_s=0.01, concurrency=1)) as server:
        socks = [connect(server) for _ in range(3)]
        for sock in socks:
            sock.sendall(chat(max_tokens=3))
        metrics = server.get("/metrics").decode()
        for sock in socks:
            assert len(read(sock).events) == 5
            sock.close()
        log, after = server.log(), server.get("/metrics").decode()
    assert 'vllm:num_requests_running{model_name="scripted"} 1.0' in metrics
    assert 'vllm:num_requests_waiting{model_name="scripted"} 2.0' in metrics
    assert 'requests_waiting{model_name="scripted"} 0.0' in after
    for before, entry in itertools.pairwise(log):
        assert entry.started_ns >= before.sent_ns[-1]
        assert entry.scheduled_ns[0] == entry.started_ns + 30_000_000
        assert entry.started_ns > entry.received_ns


def test_a_client_that_leaves_the_queue_or_a_stream_makes_room():
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.02, concurrency=1)) as server:
        streaming, queued, patient = connect(server), connect(server), connect(server)
        for sock in (streaming, queued, patient):
            sock.sendall(chat(max_tokens=30))
        streaming.recv(10)
        queued.close()
        while 'requests_waiting{model_name="scripted"} 1.0' not in server.get("/metrics").decode():
            pass
        streaming.close()
        assert len(read(patient).events) == 32
        patient.close()
        log, metrics = server.log(), server.get("/metrics").decode()
    assert [entry.cut for entry in log] == [True, True, False]
    assert log[1].started_ns is None
    assert log[1].events == ()
    assert 1 <= log[0].output_tokens < 30
    assert 'requests_running{model_name="scripted"} 0.0' in metrics
    assert f'generation_tokens_total{{model_name="scripted"}} {float(30 + log[0].output_tokens)}' in metrics


def test_a_client_that_does_not_read_gets_everything_later_and_holds_nobody_up():
    script = Script(ttft_s=0, itl_s=0, token_text=" tok" * 1000)
    with ScriptedServer(script) as server, connect(server) as lazy:
        lazy.sendall(chat(max_tokens=5000))
        assert len(ask_once(server, chat(max_tokens=3)).events) == 5
        assert len(read(lazy).events) == 5002
        lazy_entry, other = sorted(server.log(), key=lambda entry: -entry.output_tokens)
    assert lazy_entry.output_tokens == 5000
    assert list(lazy_entry.sent_ns) == sorted(lazy_entry.sent_ns)
    assert lazy_entry.received_ns < other.received_ns
    assert other.sent_ns[-1] < lazy_entry.sent_ns[-1]  # 20 MB fit into no socket's buffer: its end waited for its reader


def test_a_log_that_is_larger_than_any_socket_s_buffer_comes_whole():
    with ScriptedServer(Script(ttft_s=0, itl_s=0)) as server:
        ask_once(server, chat(max_tokens=200_000))
        content = server.get("/scripted/log")
    assert len(content) > 10_000_000
    entry, = parse_log(content)
    assert (entry.output_tokens, len(entry.sent_ns)) == (200_000, 200_002)


# --- what an event carries -----------------------------------------------------------------------------------------------------------

def streamed(request: bytes = b"", **script):
    with ScriptedServer(Script(**{**QUICK, **script})) as server:
        reply = ask_once(server, request or chat(max_tokens=6))
        entry, = server.log()
    assert reply.status == 200
    return reply, entry


def deltas(reply):
    return [chunk["choices"][0]["delta"] for chunk in reply.chunks if chunk["choices"]]


def test_the_plain_stream(quick):
    reply = ask_once(quick, chat(max_tokens=3))
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert deltas(reply) == [{"content": " tok"}] * 3
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.chunks[:3]] == [None, None, "length"]
    assert reply.chunks[3] == {**reply.chunks[3], "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
    assert reply.events[4:] == ["[DONE]"]
    text = ask_once(quick, complete(max_tokens=2))
    assert [choice["text"] for chunk in text.chunks for choice in chunk["choices"]] == [" tok", " tok"]
    assert text.chunks[-1]["usage"]["prompt_tokens"] == 3


def test_a_role_first():
    reply, entry = streamed(role_first=True, role_s=0.004)
    assert deltas(reply)[0] == {"role": "assistant", "content": ""}
    assert entry.events == ("role", *["content"] * 6, "usage", "done")
    assert entry.scheduled_ns[0] - entry.received_ns == 4_000_000
    assert entry.first_token_sent_ns == entry.sent_ns[1]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_comes_first_and_under_the_name_asked_for(name: str):
    reply, entry = streamed(reasoning_tokens=2, reasoning_field=name)
    assert deltas(reply) == [{name: " tok"}] * 2 + [{"content": " tok"}] * 4
    assert entry.events[:3] == ("reasoning", "reasoning", "content")
    assert reply.chunks[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}
    whole, _ = streamed(chat(max_tokens=6, stream=False), reasoning_tokens=2, reasoning_field=name)
    assert whole.json["choices"][0]["message"] == {"role": "assistant", "content": " tok" * 4, name: " tok" * 2}


def test_tool_calls_come_last():
    reply, entry = streamed(tool_tokens=3)
    calls = [delta["tool_calls"][0]["function"] for delta in deltas(reply)[3:]]
    assert calls == [{"name": "scripted", "arguments": " tok"}, {"arguments": " tok"}, {"arguments": " tok"}]
    assert reply.chunks[5]["choices"][0]["finish_reason"] == "tool_calls"
    assert entry.events == (*["content"] * 3, *["tool"] * 3, "usage", "done")


def test_several_tokens_per_event_and_another_number_in_the_first():
    reply, entry = streamed(chat(max_tokens=17), tokens_per_event=4, first_event_tokens=10)
    assert [delta["content"].count("tok") for delta in deltas(reply)] == [10, 4, 3]
    assert entry.tokens[:3] == (10, 4, 3)
    assert [at_ns - entry.received_ns for at_ns in entry.scheduled_ns[:3]] == [10_000_000, 15_000_000, 20_000_000]


def test_the_finish_reason_in_an_event_of_its_own():
    reply, entry = streamed(finish_event=True)
    assert deltas(reply)[-1] == {}
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.chunks[:-1]] == [*[None] * 6, "length"]
    assert entry.events[5:7] == ("content", "finish")


def test_an_answer_shorter_than_asked_for_stops():
    reply, entry = streamed(chat(max_tokens=100), output_tokens=2)
    assert reply.chunks[1]["choices"][0]["finish_reason"] == "stop"
    assert entry.output_tokens == 2


def test_usage_late_missing_and_continuous():
    late, entry = streamed(usage="late", late_usage_s=0.03, done_late_s=0.02)
    assert entry.events[-2:] == ("usage", "done")
    assert [at_ns - entry.scheduled_ns[5] for at_ns in entry.scheduled_ns[-2:]] == [30_000_000, 50_000_000]
    assert late.chunks[-1]["usage"]["completion_tokens"] == 6
    missing, entry = streamed(usage="missing")
    assert "usage" not in missing.body.decode()
    assert entry.events[-1] == "done"
    continuous, _ = streamed(usage="continuous")
    assert [chunk["usage"]["completion_tokens"] for chunk in continuous.chunks] == [1, 2, 3, 4, 5, 6, 6]


# --- the wire --------------------------------------------------------------------------------------------------------------------------

def test_lines_that_end_in_crlf():
    reply, _ = streamed(line_end="CRLF")
    assert reply.body.count(b"\r\n\r\n") == 8
    assert b"\n\n" not in reply.body
    assert len(reply.events) == 8


def test_framing_by_the_end_of_the_connection():
    reply, _ = streamed(framing="close")
    assert reply.closed == "fin"
    assert "transfer-encoding" not in reply.headers
    assert reply.headers["connection"] == "close"
    assert reply.events[-1] == "[DONE]"


def test_the_head_by_itself():
    reply, entry = streamed(head_s=0.0, ttft_s=0.1)
    assert reply.reads[0][1] == len(reply.head) + 4
    assert entry.events[:2] == ("head", "content")
    assert entry.first_token_sent_ns == entry.sent_ns[1]


def test_coalesced_events_leave_in_one_send():
    reply, entry = streamed(coalesce=2, itl_s=0.02)
    assert entry.sending_ns[0] == entry.sending_ns[1] < entry.sending_ns[2] == entry.sending_ns[3]
    assert [at_ns - entry.received_ns for at_ns in entry.scheduled_ns[:6:2]] == [30_000_000, 70_000_000, 110_000_000]
    assert reply.raw[:reply.reads[0][1]].count(b" tok") % 2 == 0


def test_split_events_arrive_in_pieces():
    reply, entry = streamed(chat(max_tokens=2), split=3, split_pause_s=0.03, itl_s=0.2, token_text=" 试")
    plain, _ = streamed(chat(max_tokens=2), token_text=" 试")
    assert reply.raw == plain.raw
    assert len(reply.reads) > len(plain.reads)
    assert entry.events == ("content", "content", "usage", "done")
    assert entry.scheduled_ns[0] - entry.received_ns == 10_000_000 + 2 * 30_000_000


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_tls(certificate):
    with ScriptedServer(Script(**QUICK), tls=certificate) as server:
        assert server.base_url.startswith("https://")
        with connect(server) as sock:
            for _ in range(2):
                assert ask(sock, chat("word " * 20000, max_tokens=5)).events[-1] == "[DONE]"
        with socket.create_connection(server.base_url[8:].split(":")) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # not TLS: refused, and survived
            with contextlib.suppress(ConnectionResetError):
                plain.recv(100)
        silent = socket.create_connection(server.base_url[8:].split(":"))
        log = server.log()
        silent.close()
    assert [(entry.prompt_tokens, entry.kernel_stamp, entry.connection) for entry in log] == [(20004, False, 0)] * 2


# --- requests --------------------------------------------------------------------------------------------------------------------------

def test_prompts_are_counted_by_the_stated_rule(quick):
    parts = [{"type": "text", "text": "a b"}, {"type": "text", "text": "c\n d"}]
    messages = [{"role": "system", "content": "be  brief"}, {"role": "assistant", "content": None}, {"role": "user", "content": parts}]
    requests = {chat("one  two\tthree\n"): 7, chat(""): 4, post(CHAT, {"messages": messages}): 10, complete("one two"): 2, complete(["one two"]): 2,
                complete([5, 6, 7, 8, 9]): 5, complete([[5, 6]]): 2, complete(""): 0}
    for request, tokens in requests.items():
        ask_once(quick, request)
        assert last(quick)[0].prompt_tokens == tokens
    with ScriptedServer(Script(**QUICK, template_tokens=11)) as server:
        assert ask_once(server, chat("one", stream=False)).json["usage"]["prompt_tokens"] == 12


def test_the_prompt_slows_the_first_token_as_scripted():
    _, entry = streamed(chat("word " * 96), ttft_per_input_token_s=0.0002)
    assert entry.scheduled_ns[0] - entry.received_ns == 10_000_000 + 100 * 200_000


def test_a_repeated_prompt_is_cached_and_counted():
    text = " ".join(f"w{k}" for k in range(40))
    with ScriptedServer(Script(**QUICK, cache=True, ttft_per_input_token_s=0.0001)) as server:
        usages = [ask_once(server, chat(one, stream=False)).json["usage"] for one in (text, text, "x " + text)]
        metrics, log = server.get("/metrics").decode(), server.log()
    assert [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages] == [0, 32, 0]
    assert 'vllm:prefix_cache_queries_total{model_name="scripted"} 133.0' in metrics
    assert 'vllm:prefix_cache_hits_total{model_name="scripted"} 32.0' in metrics
    due = [entry.scheduled_ns[0] - entry.received_ns for entry in log]
    assert due[0] - due[1] == 32 * 100_000


def test_the_output_limit_has_three_sources(quick):
    assert len(ask_once(quick, chat(max_tokens=3, max_completion_tokens=5)).chunks) == 6
    assert len(ask_once(quick, chat(max_tokens=None)).chunks) == 17


def test_the_pages(quick):
    assert ask_once(quick, get("/v1/models")).json["data"][0]["id"] == "scripted"
    assert ask_once(quick, get("/health")).status == 200
    before = ask_once(quick, get("/metrics")).body.decode()
    ask_once(quick, chat("a b c", max_tokens=5))
    after = ask_once(quick, get("/metrics")).body.decode()
    values = [{line.split("{")[0]: float(line.split()[-1]) for line in text.splitlines() if line.startswith("vllm:")} for text in (before, after)]
    assert values[1]["vllm:prompt_tokens_total"] - values[0]["vllm:prompt_tokens_total"] == 7
    assert values[1]["vllm:generation_tokens_total"] - values[0]["vllm:generation_tokens_total"] == 5
    assert values[1]["vllm:num_requests_running"] == 0
    assert values[0].keys() == {f"vllm:{name}" for name in ("num_requests_running", "num_requests_waiting", "prompt_tokens_total", "generation_tokens_total",
                                                            "prefix_cache_queries_total", "prefix_cache_hits_total")}


def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_turn(quick):
    with connect(quick) as sock:
        sock.sendall(chat(max_tokens=3) + get("/health") + get("/v1/models") + chat(max_tokens=2, stream=False))
        raw = b""
        while raw.count(b"HTTP/1.1 200") < 4 or b'"total_tokens":9' not in raw:
            raw += sock.recv(65536)
    places = [raw.index(mark) for mark in (b"[DONE]", b"text/plain", b'"object":"list"', b'"total_tokens":9')]
    assert places == sorted(places)
    first, second = last(quick, 2)
    assert first.connection == second.connection
    assert second.received_ns == first.received_ns  # both came with the same bytes


def test_requests_may_come_byte_by_byte(quick):
    with connect(quick) as sock:
        request = chat("héllo wörld", max_tokens=2)
        for place in range(len(request)):
            sock.sendall(request[place:place + 1])
        assert len(read(sock).events) == 4
    assert last(quick)[0].prompt_tokens == 6


def test_a_client_that_asks_first_is_told_to_go_on(quick):
    body = json.dumps({"prompt": "x", "max_tokens": 1}).encode()
    with connect(quick) as sock:
        sock.sendall(f"POST {COMPLETIONS} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert ask(sock, body).status == 200


@pytest.mark.parametrize("head", ["POST {} HTTP/1.0\r\n", "POST {} HTTP/1.1\r\nConnection: close\r\n"])
def test_a_client_that_keeps_no_connection_sees_it_closed(quick, head: str):
    body = json.dumps({"prompt": "x", "max_tokens": 1}).encode()
    with connect(quick) as sock:
        reply = ask(sock, head.format(COMPLETIONS).encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert reply.status == 200
        assert sock.recv(1) == b""


HOSTILE = {
    "garbage": (b"\x00\xff\x16\x03\x01\r\n\r\n", 400),
    "no version": (b"GET /health\r\n\r\n", 400),
    "http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "huge header": (b"GET /health HTTP/1.1\r\nX: " + b"a" * 100_000, 431),
    "header without colon": (b"GET /health HTTP/1.1\r\nnonsense\r\n\r\n", 400),
    "folded header": (b"GET /health HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", 400),
    "negative length": (b"POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
    "huge length": (b"POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
    "absurd length": (b"POST /v1/completions HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
    "chunked request": (b"POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    "wrong method": (b"DELETE /v1/completions HTTP/1.1\r\n\r\n", 405),
    "wrong method of a page": (b"POST /health HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405),
    "no such path": (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
    "no json": (b"POST /v1/completions HTTP/1.1\r\nContent-Length: 3\r\n\r\n{,}", 400),
    "bad utf-8": (b'POST /v1/completions HTTP/1.1\r\nContent-Length: 16\r\n\r\n{"prompt":"\xff\xfe\xfd"}', 400),
    "deep json": (b"POST /v1/completions HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000, 400),
    "no object": (post(COMPLETIONS, []), 400),
    "no prompt": (post(COMPLETIONS, {}), 400),
    "two prompts": (post(COMPLETIONS, {"prompt": ["a", "b"]}), 400),
    "mixed ids": (post(COMPLETIONS, {"prompt": [1, "b"]}), 400),
    "no messages": (post(CHAT, {"messages": []}), 400),
    "messages of numbers": (post(CHAT, {"messages": [1]}), 400),
    "content of numbers": (post(CHAT, {"messages": [{"content": [{"text": 3}]}]}), 400),
    "zero tokens": (complete(max_tokens=0), 400),
    "true tokens": (complete(max_tokens=True), 400),
    "half a token": (complete(max_tokens=1.5), 400),
    "two answers": (complete(n=2), 400),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_are_refused_and_survived(quick, name: str):
    request, status = HOSTILE[name]
    with connect(quick) as sock:
        reply = ask(sock, request)
        assert reply.status == status
        if "error" in reply.body.decode():
            assert reply.json["error"]["message"]
    assert ask_once(quick, get("/health")).status == 200


def test_connections_that_break_off_are_survived(quick):
    for request in (chat()[:50], chat()[:-5], chat(), b""):
        sock = connect(quick)
        sock.sendall(request)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert len(ask_once(quick, chat(max_tokens=2)).events) == 4


# --- several processes -----------------------------------------------------------------------------------------------------------------

def test_several_processes_share_the_port_and_any_of_them_knows_the_whole_log():
    with ScriptedServer(Script(**QUICK), processes=2) as server:
        replies = []
        threads = [threading.Thread(target=lambda k=k: replies.append(ask_once(server, chat(max_tokens=5, headers={"X-Request-Id": str(k)}))))
                   for k in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logs, metrics = [server.log() for _ in range(4)], [server.get("/metrics").decode() for _ in range(4)]
    assert [len(reply.events) for reply in replies] == [7] * 24
    for log in logs:
        assert {entry.request_id for entry in log} == {str(k) for k in range(24)}
        assert {entry.process for entry in log} == {0, 1}
    assert all('generation_tokens_total{model_name="scripted"} 120.0' in text for text in metrics)
