"""The client through real sockets: every way a server may write an answer, close a connection, or not be there.

The servers are a few lines each, written out in the test. What came is read from the tape.
"""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from touchstone.load_plan import Length, Load, Workload
from touchstone.measure.load.body import RequestFile
from touchstone.measure.load.client import Client, Limits
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.decode import Context, DelayHistogram, decode, read_tape
from touchstone.measure.load.page import Page, Slot
from touchstone.measure.load.pool import Pool
from touchstone.measure.load.schedule import plan_schedule
from touchstone.measure.load.share import Share
from touchstone.measure.load.tape_file import Outcome, TapeWriter
from touchstone.served import Ending
from touchstone.units import NS_PER_S
from touchstone.wire.http import WireError, parse_head

HANGS_AFTER_S = 20.0
EVENTS = b"".join(b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]}).encode()
                  for text, finish in (("a", None), ("b", "stop"))) + b"data: [DONE]\n\n"
DOCUMENT = json.dumps({"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}).encode()


def head(*lines, kind="text/event-stream", status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", *lines, "", ""]).encode()


def chunks(body, size=None):
    pieces = [piece + b"\n\n" for piece in body.split(b"\n\n")[:-1]] if size is None else [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


CHUNKED = head("Transfer-Encoding: chunked") + chunks(EVENTS) + b"0\r\n\r\n"
COUNTED = head(f"Content-Length: {len(DOCUMENT)}", kind="application/json") + DOCUMENT
CHUNKED_DOCUMENT = head("Transfer-Encoding: chunked", kind="application/json") + chunks(DOCUMENT, 30) + b"0\r\n\r\n"
STREAM_COUNTED = head(f"Content-Length: {len(EVENTS)}") + EVENTS


class Peer:
    """A server of a few lines: ``serve(connection)`` in a thread for each connection, and what each of them was asked."""

    def __init__(self, serve, tls=None, backlog=128):
        self._serve, self._tls = serve, tls
        self.requests, self.connections, self.open, self.most_open = [], 0, 0, 0
        self._lock, self._sockets = threading.Lock(), []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.socket.getsockname()[1]}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop_listening()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def stop_listening(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self.socket.accept()
                self._sockets.append(one)
                self.connections += 1
                threading.Thread(target=self._run, args=(one,), daemon=True).start()

    def _run(self, one):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError, EOFError):
            if self._tls:
                one = self._tls.wrap_socket(one, server_side=True)
                self._sockets.append(one)
            try:
                self._serve(Asked(self, one))
            finally:
                one.shutdown(socket.SHUT_RDWR)

    def count(self, step):
        with self._lock:
            self.open += step
            self.most_open = max(self.most_open, self.open)


@dataclass
class Asked:
    """One connection, at the server."""

    peer: Peer
    socket: socket.socket
    rest: bytes = b""
    served: int = 0

    def request(self):
        """The next request, whole; EOFError where the client closed instead."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        lines, _, self.rest = self.rest.partition(b"\r\n\r\n")
        size = int(lines.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        parts, have = [self.rest], len(self.rest)
        while have < size:
            parts.append(self._receive())
            have += len(parts[-1])
        body = b"".join(parts)
        self.rest = body[size:]
        self.peer.requests.append((time.monotonic_ns(), lines, body[:size]))
        self.served += 1
        return lines, body[:size]

    def _more(self):
        self.rest += self._receive()

    def _receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        return data

    def send(self, *parts, pause_s=0.0):
        for place, part in enumerate(parts):
            if place and pause_s:
                time.sleep(pause_s)
            self.socket.sendall(part)

    def until_closed(self):
        while self.socket.recv(1 << 16):
            pass


def answering(answer, **more):
    """A server that gives the same answer to every request."""
    def serve(asked):
        while True:
            asked.request()
            asked.send(answer, **more)
    return serve


def is_complete(answer) -> bool:
    """Whole, or of the kind that ends when the server closes."""
    if answer.outcome is Outcome.CLOSED:
        with contextlib.suppress(WireError):
            head = parse_head(answer.raw)
            return head is not None and head.framing == "close"
        return False
    return answer.outcome is Outcome.WHOLE


@dataclass
class Load1:
    """A client's share, ready to play, and how it went."""

    directory: object
    count: int = 1
    load: Load = field(default_factory=lambda: Load(concurrency=1))
    turns: int = 1
    think_s: float = 0.0
    timeout_s: float = 10.0
    cap: int | None = None
    spare: int = 0
    warm: int = 1
    bodies: tuple = ()
    headers: str = ""
    duration_s: float | None = None
    streamed: bool = True

    def __post_init__(self):
        workload = Workload(input_len=Length(mean=8), output_len=Length(mean=4), turns=self.turns, think_time_s=self.think_s)
        self.schedule = plan_schedule(workload, self.load, self.count, None, 0)
        files = RequestFile(self.directory, 1)
        files.write(self.schedule, map(self._request, range(self.count)))
        self.share = Share(files.index_path(0), files.data_path)
        self.page = Page(self.directory / "a.page", create=True)
        self.cap = self.cap or self.schedule.slots

    def _request(self, row):
        body = self.bodies[row] if self.bodies else b"{}"
        return b"POST /v1 HTTP/1.1\r\nX-Request-Id: r-%d\r\nContent-Length: %d\r\n\r\n%b" % (row, len(body), body)

    def play(self, url):
        """Play to the end. A client that hangs is stopped, and fails the test."""
        hung = threading.Timer(HANGS_AFTER_S, self._stop)
        hung.start()
        self.hung = False
        pool = Pool(parse_address(url, verify=False))
        try:
            client = Client(pool, self.share, TapeWriter(self.directory / "a.tape"), self.page, Limits(self.cap, self.spare, self.timeout_s))
            client.add_headers(self.headers)
            pool.warm(self.warm)
            self.started_ns = time.monotonic_ns()
            client.play(self.started_ns, None if self.duration_s is None else self.started_ns + round(self.duration_s * NS_PER_S))
        finally:
            hung.cancel()
            pool.close()
        self.conduct, self.opened = client.conduct, pool.opened
        self.answers = {answer.row: answer for answer in read_tape(self.directory / "a.tape")}
        context = Context(0, "c", 0, 0, "r-", self.streamed, self.conduct.clock_pairs, self.share)
        batches = [requests for requests, _ in decode(read_tape(self.directory / "a.tape"), context, DelayHistogram())]
        rows = [{name: batch[name][place] for name in ("request", "ending", "status", "error")} for batch in batches
                for place in range(len(batch["request"]))]
        self.endings = {row["request"]: Ending(row["ending"]) for row in rows}
        assert not self.hung, "the client hangs"
        assert len(rows) == len(self.answers) == self.page[Slot.SENT] == self.page[Slot.ENDED]
        assert self.page[Slot.FAILED] == sum(not is_complete(answer) for answer in self.answers.values())
        assert set(self.answers) <= set(range(self.count))
        for answer in self.answers.values():
            assert self.started_ns <= answer.scheduled_ns <= answer.sent_ns <= answer.ended_ns
        return self

    def _stop(self):
        self.hung = True
        self.page[Slot.STOP] = 2

    @property
    def outcomes(self):
        return Counter(answer.outcome.name for answer in self.answers.values())

    @property
    def all_ok(self):
        return set(self.endings.values()) == {Ending.OK} and len(self.endings) == self.count

    def stop_after(self, seconds, how):
        def stop():
            self.page[Slot.STOP] = how
        timer = threading.Timer(seconds, stop)
        timer.start()


# ── how an answer is written ─────────────────────────────────────────────────────────────────────────────────────────────

CLOSE_DELIMITED = head("Connection: close") + EVENTS
ANSWERS = {"chunked": CHUNKED, "counted": COUNTED, "chunked document": CHUNKED_DOCUMENT, "counted stream": STREAM_COUNTED,
           "interim": b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + CHUNKED,
           "trailers": CHUNKED[:-2] + b"X-Time: 1\r\nX-Other: 0\r\n\r\n",
           "document with trailers": CHUNKED_DOCUMENT[:-2] + b"X-Other: 0\r\n\r\n"}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_may_be_cut_anywhere(tmp_path, name):
    """One request for every byte: the answer comes in two pieces, the first one byte longer each time; all on one connection."""
    raw = ANSWERS[name]

    def serve(asked):
        for place in range(1, len(raw)):
            asked.request()
            asked.send(raw[:place], raw[place:], pause_s=0.001)
        asked.until_closed()
    with Peer(serve) as peer:
        load = Load1(tmp_path, len(raw) - 1, streamed="document" not in name and name != "counted").play(peer.url)
    assert load.all_ok
    assert peer.connections == 1
    assert all(answer.raw == raw for answer in load.answers.values())
    assert sum(len(answer.sizes) == 2 for answer in load.answers.values()) > len(raw) // 3  # else nothing was cut


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_may_come_byte_by_byte(tmp_path, name):
    raw = ANSWERS[name]

    def serve(asked):
        for _ in range(2):
            asked.request()
            asked.send(*(raw[place:place + 1] for place in range(len(raw))), pause_s=0.0003)
        asked.until_closed()
    with Peer(serve) as peer:
        load = Load1(tmp_path, 2, streamed="document" not in name and name != "counted").play(peer.url)
    assert load.all_ok
    assert peer.connections == 1
    assert [load.answers[row].raw for row in range(2)] == [raw] * 2
    assert len(load.answers[0].sizes) > len(raw) // 3


def test_the_mark_of_the_end_alone_ends_the_answer_when_it_comes(tmp_path):
    """The end of the message is 100 ms after its last event, in a read of its own."""
    def serve(asked):
        asked.request()
        asked.send(CHUNKED[:-5], CHUNKED[-5:], pause_s=0.1)
        asked.until_closed()
    with Peer(serve) as peer:
        load = Load1(tmp_path).play(peer.url)
    [answer] = load.answers.values()
    assert answer.sizes.tolist()[-1] == 5
    assert answer.ended_ns == answer.at_ns[-1] > answer.at_ns[-2] + 90_000_000


def test_an_answer_without_a_body(tmp_path):
    with Peer(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as peer:
        load = Load1(tmp_path, 3).play(peer.url)
    assert load.outcomes == {"WHOLE": 3}
    assert peer.connections == 1


def test_an_empty_counted_body(tmp_path):
    with Peer(answering(head("Content-Length: 0", status="500 Oops"))) as peer:
        load = Load1(tmp_path, 3).play(peer.url)
    assert set(load.endings.values()) == {Ending.HTTP_ERROR}
    assert peer.connections == 1


@pytest.mark.parametrize("cut", [None, 20, len(CLOSE_DELIMITED) - 3])
def test_an_answer_that_ends_with_its_connection(tmp_path, cut):
    """No request is lost with the connection: each has one of its own."""
    def serve(asked):
        asked.request()
        asked.send(*([CLOSE_DELIMITED] if cut is None else [CLOSE_DELIMITED[:cut], CLOSE_DELIMITED[cut:]]), pause_s=0.01)
        asked.socket.shutdown(socket.SHUT_RDWR)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 3).play(peer.url)
    assert load.outcomes == {"CLOSED": 3}
    assert load.all_ok
    assert peer.connections == 3


def test_an_answer_that_says_close_takes_its_connection_with_it(tmp_path):
    """The next request does not go to a connection that the server is about to close, even if it has not yet."""
    def serve(asked):
        asked.request()
        asked.send(COUNTED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        asked.until_closed()
    with Peer(serve) as peer:
        load = Load1(tmp_path, 3, streamed=False).play(peer.url)
    assert load.all_ok
    assert peer.connections == 3


@pytest.mark.parametrize("raw", [CHUNKED, COUNTED, CHUNKED_DOCUMENT], ids=["chunked", "counted", "chunked document"])
@pytest.mark.parametrize("junk", [b"junk", b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n" * 20])
def test_junk_after_the_end_is_nobodys_answer(tmp_path, raw, junk):
    with Peer(answering(raw + junk)) as peer:
        load = Load1(tmp_path, 4, streamed=raw is CHUNKED).play(peer.url)
    assert load.all_ok
    assert all(answer.raw.startswith(raw) for answer in load.answers.values())


def test_junk_between_two_answers_costs_the_connection_and_no_answer(tmp_path):
    def serve(asked):
        while True:
            asked.request()
            asked.send(CHUNKED, b"HTTP/1.1 408 Request Timeout\r\n\r\n", pause_s=0.05)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 3, turns=3, think_s=0.15).play(peer.url)
    assert load.all_ok
    assert peer.connections == 3


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", b"\0\1\2"])
def test_what_is_no_http_ends_with_its_connection(tmp_path, raw):
    def serve(asked):
        asked.request()
        asked.send(raw, b"more", pause_s=0.02)
        asked.socket.shutdown(socket.SHUT_RDWR)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 2).play(peer.url)
    assert set(load.endings.values()) == {Ending.MALFORMED}


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_broken_chunks_are_one_failed_answer_and_no_more(tmp_path, kind):
    """The server goes on holding the connection: nothing on it can be trusted, and the next request must not wait for it."""
    broken = head("Transfer-Encoding: chunked", kind=kind) + b"5\r\nhello\r\nZZ\r\noops\r\n0\r\n\r\n"

    def serve(asked):
        asked.request()
        asked.send(broken if asked.peer.connections == 1 else CHUNKED)
        asked.until_closed()
    with Peer(serve) as peer:
        load = Load1(tmp_path, 2, timeout_s=1.0).play(peer.url)
    assert load.endings[0] in {Ending.MALFORMED, Ending.TIMEOUT}
    assert len(load.endings) == 2


# ── how a request is written ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A server's TLS context with a certificate of its own making."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


@pytest.mark.parametrize("tls", [False, True])
def test_a_request_of_five_megabytes_goes_out_in_many_writes(tmp_path, certificate, tls):
    """The server reads slowly. ``sent`` is the last write."""
    big = bytes(range(256)) * 20_000

    def serve(asked):
        asked.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        time.sleep(0.2)
        asked.request()
        asked.send(CHUNKED)
        asked.until_closed()
    with Peer(serve, tls=certificate if tls else None) as peer:
        load = Load1(tmp_path, bodies=(big,), headers="X-Key: k\r\n").play(peer.url)
    assert load.all_ok
    [(_, lines, body)] = peer.requests
    assert body == big
    assert lines.startswith(b"POST /v1 HTTP/1.1\r\nX-Key: k\r\nX-Request-Id: r-0\r\n")
    [answer] = load.answers.values()
    assert answer.sent_ns > answer.scheduled_ns + 100_000_000


def test_an_answer_may_come_before_the_request_is_all_there(tmp_path):
    """A server that refuses a long prompt says so early and does not read on: the connection cannot be used again."""
    refusal = head("Content-Length: 2", status="413 Too Large") + b"no"

    def serve(asked):
        asked.socket.recv(1000)
        asked.send(refusal)
        time.sleep(0.3)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 2, bodies=(bytes(20_000_000),) * 2).play(peer.url)
    assert set(load.endings.values()) <= {Ending.HTTP_ERROR, Ending.RESET}
    assert peer.connections == 2


# ── connections that go ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_connection_that_the_server_closed_while_idle_is_replaced(tmp_path):
    def serve(asked):
        asked.request()
        asked.send(CHUNKED)
        time.sleep(0.03)
        asked.socket.shutdown(socket.SHUT_RDWR)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 4, turns=4, think_s=0.15).play(peer.url)
    assert load.all_ok
    assert peer.connections == load.opened == 4


@pytest.mark.parametrize("said", [b"", CHUNKED[:40], CHUNKED[:-5]])
def test_a_connection_that_closes_in_the_middle_is_one_failure(tmp_path, said):
    def serve(asked):
        asked.request()
        asked.send(said)
        asked.socket.shutdown(socket.SHUT_RDWR)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 3).play(peer.url)
    assert load.outcomes == {"CLOSED": 3}
    assert set(load.endings.values()) == {Ending.OK if said == CHUNKED[:-5] else Ending.TRUNCATED}  # [DONE] was there


def test_a_reset_is_one_failure(tmp_path):
    def serve(asked):
        asked.request()
        asked.send(CHUNKED[:100])
        time.sleep(0.05)
        asked.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        asked.socket.close()
    with Peer(serve) as peer:
        load = Load1(tmp_path, 3).play(peer.url)
    assert load.outcomes == {"RESET": 3}
    assert all(answer.raw == CHUNKED[:100] for answer in load.answers.values())


@pytest.mark.parametrize("open_loop", [False, True])
def test_refused_connections_are_failures_and_do_not_hang(tmp_path, open_loop):
    """The server answers one request, then is gone."""
    load = Load(arrival="constant", request_rate=200.0) if open_loop else Load(concurrency=4)

    def serve(asked):
        asked.request()
        asked.peer.socket.shutdown(socket.SHUT_RDWR)  # nobody listens any more
        time.sleep(0.05)
        asked.send(CHUNKED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    with Peer(serve) as peer:
        peer.socket.listen(1)
        load = Load1(tmp_path, 40, load, spare=16 if open_loop else 0, warm=1).play(peer.url)
    assert load.endings[0] is Ending.OK
    assert len(load.endings) == 40
    assert load.outcomes["UNREACHABLE"] >= 20
    assert set(load.endings.values()) <= {Ending.OK, Ending.UNREACHABLE, Ending.TRUNCATED, Ending.RESET}
    if open_loop:  # what could not be sent was still due at its time
        planned = [answer.scheduled_ns - load.started_ns for _, answer in sorted(load.answers.items())]
        assert planned == load.schedule.offset_ns.tolist()


def test_nobody_there_at_the_start_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match="accepts no connection"):
        Pool(parse_address(url)).warm(3)


# ── slots and times ──────────────────────────────────────────────────────────────────────────────────────────────────────


def counting(hold_s, answer=CHUNKED):
    """A server that takes ``hold_s`` for each answer and counts how many it has under way."""
    def serve(asked):
        while True:
            asked.request()
            asked.peer.count(+1)
            time.sleep(hold_s)
            asked.peer.count(-1)
            asked.send(answer)
    return serve


def test_a_cap_holds_and_what_waits_counts_from_its_planned_time(tmp_path):
    with Peer(counting(0.05)) as peer:
        load = Load1(tmp_path, 20, Load(arrival="constant", request_rate=1000.0, concurrency=2), spare=0, warm=4).play(peer.url)
    assert load.all_ok
    assert peer.most_open == 2
    answers = [answer for _, answer in sorted(load.answers.items())]
    assert [answer.scheduled_ns - load.started_ns for answer in answers] == load.schedule.offset_ns.tolist()
    assert answers[-1].sent_ns - answers[-1].scheduled_ns > 300_000_000
    assert [answer.sent_ns for answer in answers] == sorted(answer.sent_ns for answer in answers)


def test_an_open_loop_without_a_cap_waits_for_nobody(tmp_path):
    with Peer(counting(0.5)) as peer:
        load = Load1(tmp_path, 30, Load(arrival="constant", request_rate=200.0), spare=4).play(peer.url)
    assert load.all_ok
    assert peer.most_open == 30


def test_a_closed_loop_has_its_slots_full_and_not_more(tmp_path):
    with Peer(counting(0.02)) as peer:
        load = Load1(tmp_path, 40, Load(concurrency=4), warm=4).play(peer.url)
    assert load.all_ok
    assert peer.most_open == peer.connections == 4
    ends = sorted(answer.ended_ns for answer in load.answers.values())
    waited = sorted(answer.scheduled_ns for answer in load.answers.values())[4:]
    assert all(end <= due for end, due in zip(ends, waited, strict=False))  # a request is due when the one before it has ended


def test_a_session_keeps_its_slot_while_it_thinks(tmp_path):
    """Two slots, three sessions of three turns: the third does not begin before one of the others is at its end."""
    with Peer(counting(0.01)) as peer:
        load = Load1(tmp_path, 9, Load(concurrency=2), turns=3, think_s=0.1, warm=2).play(peer.url)
    assert load.all_ok
    by_session = {}
    for row, answer in sorted(load.answers.items()):
        by_session.setdefault(load.share.asked(row)[0], []).append(answer)
    assert [len(turns) for turns in by_session.values()] == [3, 3, 3]
    for turns in by_session.values():
        for before, after in pairwise(turns):
            assert after.scheduled_ns == before.ended_ns + 100_000_000
            assert after.sent_ns >= after.scheduled_ns
    assert by_session[2][0].sent_ns >= min(by_session[0][-1].ended_ns, by_session[1][-1].ended_ns)


def test_a_session_goes_on_after_a_turn_that_failed(tmp_path):
    def serve(asked):
        asked.request()
        asked.socket.shutdown(socket.SHUT_RDWR)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 4, turns=2).play(peer.url)
    assert load.outcomes == {"CLOSED": 4}


def test_a_request_whose_time_is_up_is_closed_and_counted(tmp_path):
    """The first is never answered; its connection is closed, and the next has another."""
    gone = threading.Event()

    def serve(asked):
        asked.request()
        if b"r-0\r\n" in asked.peer.requests[-1][1] + b"\r\n":
            asked.send(CHUNKED[:90])
            asked.until_closed()
            gone.set()
            return
        asked.send(CHUNKED)
        asked.until_closed()
    with Peer(serve) as peer:
        load = Load1(tmp_path, 2, timeout_s=0.3).play(peer.url)
        assert gone.wait(5)
    assert load.endings == {0: Ending.TIMEOUT, 1: Ending.OK}
    assert load.answers[0].ended_ns - load.answers[0].sent_ns >= 300_000_000
    assert load.answers[0].raw == CHUNKED[:90]
    assert load.answers[1].sent_ns >= load.answers[0].ended_ns
    assert peer.connections == 2


def test_timeouts_are_each_their_own(tmp_path):
    """Those that end in time are not touched by those before them that do not."""
    def serve(asked):
        while True:
            lines, _ = asked.request()
            if int(lines.partition(b"r-")[2].split()[0]) % 2:
                asked.send(CHUNKED)
    with Peer(serve) as peer:
        load = Load1(tmp_path, 20, Load(arrival="constant", request_rate=100.0), timeout_s=0.25, spare=4).play(peer.url)
    assert load.endings == {row: Ending.OK if row % 2 else Ending.TIMEOUT for row in range(20)}


def test_after_its_duration_nothing_new_is_sent(tmp_path):
    with Peer(counting(0.08)) as peer:
        load = Load1(tmp_path, 100, Load(concurrency=2), warm=2, duration_s=0.3).play(peer.url)
    assert 2 <= len(load.answers) < 100
    assert set(load.endings.values()) == {Ending.OK}
    assert max(answer.sent_ns for answer in load.answers.values()) < load.started_ns + 300_000_000
    assert len(peer.requests) == len(load.answers)


def test_the_first_word_sends_nothing_new_and_waits_for_what_is_under_way(tmp_path):
    with Peer(counting(0.4)) as peer:
        load = Load1(tmp_path, 100, Load(concurrency=3), turns=5, think_s=0.05, warm=3)
        load.stop_after(0.1, 1)
        load.play(peer.url)
    assert load.endings == dict.fromkeys(load.endings, Ending.OK)
    assert len(load.endings) == len(peer.requests) == 3


def test_the_second_word_ends_everything_at_once(tmp_path):
    with Peer(counting(HANGS_AFTER_S)) as peer:
        load = Load1(tmp_path, 100, Load(concurrency=3), warm=3)
        load.stop_after(0.1, 2)
        load.play(peer.url)
    assert list(load.endings.values()) == [Ending.STOPPED] * 3


def test_the_second_word_after_the_first(tmp_path):
    with Peer(counting(HANGS_AFTER_S)) as peer:
        load = Load1(tmp_path, 100, Load(arrival="constant", request_rate=50.0), spare=2)
        load.stop_after(0.1, 1)
        load.stop_after(0.3, 2)
        load.play(peer.url)
    assert set(load.endings.values()) == {Ending.STOPPED}
    assert max(answer.sent_ns for answer in load.answers.values()) < load.started_ns + 250_000_000


def test_the_clocks_are_compared_before_the_first_read_and_after_the_last(tmp_path):
    """Between two pairs every stamp can be carried over, even if the wall clock was set."""
    with Peer(counting(0.01)) as peer:
        load = Load1(tmp_path, 5).play(peer.url)
    pairs = load.conduct.clock_pairs
    assert pairs[0][0] <= min(answer.at_ns[0] for answer in load.answers.values())
    assert [at for at, _ in pairs] == sorted(at for at, _ in pairs)
    offset = time.time_ns() - time.monotonic_ns()
    assert all(abs(ahead - offset) < 50_000_000 for _, ahead in pairs)
    for answer in load.answers.values():  # the kernel's stamps, by these pairs, are not after ours
        assert (answer.stamps[::2] > 0).all()


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_over_tls(tmp_path, certificate):
    with Peer(counting(0.01), tls=certificate) as peer:
        load = Load1(tmp_path, 12, Load(concurrency=3), warm=3).play(peer.url)
    assert load.all_ok
    assert peer.connections == 3
    assert all(answer.raw == CHUNKED for answer in load.answers.values())


def test_a_long_answer_over_tls_in_many_records(tmp_path, certificate):
    document = json.dumps({"choices": [{"message": {"content": "x" * 300_000}, "finish_reason": "stop"}]}).encode()
    raw = head(f"Content-Length: {len(document)}", kind="application/json") + document
    with Peer(answering(raw), tls=certificate) as peer:
        load = Load1(tmp_path, 3, streamed=False).play(peer.url)
    assert load.all_ok
    assert all(answer.raw == raw for answer in load.answers.values())


def close_notify(asked):
    """Say over TLS that nothing follows, and leave the socket open."""
    with contextlib.suppress(ssl.SSLError, OSError):
        asked.socket.settimeout(0.01)
        asked.socket.unwrap()


def test_a_tls_server_that_closes_idle_connections(tmp_path, certificate):
    """It says so first, then closes: neither may be taken for the end of a request, as none is under way."""
    def serve(asked):
        asked.request()
        asked.send(CHUNKED)
        time.sleep(0.03)
        close_notify(asked)
        time.sleep(0.03)
        asked.socket.close()
    with Peer(serve, tls=certificate) as peer:
        load = Load1(tmp_path, 4, turns=4, think_s=0.15).play(peer.url)
    assert load.all_ok
    assert peer.connections == 4


def test_a_tls_server_that_ends_idle_connections_and_leaves_the_sockets_open(tmp_path, certificate):
    def serve(asked):
        asked.request()
        asked.send(CHUNKED)
        close_notify(asked)
        time.sleep(2 * HANGS_AFTER_S)
    with Peer(serve, tls=certificate) as peer:
        load = Load1(tmp_path, 3, turns=3, think_s=0.15, timeout_s=5.0).play(peer.url)
    assert load.all_ok
    assert peer.connections == 3


@pytest.mark.parametrize("raw", [CHUNKED, COUNTED, CLOSE_DELIMITED], ids=["chunked", "counted", "close"])
def test_a_tls_server_that_says_it_ends_and_leaves_the_socket_open(tmp_path, certificate, raw):
    """Half-closed: the answer ends with what was said, not with the socket, which may stay for ever.

    Both come in one segment, so that the client knows of the end before it could use the connection again.
    """
    def serve(asked):
        asked.request()
        asked.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        asked.send(raw)
        close_notify(asked)
        asked.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        time.sleep(2 * HANGS_AFTER_S)
    with Peer(serve, tls=certificate) as peer:
        load = Load1(tmp_path, 3, streamed=raw is not COUNTED, timeout_s=5.0).play(peer.url)
    assert load.all_ok
    assert peer.connections == 3


def test_a_tls_connection_that_ends_in_the_middle_is_a_failure(tmp_path, certificate):
    def serve(asked):
        asked.request()
        asked.send(CHUNKED[:150])
        close_notify(asked)
        time.sleep(2 * HANGS_AFTER_S)
    with Peer(serve, tls=certificate) as peer:
        load = Load1(tmp_path, 2, timeout_s=5.0).play(peer.url)
    assert list(load.endings.values()) == [Ending.TRUNCATED] * 2


def test_a_server_that_does_not_speak_tls_is_nobody(tmp_path):
    def serve(asked):
        asked.socket.recv(100)
        asked.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        asked.socket.shutdown(socket.SHUT_RDWR)
    with Peer(serve) as peer, pytest.raises(ConnectionError, match="accepts no connection"):
        Pool(parse_address(peer.url.replace("http:", "https:"))).warm(2)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    with Peer(counting(0.01), tls=certificate) as peer, pytest.raises(ConnectionError, match="accepts no connection"):
        Pool(parse_address(peer.url)).warm(2)


def test_these_answers_are_what_they_are_called():
    assert parse_head(ANSWERS["interim"]).framing == parse_head(CHUNKED).framing == "chunked"
    assert parse_head(COUNTED).framing == parse_head(STREAM_COUNTED).framing == "length"
    assert parse_head(CLOSE_DELIMITED).framing == "close"
