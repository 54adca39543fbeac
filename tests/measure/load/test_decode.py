"""From the tape to columns: every event gets the stamps of the read that completed it, and nothing is claimed that is not known."""

import json
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from touchstone.load_plan import Length, Load, Workload
from touchstone.measure.load import decode as module
from touchstone.measure.load.body import RequestFile
from touchstone.measure.load.decode import Context, DelayHistogram, decode, read_tape
from touchstone.measure.load.schedule import plan_schedule
from touchstone.measure.load.share import Share
from touchstone.measure.load.tape_file import Outcome, TapeWriter
from touchstone.measure.load.worker import _secrets
from touchstone.served import EVENT_COLUMNS, REQUEST_COLUMNS, REQUEST_FACTS, REQUEST_WORDS, Ending, EventKind

US, MS, S = 1_000, 1_000_000, 1_000_000_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
CONTENT, REASONING, TOOL = (lambda text: {"content": text}, lambda text: {"reasoning": text},
                            lambda text: {"tool_calls": [{"function": {"arguments": text}}]})
ROWS = 64
WALL_NS = 1_800_000_000 * S
"""How far the wall clock is ahead of the monotonic one in these tests."""


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    directory = tmp_path_factory.mktemp("share")
    schedule = plan_schedule(Workload(input_len=Length(mean=8), output_len=Length(mean=4)), Load(concurrency=4), ROWS, None, 0)
    RequestFile(directory, 1).write(schedule, (b"POST /v1 HTTP/1.1\r\n\r\n{%d}" % row for row in range(ROWS)))
    return Share(directory / "requests.0.index", directory / "requests.bin")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("tape")


def event(delta=None, finish=None, usage=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish, **more}]
    return b"data: " + json.dumps({"choices": choices, **({"usage": usage} if usage else {})}).encode() + b"\n\n"


DONE = event({}, "length") + b"data: [DONE]\n\n"


def chunked(*bodies):
    return HEAD + b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies if body) + LAST


def plain(body, status="200 OK", kind="application/json"):
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answer(*chunks, at=None, arrived=None, outcome=Outcome.WHOLE, offset_ns=WALL_NS, sent=100):
    """An answer on tape: its reads, when each was read and (None: not known) when it had arrived, in ns."""
    at = at or [1_000 * (place + 1) for place in range(len(chunks))]
    arrived = arrived or [None] * len(chunks)
    stamps = [bytes(16) if moment is None else struct.pack("=qq", *divmod(moment + offset_ns, S)) for moment in arrived]
    return (sent - 50, sent, max([sent, *at]) + 7), outcome, (at, stamps, list(chunks))


def decoded(scratch, share, answers, delays=None, rows=None, **context):
    """The columns of all batches end to end, as lists of plain values."""
    tape = TapeWriter(scratch / "a.tape")
    for place, (times, outcome, reads) in enumerate(answers):
        tape.write(place if rows is None else rows[place], times, outcome, reads)
    tape.close()
    facts = {"point": 3, "case": "c4", "repeat": 1, "process": 2, "id_prefix": "run-", "streamed": True, "clock_pairs": [(0, WALL_NS)],
             "share": share, **context}
    requests, events = {}, {}
    for batch in decode(read_tape(scratch / "a.tape"), Context(**facts), DelayHistogram() if delays is None else delays):
        for whole, part in zip((requests, events), batch, strict=True):
            for name, column in part.items():
                whole.setdefault(name, []).extend(column if isinstance(column, list) else column.tolist())
    return requests, events


def one(scratch, share, *args, **kwargs):
    """The row of a single answer and its events' rows."""
    context = {name: kwargs.pop(name) for name in ("streamed", "count", "keep_text", "secrets", "clock_pairs") if name in kwargs}
    requests, events = decoded(scratch, share, [answer(*args, **kwargs)], **context)
    return {name: values[0] for name, values in requests.items()}, events


# ── which read completed which event ─────────────────────────────────────────────────────────────────────────────────────


def cut(raw, places):
    edges = [0, *sorted(set(places) & set(range(1, len(raw)))), len(raw)]
    return [raw[start:stop] for start, stop in pairwise(edges)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([CONTENT, REASONING, TOOL]), min_size=1, max_size=6), st.lists(st.integers(1, 700), max_size=6),
       st.lists(st.integers(1, 1200), max_size=12), st.data())
def test_an_event_belongs_to_the_read_that_completed_it(scratch, share, kinds, chunk_cuts, read_cuts, data):
    """Events, chunks and reads are cut each in its own way; the truth is found by laying the bytes out one by one."""
    payloads = [*(event(kind(f"词{place}")) for place, kind in enumerate(kinds)), event({}, "length")]
    body = b"".join(payloads) + b"data: [DONE]\n\n"
    event_ends = set(np.cumsum([len(payload) for payload in payloads]).tolist())
    pieces = cut(body, chunk_cuts)
    raw, raw_ends, passed = bytearray(HEAD), [], 0
    for piece in pieces:
        raw += b"%x\r\n" % len(piece)
        for byte in piece:
            raw.append(byte)
            passed += 1
            if passed in event_ends:
                raw_ends.append(len(raw))
        raw += b"\r\n"
    raw += LAST
    reads = cut(bytes(raw), read_cuts)
    at = np.cumsum(data.draw(st.lists(st.integers(1, 10**9), min_size=len(reads), max_size=len(reads)))).tolist()
    expected, seen, left = [], 0, list(raw_ends)
    for read, moment in zip(reads, at, strict=True):
        seen += len(read)
        while left and left[0] <= seen:
            expected.append(moment)
            left.pop(0)
    row, events = one(scratch, share, *reads, at=at)
    assert events["at_ns"] == events["read_ns"] == expected
    assert events["kind"] == [{CONTENT: 0, REASONING: 1, TOOL: 2}[kind] for kind in kinds] + [EventKind.FINISH]
    assert (row["first_event_ns"], row["first_token_ns"], row["last_token_ns"]) == (expected[0], expected[0], expected[-2])
    visible = [moment for kind, moment in zip(kinds, expected, strict=False) if kind is not REASONING]
    assert row["first_output_ns"] == (visible[0] if visible else None)
    assert (row["reads"], row["received_bytes"], row["ended_ns"]) == (len(reads), len(raw), at[-1])
    assert row["token_events"] == len(kinds)


def test_events_of_one_read_share_its_stamps(scratch, share):
    body = event({"role": "assistant"}), event(CONTENT("a")), event(CONTENT("b")), event(CONTENT("c")), DONE
    raw = chunked(*body)
    half = raw.index(b'"b"')
    _, events = one(scratch, share, raw[:half], raw[half:], at=[1000, 2000], arrived=[900, 1700])
    assert events["at_ns"] == [900, 900, 1700, 1700, 1700]
    assert events["read_ns"] == [1000, 1000, 2000, 2000, 2000]
    assert events["kind"] == [EventKind.EMPTY, *[EventKind.CONTENT] * 3, EventKind.FINISH]


def test_batches_of_any_size_give_the_same_rows(scratch, share, monkeypatch):
    answers = []
    for place in range(40):
        raw = chunked(*(event(CONTENT(f"{place}-{token}"), usage={"prompt_tokens": 8, "completion_tokens": token + 1})
                        for token in range(place % 5)), DONE)
        reads = cut(raw, range(90, len(raw), 50 + place))
        at = [10_000 * place + 100 * read for read in range(1, len(reads) + 1)]
        arrived = [None if (place + read) % 3 == 0 else moment - 10 * read for read, moment in enumerate(at)]
        answers.append(answer(*reads, at=at, arrived=arrived))
    answers[7] = answer(outcome=Outcome.UNREACHABLE)
    answers[8] = answer(plain(b'{"error": "no"}', "500 Oops"))
    seen, histograms = [], []
    for limits in ({"_BATCH_ANSWERS": 20_000}, {"_BATCH_ANSWERS": 7}, {"_BATCH_ANSWERS": 1}, {"_BATCH_BYTES": 1}, {"_BATCH_BYTES": 3_000}):
        with monkeypatch.context() as patch:
            for name, limit in limits.items():
                patch.setattr(module, name, limit)
            histograms.append(DelayHistogram())
            seen.append(decoded(scratch, share, answers, histograms[-1]))
    requests, events = seen[0]
    assert len(requests["request"]) == 40
    assert len(events["request"]) == sum(place % 5 + 1 for place in range(40) if place not in {7, 8})
    assert all(other == seen[0] for other in seen)
    assert all(histogram.facts() == histograms[0].facts() for histogram in histograms)
    assert set(requests) == {*REQUEST_COLUMNS, *REQUEST_FACTS, *REQUEST_WORDS}
    assert set(events) == set(EVENT_COLUMNS)


# ── the kernel's stamps ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_kernels_stamp_is_the_arrival(scratch, share):
    raw = chunked(event(CONTENT("a")), event(CONTENT("b")), DONE)
    edge = raw.index(b'"b"')
    row, events = one(scratch, share, raw[:edge], raw[edge:], at=[5 * MS, 9 * MS], arrived=[4 * MS, 8_990_000])
    assert events["at_ns"] == [4 * MS, 8_990_000, 8_990_000]
    assert events["read_ns"] == [5 * MS, 9 * MS, 9 * MS]
    assert (row["delay_ns"], row["first_token_ns"], row["ended_ns"]) == (1 * MS, 4 * MS, 8_990_000)


@pytest.mark.parametrize(("early_ns", "delay_ns"), [(0, 0), (1, 0), (20 * US, 0), (20 * US + 1, None), (5 * MS, None), (3_600 * S, None)])
def test_a_stamp_from_the_future_is_believed_within_the_error_of_carrying_it_over(scratch, share, early_ns, delay_ns):
    at = 10_000 * S
    row, events = one(scratch, share, chunked(event(CONTENT("a")), DONE), at=[at], arrived=[at + early_ns])
    assert row["delay_ns"] == delay_ns
    assert events["at_ns"] == events["read_ns"] == [at, at]


def test_reads_without_a_stamp_have_ours_and_no_known_delay(scratch, share):
    raw = chunked(event(CONTENT("a")), event(CONTENT("b")), DONE)
    edge = raw.index(b'"b"')
    row, events = one(scratch, share, raw[:edge], raw[edge:], at=[5 * MS, 9 * MS], arrived=[None, 8 * MS])
    assert events["at_ns"] == [5 * MS, 8 * MS, 8 * MS]
    assert row["delay_ns"] == 1 * MS
    row, _ = one(scratch, share, raw, at=[5 * MS])
    assert row["delay_ns"] is None


def clock_pairs_as_the_client_takes_them(looks, offset_at):
    """A pair at every look, left out where the wall clock runs on as it did and the last pair is less than a second old."""
    pairs = []
    for look in looks:
        offset = offset_at(look)
        if not pairs or abs(offset - pairs[-1][1]) > US or look - pairs[-1][0] > S:
            pairs.append((look, offset))
    return pairs


@settings(max_examples=200, deadline=None)
@given(step_ns=st.sampled_from([S, -S, 0, 37 * S, -400 * MS]), step_at=st.integers(0, 100 * MS), slew=st.sampled_from([0.0, 5e-5, -5e-5, 4e-4, -4e-4]),
       arrivals=st.lists(st.tuples(st.integers(MS, 95 * MS), st.integers(0, 4_900 * US)), min_size=1, max_size=30))
@example(step_ns=S, step_at=9_900 * US, slew=0.0, arrivals=[(9_800 * US, MS)])  # arrival, step, look, read
@example(step_ns=S, step_at=9_900 * US, slew=4e-4, arrivals=[(9_800 * US, MS)])  # the same, with a pair at every look
@example(step_ns=-S, step_at=9_900 * US, slew=0.0, arrivals=[(9_800 * US, MS)])
@example(step_ns=S, step_at=9_900 * US, slew=0.0, arrivals=[(9_800 * US, 150 * US), (10_100 * US, 0)])  # arrival, step, read, look
def test_a_wall_clock_that_is_set_during_the_load_moves_no_stamp(scratch, share, step_ns, step_at, slew, arrivals):
    """Right within microseconds or our own: a look every 5 ms, so that at most one lies between an arrival and its read."""
    def offset_at(moment):
        return WALL_NS + round(slew * moment) + (step_ns if moment >= step_at else 0)
    pairs = clock_pairs_as_the_client_takes_them(range(0, 105 * MS, 5 * MS), offset_at)
    arrivals = sorted(arrivals)
    at = np.maximum.accumulate([arrived + delay for arrived, delay in arrivals]).tolist()
    arrived = [max(moment, read - 4_900 * US) for (moment, _), read in zip(arrivals, at, strict=True)]
    tokens = [event(CONTENT("a")) for _ in at]
    reads = [HEAD, *(b"%x\r\n%b\r\n" % (len(token), token) for token in tokens)]
    reads = [reads[0] + reads[1], *reads[2:]]
    stamps = [struct.pack("=qq", *divmod(moment + offset_at(moment), S)) for moment in arrived]
    times, *_ = answer(*reads, at=at)
    _, events = decoded(scratch, share, [(times, Outcome.TIMEOUT, (at, stamps, reads))], clock_pairs=pairs)
    assert events["read_ns"] == at
    wrong = [(seen, truth) for seen, truth, read in zip(events["at_ns"], arrived, at, strict=True)
             if abs(seen - truth) > 5 * US and seen != read]
    assert wrong == []
    if not step_ns:
        assert np.abs(np.array(events["at_ns"]) - arrived).max() <= 5 * US


@given(st.lists(st.integers(100, 10**11), min_size=1, max_size=300), st.integers(1, 4))
def test_the_delays_quantiles_are_those_of_numpy_within_a_bin(delays, parts):
    histogram = DelayHistogram()
    for part in np.array_split(np.array(delays), parts):
        histogram.add(part)
    facts = histogram.facts()
    assert (facts["count"], facts["max"], facts["mean"]) == (len(delays), max(delays), pytest.approx(np.mean(delays), abs=1))
    for name, probability in (("p50", 0.5), ("p99", 0.99)):
        true = np.quantile(delays, probability, method="inverted_cdf")
        assert true * (1 - 1e-9) - 1 <= facts[name] <= true * 1.05 + 1


def test_delays_of_nothing_are_unknown_and_small_ones_stay_small():
    histogram = DelayHistogram()
    histogram.add(np.zeros(0, np.int64))
    assert histogram.facts() == {"mean": None, "p50": None, "p99": None, "max": None, "count": 0}
    histogram.add(np.array([0, 0, 0, 40]))
    assert histogram.facts() == {"mean": 10, "p50": 0, "p99": 40, "max": 40, "count": 4}


# ── how many tokens came first ───────────────────────────────────────────────────────────────────────────────────────────


def usage(tokens):
    return {"usage": {"prompt_tokens": 8, "completion_tokens": tokens}}


@pytest.mark.parametrize(("reads", "first_tokens", "output_tokens"), [
    ([[event(CONTENT("a"), **usage(1))], [event(CONTENT("b"), **usage(2)), DONE]], 1, 2),
    ([[event(CONTENT("abc"), **usage(3))], [event(CONTENT("b"), **usage(4)), DONE]], 3, 4),
    ([[event(CONTENT("abc"), **usage(3)), event(CONTENT("d"), **usage(5))], [event(CONTENT("b"), **usage(6)), DONE]], 5, 6),
    ([[event(REASONING("abc"), **usage(3)), event(CONTENT("d"), **usage(4))], [event(CONTENT("b"), **usage(6)), DONE]], 4, 6),
    ([[event(CONTENT("a"))], [event(CONTENT("b")), event({}, "stop", **usage(2))]], 1, 2),
    ([[event(CONTENT("a")), event(CONTENT("b"))], [event(CONTENT("c")), event({}, "stop", **usage(3))]], 2, 3),
    ([[event(CONTENT("ab"))], [event(CONTENT("c")), event({}, "stop", **usage(3))]], None, 3),
    ([[event(CONTENT("a"))], [event(CONTENT("b")), DONE]], None, None),
    ([[event({"role": "assistant"})], [event(CONTENT("a"))], [event(CONTENT("b")), event({}, "stop", **usage(2))]], 1, 2),
    ([[event({"role": "assistant"})], [event({}, "stop", **usage(0))]], None, 0),
])
def test_tokens_that_came_with_the_first_stamp(scratch, share, reads, first_tokens, output_tokens):
    """As the events say; one each where the server counts as many as there are events; else unknown, and never guessed."""
    chunks = [b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies) for bodies in reads]
    chunks[0], chunks[-1] = HEAD + chunks[0], chunks[-1] + LAST
    row, _ = one(scratch, share, *chunks)
    assert (row["first_tokens"], row["output_tokens"]) == (first_tokens, output_tokens)
    # The answers beside it in a batch change nothing.
    others = answer(chunked(event(CONTENT("x"), **usage(7)), DONE)), answer(outcome=Outcome.UNREACHABLE), answer(chunked(DONE))
    requests, _ = decoded(scratch, share, [*others, answer(*chunks), *others])
    assert requests["first_tokens"] == [7, None, None, first_tokens, 7, None, None]


def test_an_answer_in_one_piece_has_no_first_token(scratch, share):
    document = json.dumps({"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}], **usage(5)}).encode()
    raw = plain(document)
    row, events = one(scratch, share, raw[:30], raw[30:], at=[1000, 2000], streamed=False)
    assert [row[name] for name in ("first_event_ns", "first_token_ns", "first_output_ns", "first_tokens")] == [None] * 4
    assert (row["last_token_ns"], row["ended_ns"], row["output_tokens"], row["token_events"]) == (2000, 2000, 5, 1)
    assert (row["status"], row["finish"], events["kind"]) == ("ok", "stop", [EventKind.CONTENT])


# ── how it ended ─────────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = chunked(event(CONTENT("a")), DONE)
STARTED = HEAD + b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in [event(CONTENT("a"))])


@pytest.mark.parametrize(("outcome", "raw", "ending", "http_status"), [
    (Outcome.WHOLE, GOOD, Ending.OK, 200),
    (Outcome.CLOSED, GOOD, Ending.OK, 200),
    (Outcome.CLOSED, GOOD[:-2], Ending.OK, 200),  # after [DONE] only the mark of the end is missing
    (Outcome.CLOSED, STARTED, Ending.TRUNCATED, 200),
    (Outcome.CLOSED, b"", Ending.TRUNCATED, None),
    (Outcome.RESET, STARTED, Ending.RESET, 200),
    (Outcome.RESET, GOOD, Ending.RESET, 200),
    (Outcome.TIMEOUT, STARTED, Ending.TIMEOUT, 200),
    (Outcome.TIMEOUT, b"", Ending.TIMEOUT, None),
    (Outcome.STOPPED, STARTED, Ending.STOPPED, 200),
    (Outcome.UNREACHABLE, b"", Ending.UNREACHABLE, None),
    (Outcome.WHOLE, chunked(DONE), Ending.EMPTY, 200),
    (Outcome.WHOLE, chunked(b"data: {\n\n"), Ending.MALFORMED, 200),
    (Outcome.CLOSED, b"SSH-2.0-OpenSSH\r\n", Ending.MALFORMED, None),
    (Outcome.WHOLE, plain(b'{"error": {"message": "no"}}', "500 Oops"), Ending.HTTP_ERROR, 500),
    (Outcome.WHOLE, plain(b"busy", "429 Busy"), Ending.REFUSED, 429),
    (Outcome.WHOLE, chunked(event(CONTENT("a")), b'data: {"error": {"message": "lost"}}\n\n'), Ending.STREAM_ERROR, 200),
])
def test_every_outcome_has_its_word(scratch, share, outcome, raw, ending, http_status):
    row, _ = one(scratch, share, *([raw] if raw else []), outcome=outcome, at=[1000] if raw else None)
    assert (row["ending"], row["status"], row["http_status"]) == (ending, ending.word, http_status)
    assert (row["sent_ns"], row["scheduled_ns"]) == (100, 50)
    # Only a whole answer ended with its last read: with every other, the end is when we knew of it.
    assert row["ended_ns"] == (1000 if outcome is Outcome.WHOLE else max(100, 1000 if raw else 0) + 7)
    assert row["reads"] == (1 if raw else 0)


def test_a_row_says_whose_it_is_and_what_was_asked(scratch, share):
    requests, events = decoded(scratch, share, [answer(GOOD), answer(GOOD)], rows=[5, 63])
    facts = {name: requests[name] for name in ("request_id", "case", "repeat", "point", "process", "request", "session", "turn")}
    assert facts == {"request_id": ["run-5", "run-63"], "case": ["c4"] * 2, "repeat": [1, 1], "point": [3, 3], "process": [2, 2],
                     "request": [5, 63], "session": [5, 63], "turn": [0, 0]}
    assert (requests["input_tokens_asked"], requests["output_tokens_asked"]) == ([8, 8], [4, 4])
    assert len(set(requests["prompt_digest"])) == 2
    assert events["request"] == [5, 5, 63, 63]
    assert events["point"] == [3] * 4


def test_text_is_counted_where_somebody_can_and_kept_only_where_asked(scratch, share):
    raw = chunked(event(REASONING("so ")), event(CONTENT("a b c")), DONE)
    row, _ = one(scratch, share, raw)
    assert (row["text"], row["output_tokens_text"]) == (None, None)
    row, _ = one(scratch, share, raw, keep_text=True)
    assert (row["text"], row["output_tokens_text"]) == ("so a b c", None)
    row, _ = one(scratch, share, raw, count=lambda texts: [len(text.split()) for text in texts])
    assert (row["text"], row["output_tokens_text"]) == (None, 4)


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

KEY = "sk-Zq81mLw0PpR7tVx2"
HEADERS = f"Authorization: Bearer {KEY}\r\nX-Other: plain-{KEY[3:]}\r\n"


@pytest.mark.parametrize("raw", [
    plain(json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}}).encode(), "401 Unauthorized"),
    plain(f"who is Bearer {KEY}?".encode(), "403 Forbidden", "text/plain"),
    chunked(event(CONTENT("a")), b"data: " + json.dumps({"error": {"message": f"{KEY}{KEY} expired"}}).encode() + b"\n\n"),
])
def test_a_key_that_a_server_repeats_is_not_written(scratch, share, raw):
    row, _ = one(scratch, share, raw, secrets=_secrets(HEADERS))
    shown, _ = one(scratch, share, raw)
    assert KEY in shown["error"]
    assert "…" in row["error"]
    assert not any(KEY[3:] in str(value) for value in row.values())


@pytest.mark.parametrize("place", range(278, 302))
def test_a_key_that_is_cut_off_with_the_end_of_a_long_error_is_not_written_either(scratch, share, place):
    raw = plain(b"x" * place + KEY.encode() + b" is not valid", "401 Unauthorized", "text/plain")
    row, _ = one(scratch, share, raw, secrets=_secrets(HEADERS))
    assert KEY[:6] not in row["error"]
    assert row["error"].startswith("x" * min(place, 290))
