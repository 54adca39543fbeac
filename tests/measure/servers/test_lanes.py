"""The connections of a batch, against a real server on loopback that cuts its answers as it likes."""

import socket
import threading

import pytest

from touchstone.errors import NotReadyError
from touchstone.measure.engines.served_records import lanes_of
from touchstone.measure.load.connection import Address
from touchstone.measure.servers.lanes import Lanes
from touchstone.measure.tape import Tape

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
"""Its first chunk's content looks like the end of a body."""
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n0\r\n\r\nok"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nwhatever"


def serve(answers, pieces):
    """A listening port; connection k gets ``answers[k]`` in pieces of so many bytes, and is left open unless it must be closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def run():
        lines = []
        for _ in answers:
            line, _peer = listener.accept()
            lines.append(line)
        for line in lines:
            line.recv(1 << 16)
        for line, answer in zip(lines, answers, strict=True):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(answer), pieces):
                line.sendall(answer[start:start + pieces])
            if answer is UNTIL_CLOSE:
                line.close()
            kept.append(line)
        listener.close()

    threading.Thread(target=run, daemon=True).start()
    return Address("127.0.0.1", listener.getsockname()[1], tls=False, verify=False, prefix=""), kept


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
def test_every_answer_is_read_to_its_end_and_no_further(pieces):
    answers = [CHUNKED, SIZED, UNTIL_CLOSE, CHUNKED]
    address, _kept = serve(answers, pieces)
    lanes, tape = Lanes(address, len(answers)), Tape()
    closed = lanes.play([b"GET / HTTP/1.1\r\n\r\n"] * len(answers), tape)
    lanes.close()
    assert [bytes(lane.raw) for lane in lanes_of(tape)] == answers
    assert closed == [False, False, True, False]
    assert len(tape.lane_sent_ns) == len(answers)
    assert tape.marks_ns == sorted(tape.marks_ns)
    assert tape.marks_ns[0] >= max(tape.lane_sent_ns)


def test_nobody_there_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotReadyError, match="No server can be reached"):
        Lanes(Address("127.0.0.1", port, tls=False, verify=False, prefix=""), 1)
