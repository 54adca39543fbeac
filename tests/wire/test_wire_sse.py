"""Server-sent events: every way to end a line, and the short way equal to the long one."""

import pytest
import wire_reference
from hypothesis import example, given
from hypothesis import strategies as st
from wire_corpus import OPENAI, TGI

from touchstone.wire import sse
from touchstone.wire.sse import Stream, read_stream

PARTS = [b"data: ", b"data:", b"data", b"{}", b"x", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b":", b": ping", b"[DONE]", b"event: error\n",
         b"id: 1\n", b"\xef\xbb\xbf", b"\x00", b"data: {}\n\n", b"data: {}\r\n\r\n", b"data: [DONE]\n\n"]
BODIES = st.lists(st.sampled_from(PARTS), max_size=24).map(b"".join)


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
def test_line_ends(eol):
    data = eol.join([b"data: a", b"", b": ping", b"", b"data:b", b"data:  c", b"", b"unknown: x", b"nonsense", b"data", b"data:", b"", b"data: [DONE]", b"", b""])
    found = read_stream(data, complete=False)
    assert found.payloads == [b"a", b"b\r c"]
    assert found.done
    assert found.ends == [data.index(b"data: a") + 7 + len(eol) + 1, data.index(b"  c") + 3 + len(eol) + 1]


def test_an_event_is_complete_at_the_first_byte_that_ends_its_blank_line():
    for data, end in ((b"data: a\n\n", 9), (b"data: a\r\n\r\n", 10), (b"data: a\r\r", 9), (b"data: a\n\r\n", 9), (b"data: a\r\n\n", 10)):
        assert read_stream(data, complete=False).ends == [end]
        assert read_stream(data[:end], complete=False).ends == [end]
        assert read_stream(data[:end - 1], complete=False).ends == []


def test_the_end_of_the_message_stands_for_a_missing_blank_line_only():
    assert read_stream(b"data: a\n", complete=True) == Stream([b"a"], [8], tail=True)
    assert read_stream(b"data: a\n", complete=False) == Stream()
    assert read_stream(b"data: a", complete=True) == Stream()
    assert read_stream(b'data: a\n\ndata: "[DONE]', complete=True) == Stream([b"a"], [9])
    for end in (b"", b"\n", b"\r\n", b"\n\n"):
        assert read_stream(b"data: a\n\ndata: [DONE]" + end, complete=False) == Stream([b"a"], [9], done=True)


def test_nothing_after_done_is_read():
    assert read_stream(b"data: a\n\ndata: [DONE]\n\ndata: b\n\n", complete=True) == Stream([b"a"], [9], done=True)
    assert read_stream(b'data: "[DONE]"\n\ndata: b\n\n', complete=True) == Stream([b'"[DONE]"', b"b"], [16, 25])


def test_errors_are_marked_and_a_name_lasts_one_event():
    found = read_stream(b"event: error\ndata: a\n\ndata: b\n\nevent: error\n\ndata: c\n\nerror: d\n\n", complete=True)
    assert (found.payloads, found.errors) == ([b"a", b"b", b"c", b"d"], {0, 3})


def test_a_byte_order_mark_is_passed_over():
    assert read_stream(b"\xef\xbb\xbfdata: a\n\n", complete=True) == Stream([b"a"], [12])


@given(BODIES)
@example(b"data: a\n\ndata: \n\n")
@example(b"data: a\n\ndata:b\n\n")
@example(b"data: a\nb\n\n\ndata: c\n\n")
@example(b"data: a\r\n\r\ndata: b\n\n\r\n\r\n")
@example(b"data: [DONE]\n\ndata: b\n\n")
@example(b"data: a\rdata: b\n\n")
@example(b"data: a\r\n\rdata: b\n\r\n\r\n")
def test_the_short_way_and_the_long_way_agree(data):
    short = sse._plain(data)
    assert short is None or short == sse._lines(data, complete=False) == sse._lines(data, complete=True)


@pytest.mark.parametrize(("eol", "mark"), [("\n", "data: "), ("\r\n", "data: "), ("\n", "data:"), ("\r\n", "data:")])
def test_the_short_way_is_taken(eol, mark):
    found = sse._plain(OPENAI.stream(eol, mark))
    assert found == sse._lines(OPENAI.stream(eol, mark), complete=True)
    assert len(found.payloads) == len(OPENAI.payloads)
    assert sse._plain(TGI.stream()) is None


@given(BODIES, st.booleans())
@example(b"data: \ndata: [DONE]\n\n", False)
@example(b'data: {"x": "[DONE]', True)
def test_equal_to_the_standard_read_one_byte_at_a_time(data, complete):
    found = read_stream(data, complete=complete)
    expected, left = wire_reference.events([(byte, index + 1) for index, byte in enumerate(data)])
    done = next((index for index, (payload, _, _) in enumerate(expected) if payload.strip() == b"[DONE]"), len(expected))
    got = list(zip(found.payloads, found.ends, strict=True))[:len(found.payloads) - found.tail]
    assert got == [(payload.replace(b"\n", b"\r").strip(), end) for payload, _, end in expected[:done]][:len(got)]
    if not found.done:
        assert len(got) == len(expected)
        assert found.tail == bool(complete and b"".join(left).strip())


@given(BODIES)
def test_more_bytes_only_add_events(data):
    whole = read_stream(data, complete=False)
    for length in range(len(data)):
        part = read_stream(data[:length], complete=False)
        assert part.ends == [end for end in whole.ends if end <= length]
        assert part.payloads == whole.payloads[:len(part.payloads)]
