"""HTTP framing: where a head and a message end, at every byte, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_corpus import OPENAI, chunk, cut, framed, head

from touchstone.wire import http
from touchstone.wire.http import Head, WireError, body_end, parse_head, read_body

CHUNKED = head(extra=["Transfer-Encoding: chunked"])


def chunked(body):
    raw = CHUNKED + body
    return read_body(raw, parse_head(raw), closed=False)


def test_a_head_says_what_it_says():
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: TEXT/event-stream\r\nTRANSFER-ENCODING: Chunked\r\nRetry-After: 2.5\r\n\r\nrest"
    assert parse_head(raw) == Head(200, "chunked", None, keep_alive=True, event_stream=True, end=len(raw) - 4, retry_after_s=2.5)
    raw = b"HTTP/1.0 503 \r\nContent-Length: 7\r\nContent-Encoding: GZIP\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n"
    assert parse_head(raw) == Head(503, "length", 7, keep_alive=False, event_stream=False, end=len(raw), retry_after_s=None, content_encoding="gzip")


@pytest.mark.parametrize(("lines", "framing", "length", "keep_alive"), [
    (["HTTP/1.1 200 OK", "content-length: 5"], "length", 5, True),
    (["HTTP/1.1 200 OK", "content-length: 5", "Content-Length: 5"], "length", 5, True),
    (["HTTP/1.1 200 OK", "content-length: 5", "transfer-encoding: chunked"], "chunked", None, True),
    (["HTTP/1.1 200 OK", "content-length: 5", "Connection: Close"], "length", 5, False),
    (["HTTP/1.0 200 OK", "content-length: 5"], "length", 5, False),
    (["HTTP/1.0 200 OK", "content-length: 5", "connection: keep-alive"], "length", 5, True),
    (["HTTP/1.1 200 OK", "connection: keep-alive"], "close", None, False),
    (["HTTP/1.1 204 No Content", "content-length: 5"], "none", None, True),
    (["HTTP/1.1 304 Not Modified"], "none", None, True),
    (["HTTP/1.1 200", "transfer-encoding: identity", "x:"], "close", None, False),
])
@pytest.mark.parametrize("eol", ["\r\n", "\n"])
def test_framing_follows_the_standard(lines, framing, length, keep_alive, eol):
    raw = eol.join([*lines, "", ""]).encode()
    found = parse_head(raw)
    assert (found.framing, found.length, found.keep_alive, found.end) == (framing, length, keep_alive, len(raw))


@pytest.mark.parametrize("raw", [
    b"GET / HTTP/1.1\r\n\r\n", b"\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 -12 OK\r\n\r\n", b"HTTP/1.1200 OK\r\n\r\n", b"HTTP/1.1 200OK\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"x", b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\na: b\r\n folded: c\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * http.HEAD_LIMIT_BYTES,
])
def test_what_is_not_http_is_refused(raw):
    with pytest.raises(WireError):
        parse_head(raw)


def test_a_head_is_complete_at_its_last_byte_and_interim_heads_are_passed_over():
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + head(status=429, extra=["content-length: 0"])
    assert [parse_head(raw[:length]) for length in range(len(raw))] == [None] * len(raw)
    assert (parse_head(raw).status, parse_head(raw).end) == (429, len(raw))


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_message_ends_at_its_last_byte_whatever_follows(framing):
    raw = framed(OPENAI.stream(), framing)
    found = parse_head(raw)
    assert [body_end(raw[:length], found) for length in range(found.end, len(raw))] == [None] * (len(raw) - found.end)
    for junk in (b"", b"x", b"\r\n", b"0\r\n\r\n", raw, b"\r\n0\r\n\r\n"):
        assert body_end(raw + junk, found) == len(raw)


def test_a_message_that_ends_with_the_connection_has_no_end_of_its_own():
    raw = framed(b"abc", "close")
    assert body_end(raw, parse_head(raw)) is None
    assert read_body(raw, parse_head(raw), closed=True).end == len(raw)
    raw = head(status=204)
    assert body_end(raw, parse_head(raw)) == len(raw)


def test_chunk_extensions_padding_capitals_and_trailers_are_read():
    body = b'00A;name="v"\r\n0123456789\r\n3 \t\r\n\r\n0\r\n000;x\r\nExpires: never\r\nA: b\r\n\r\n'
    found = chunked(body)
    assert (found.data, found.broken, found.end) == (b"0123456789\r\n0", None, len(CHUNKED + body))
    assert [chunked(body[:length]).end for length in range(len(body))] == [None] * len(body)
    assert not any(chunked(body[:length]).broken for length in range(len(body)))


@pytest.mark.parametrize("size", [b"-1", b"0x10", b"FFFFFFFFFFFFFFFF", b"", b" 5", b"+5", b"1_0", b"five", b";x", b"5\n", "٣".encode(), b"5" * 5000])
def test_broken_chunk_sizes_are_refused_and_what_came_before_stays(size):
    raw = CHUNKED + chunk(b"good") + size + b"\r\n12345\r\n0\r\n\r\n"
    found = read_body(raw, parse_head(raw), closed=False)
    assert found.data == b"good"
    assert found.broken
    with pytest.raises(WireError):
        body_end(raw, parse_head(raw))


@pytest.mark.parametrize("tail", [b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nabc\n0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n"])
def test_a_chunk_that_is_not_as_long_as_its_size_says(tail):
    assert chunked(tail).broken


def test_endless_lines_are_refused():
    assert chunked(b"5" * 4095).broken is None
    assert chunked(b"5;" + b"x" * 4096).broken
    assert chunked(b"0\r\n" + b"x: y\r\n" * 20_000).broken


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.binary(max_size=12))
def test_chunks_are_undone_and_every_byte_is_found_again(body, sizes, junk):
    raw = framed(body, "chunked", sizes=sizes) + junk
    found = read_body(raw, parse_head(raw), closed=False)
    assert (found.data, found.end, found.broken) == (body, len(raw) - len(junk), None)
    places = found.raw_offsets(list(range(1, len(body) + 1)))
    assert bytes(raw[place - 1] for place in places) == body
    assert places == sorted(set(places))


@given(st.lists(st.sampled_from([b"1", b"0", b"a", b"A", b"\r\n", b"\r", b"\n", b"x", b";", b"", b"5\r\nhello\r\n", b"\r\n0\r\n\r\n"]), max_size=20))
def test_the_short_way_and_the_long_way_agree(parts):
    raw = b"HTTP/1.1\r\n\r\n" + b"".join(parts)
    short, long = http._whole_chunks(raw, 12), http._chunks(raw, 12)
    assert short is None or short == long


def test_the_short_way_is_taken():
    raw = framed(OPENAI.stream(), "chunked")
    assert http._whole_chunks(raw, parse_head(raw).end) == http._chunks(raw, parse_head(raw).end)
    assert len(http._whole_chunks(raw, parse_head(raw).end).stops) == len(cut(OPENAI.stream(), None)) == 6
