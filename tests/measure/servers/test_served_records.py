"""The tape of a batch over HTTP: however the bytes are cut, each event gets the stamp of the read that completed it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import EngineError
from touchstone.measure.engines.served_records import lanes_of, record_of
from touchstone.measure.tape import Tape
from touchstone.record import Status
from touchstone.request import Request

REQUEST = Request("r", (1, 2, 3), 4)


def event(text, *, usage=None, timings=None, finish=None):
    said = {"model": "m", "choices": [{"index": 0, "text": text, "finish_reason": finish}]}
    return b"data: " + json.dumps({**said, **({"usage": usage} if usage else {}), **({"timings": timings} if timings else {})}).encode() + b"\n\n"


def answer(*events):
    body = b"".join(events) + b"data: [DONE]\n\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def usage(completion):
    return {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 3 + completion}


PLAIN = answer(event(" a"), event(" b"), event(" c"), event(" d", finish="length", usage=usage(4)))
RUNNING = answer(event(" a", usage=usage(1)), event(" b c", usage=usage(3)), event(" d", usage=usage(4), finish="length"))
HELD_BACK = answer(event(" a"), event(" bc"), event(" d", finish="length", usage=usage(4)))


def tape_of(raws, cuts):
    """A tape on which connection k received ``raws[k]`` in pieces ending at ``cuts``, one read per nanosecond, turn about."""
    tape = Tape()
    tape.lane_sent_ns = [0] * len(raws)
    at_ns = 0
    for start, end in zip([0, *cuts], [*cuts, max(map(len, raws))], strict=True):
        for lane, raw in enumerate(raws):
            if raw[start:end]:
                at_ns += 1
                tape.marks_ns.append(at_ns)
                tape.payloads.append(raw[start:end])
                tape.lanes.append(lane)
    return tape


@given(st.lists(st.integers(1, len(PLAIN) - 1), unique=True, max_size=12).map(sorted), st.integers(1, 3))
def test_an_event_is_stamped_by_the_read_that_completed_it(cuts, count):
    tape = tape_of([PLAIN] * count, cuts)
    for lane in lanes_of(tape):
        record, model = record_of(REQUEST, lane, tape, marked=True, closed=False)
        assert (record.status, record.output_tokens, record.input_tokens, record.text, model) == (Status.OK, 4, 3, " a b c d", "m")
        assert record.event_tokens == (1, 1, 1, 1)
        for stamp, text in zip(record.event_ns, (b'" a"', b'" b"', b'" c"', b'" d"'), strict=True):
            end = PLAIN.index(b"\n\n", PLAIN.index(text)) + 2
            assert stamp == next(at_ns for at_ns, read in zip(lane.at_ns, lane.ends, strict=True) if read >= end)


def test_a_running_count_says_how_many_tokens_an_event_brought():
    tape = tape_of([RUNNING], [])
    record, _ = record_of(REQUEST, lanes_of(tape)[0], tape, marked=True, closed=False)
    assert record.event_tokens == (1, 2, 1)


def test_without_a_count_and_with_fewer_events_than_tokens_it_is_unknown_what_each_brought():
    tape = tape_of([HELD_BACK], [])
    record, _ = record_of(REQUEST, lanes_of(tape)[0], tape, marked=True, closed=False)
    assert record.event_tokens == (None, None, None)
    assert record.output_tokens == 4


def test_the_servers_own_times_are_kept():
    timings = {"prompt_n": 3, "prompt_ms": 1.5, "predicted_n": 4, "predicted_ms": 2.25}
    tape = tape_of([answer(event(" a b c d", timings=timings, finish="length"))], [])
    record, _ = record_of(REQUEST, lanes_of(tape)[0], tape, marked=True, closed=False)
    assert (record.engine_prefill_ns, record.engine_decode_ns) == (1_500_000, 2_250_000)


def test_fewer_tokens_than_asked_for_are_a_truncation():
    tape = tape_of([answer(event(" a", finish="stop", usage=usage(1)))], [])
    assert record_of(REQUEST, lanes_of(tape)[0], tape, marked=True, closed=False)[0].status is Status.TRUNCATED


@pytest.mark.parametrize("raw", [b"", PLAIN[:-20], b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", b"\x00" * 50])
def test_what_is_no_answer_is_an_error(raw):
    tape = tape_of([raw], [])
    with pytest.raises(EngineError):
        record_of(REQUEST, lanes_of(tape)[0], tape, marked=True, closed=True)


def test_a_plain_answer_has_a_text_and_no_events():
    body = json.dumps({"model": "m", "choices": [{"index": 0, "text": " a b c d", "finish_reason": "length"}], "usage": usage(4)}).encode()
    tape = tape_of([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body], [])
    record, _ = record_of(REQUEST, lanes_of(tape)[0], tape, marked=False, closed=False)
    assert (record.event_ns, record.output_tokens, record.text) == ((), 4, " a b c d")
