"""Whether a message is whole, at every byte it may be cut off at."""

import pytest

from touchstone.wire.http import is_whole

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n0\r\n\r\nok"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nwhatever"


@pytest.mark.parametrize("message", [CHUNKED, SIZED])
def test_only_the_last_byte_makes_it_whole_and_closing_does_not(message):
    for closed in (False, True):
        assert [is_whole(message[:end], closed=closed) for end in range(len(message) + 1)] == [False] * len(message) + [True]


def test_a_body_without_a_length_is_whole_when_the_peer_closes():
    assert not is_whole(UNTIL_CLOSE)
    assert is_whole(UNTIL_CLOSE, closed=True)


@pytest.mark.parametrize("raw", [b"", b"\x00" * 40, b"nonsense\r\n\r\n", CHUNKED.replace(b"\r\n3\r\n", b"\r\nzz\r\n")])
def test_what_is_no_message_is_never_whole(raw):
    assert not is_whole(raw, closed=True)
