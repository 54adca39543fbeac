"""Whole answers: what servers write is read right, in every framing, at every byte, and nothing on the wire can raise."""

import gzip
import json

import pytest
import wire_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_corpus import (
    CHAT_LOGPROBS,
    DEEPSEEK,
    ERRORS,
    LLAMA_CPP,
    OPENAI,
    SAMPLES,
    TGI,
    VLLM_REASONING,
    chat,
    chunk,
    framed,
    head,
    last,
    used,
)

from touchstone.served import TOKEN_KINDS, Ending, EventKind
from touchstone.wire.answer import read_answer

FRAMINGS = [("chunked", None), ("chunked", (1,)), ("chunked", (7, 1, 2, 31)), ("chunked", (100_000,)), ("length", None), ("close", None)]
EVERY_STREAM = [pytest.param(sample, eol, framing, sizes, id=f"{sample.name}-{eol!r}-{framing}-{sizes}")
                for sample in SAMPLES for eol in ("\n", "\r\n", "\r") for framing, sizes in FRAMINGS]
USUAL = framed(OPENAI.stream(), "chunked")


def read(raw, *, closed=False, streamed=True, want_text=True):
    return read_answer(raw, closed=closed, streamed=streamed, want_text=want_text)


def document(value, framing="length", **given):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return framed(body, framing, **{"kind": "application/json", **given})


@pytest.mark.parametrize(("sample", "eol", "framing", "sizes"), EVERY_STREAM)
def test_every_server_in_every_framing(sample, eol, framing, sizes):
    raw = framed(sample.stream(eol), framing, sizes=sizes)
    found = read(raw, closed=framing == "close")
    assert (found.ending, found.http_status, found.error, found.cut) == (Ending.OK, 200, None, False)
    assert found.kinds == list(sample.kinds)
    assert {name: getattr(found, name) for name in sample.facts} == sample.facts
    if sample.tokens:
        assert found.tokens == list(sample.tokens)
    without = read(raw, closed=framing == "close", want_text=False)
    assert (without.text, without.reasoning_text) == ("", "")
    assert (without.kinds, without.ends, without.tokens, without.first_text) == (found.kinds, found.ends, found.tokens, found.first_text)


@pytest.mark.parametrize(("sample", "eol", "framing", "sizes"), [
    one for one in EVERY_STREAM if (one.values[0] in (CHAT_LOGPROBS, VLLM_REASONING) if one.values[3] == (1,) else one.values[1:3] != ("\r", "chunked"))])
def test_an_event_is_there_from_the_byte_at_which_it_ends_and_not_before(sample, eol, framing, sizes):
    raw = framed(sample.stream(eol), framing, sizes=sizes)
    whole = read(raw, closed=framing == "close")
    first_seen = {}
    for length in range(len(raw) + 1):
        part = read(raw[:length])
        count = len(part.kinds)
        assert (part.kinds, part.ends, part.tokens) == (whole.kinds[:count], whole.ends[:count], whole.tokens[:count])
        for index in range(count):
            first_seen.setdefault(index, length)
    assert [first_seen[index] for index in range(len(whole.kinds))] == whole.ends


@pytest.mark.parametrize(("sample", "eol", "framing", "sizes"), [one for one in EVERY_STREAM if one.values[0] not in (LLAMA_CPP, TGI)])
def test_equal_to_a_reader_of_single_bytes(sample, eol, framing, sizes):
    raw = framed(sample.stream(eol), framing, sizes=sizes)
    for length in {len(raw), len(raw) - 1, len(raw) - 5, len(raw) * 2 // 3, raw.index(b"\r\n\r\n") + 9}:
        for closed in (True, False):
            found = read(raw[:length], closed=closed)
            expected = wire_reference.read(raw[:length], closed=closed)
            expected["ending"] = Ending.OK if found.ending is Ending.OK and not sample.done else expected["ending"]
            if framing == "length" and length < len(raw):
                expected["ending"] = Ending.TRUNCATED
            assert {name: getattr(found, name) for name in expected} == expected


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
DELTAS = st.one_of(
    st.builds(lambda text: {"content": text}, TEXT), st.builds(lambda text: {"reasoning_content": text, "content": None}, TEXT),
    st.builds(lambda text, more: {"reasoning": text, "content": more}, TEXT, TEXT), st.just({}), st.just({"role": "assistant"}),
    st.builds(lambda name, text: {"tool_calls": [{"function": {"name": name, "arguments": text}}]}, TEXT, TEXT))
CHUNKS = st.builds(lambda delta, finish, usage: chat(delta, finish, usage=usage), DELTAS, st.sampled_from([None, None, None, "stop"]),
                   st.one_of(st.none(), st.builds(used, st.integers(0, 9), st.integers(0, 9))))


@settings(max_examples=300)
@given(st.lists(st.one_of(CHUNKS, st.builds(last, st.integers(0, 9), st.integers(0, 9)))), st.sampled_from(["\n", "\r\n", "\r"]),
       st.sampled_from(["data: ", "data:", "id: 1{}data: ", ": ping{}{}data: "]), st.booleans(), st.booleans(),
       st.one_of(st.none(), st.lists(st.integers(1, 50), min_size=1, max_size=9)), st.integers(0, 3), st.booleans())
def test_any_well_formed_stream_equals_the_reader_of_single_bytes(events, eol, mark, done, plain, sizes, short, closed):
    payloads = [*(json.dumps(event, ensure_ascii=plain) for event in events), *(["[DONE]"] if done else [])]
    raw = framed("".join(f"{mark.replace('{}', eol)}{payload}{eol}{eol}" for payload in payloads).encode(), "chunked", sizes=sizes)
    raw = raw[:len(raw) - short]
    found, expected = read(raw, closed=closed), wire_reference.read(raw, closed=closed)
    assert {name: getattr(found, name) for name in expected} == expected


@given(st.data())
def test_mutated_answers_never_raise_and_more_bytes_only_add_events(data):
    sample = data.draw(st.sampled_from(SAMPLES))
    raw = bytearray(framed(sample.stream(data.draw(st.sampled_from(["\n", "\r\n"]))), *data.draw(st.sampled_from([("chunked",), ("length",), ("close",)]))))
    for _ in range(data.draw(st.integers(1, 6))):
        at, width = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 6))
        raw[at:at + width] = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from(
            [b"\r\n", b"\n\n", b"data: ", b"[DONE]", b"0\r\n\r\n", b'"', b"}", b"null", b"\x00", b"\xff", b"\xef\xbb\xbf", b"{", b"[[[["])))
    raw = bytes(raw)
    whole = check(raw)
    for length in data.draw(st.lists(st.integers(0, len(raw)), max_size=20)):
        part = check(raw[:length])
        assert part.ends == [end for end in whole.ends[:len(part.ends)] if end <= length]
        assert part.kinds == whole.kinds[:len(part.kinds)]
        assert len(part.ends) == len([end for end in whole.ends if end <= length])


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda body: USUAL[:150] + body),
                 st.binary(max_size=200).map(lambda body: framed(body, "length")), st.binary(max_size=200).map(document)))
def test_random_bytes_never_raise(raw):
    check(raw)


def check(raw):
    """Read ``raw`` every way; each answer must be whole in itself."""
    for closed in (True, False):
        for streamed in (True, False):
            found = read(raw, closed=closed, streamed=streamed)
            assert len(found.kinds) == len(found.ends) == len(found.tokens)
            assert found.ends == sorted(found.ends)
            assert all(0 < end <= len(raw) for end in found.ends)
            assert found.error is None or (0 < len(found.error) <= 300 and found.error.isprintable())
            assert (found.ending is Ending.OK) == (found.error is None)
            assert found.ending is not Ending.OK or any(kind in TOKEN_KINDS for kind in found.kinds)
            found.text.encode()
    return read(raw)


@pytest.mark.parametrize("value", [
    b"[" * 100_000, b'{"x":' + b"[" * 100_000, b'{"usage":' + b"[" * 100_000, b'{"choices":' + b"[" * 100_000, b'{"usage":' + b"[" * 500 + b"]" * 500 + b"}", b'{"error":' * 600 + b'"x"' + b"}" * 600, b"9" * 100_000,
    b'{"usage":{"prompt_tokens":1e400}}', b'{"usage":{"prompt_tokens":' + b"9" * 40 + b"}}", b'{"choices":[null]}', b'{"choices":[{"delta":[]}]}',
    b'{"model":"\\ud800"}', b'{"x":"\xff"}', b"\x00", b"{}" * 1000, b'{"choices":[{"delta":{"tool_calls":[1,{"function":2},{"function":{"name":{"a":1}}}]}}]}',
    b'{"choices":[{"delta":{"content":[1,{"text":2}]},"token_ids":3,"logprobs":[],"finish_reason":4}],"usage":[],"timings":"","error":{},"model":5}',
    b'{"choices":[{"text":"' + b"x" * 1_000_000 + b'"}]}'])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_hostile_values_never_raise(value, framing):
    check(framed(b"data: " + value + b"\n\n", framing))
    check(document(value, framing))
    check(document(value, framing, status=500))


def test_odd_leaves_do_not_lose_an_event():
    event = {"choices": [{"delta": {"content": "a", "tool_calls": 3}, "finish_reason": 7, "logprobs": "x", "token_ids": {}}],
             "usage": "none", "timings": 1, "error": {}, "model": 5, "object": []}
    found = read(framed(b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n", "chunked"))
    assert (found.ending, found.kinds, found.tokens, found.text, found.model) == (Ending.OK, [EventKind.CONTENT], [None], "a", None)
    for count in (-1, True, 2.5, "3", 2**63, None):
        event = {"choices": [{"text": "a"}], "usage": {"prompt_tokens": count, "completion_tokens": count, "prompt_tokens_details": {"cached_tokens": count}}}
        found = read(document(event), streamed=False)
        assert (found.ending, found.input_tokens, found.output_tokens, found.cached_tokens) == (Ending.OK, None, None, None)


@pytest.mark.parametrize(("block", "ending", "said"), ERRORS)
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_errors_inside_a_stream(block, ending, said, eol):
    body = (OPENAI.stream()[:OPENAI.stream().index(b"data: ", 300)].decode() + block + "data: [DONE]\n\n").replace("\n", eol).encode()
    for framing in ("chunked", "length", "close"):
        found = read(framed(body, framing), closed=True)
        assert (found.ending, found.http_status) == (ending, 200)
        assert found.kinds == [EMPTY_KIND, EventKind.CONTENT, *([EventKind.ERROR] if ending is Ending.STREAM_ERROR else [])]
        assert found.error == said or said is None
        assert len(found.error) > 3


EMPTY_KIND = EventKind.EMPTY


@pytest.mark.parametrize("value", [{"error": {"message": "full\x00\x1b[31m\nup"}}, {"message": "full [31m up"}, {"detail": "full [31m up"}, b"full\t[31m\r\nup",
                                   {"error": "full [31m up"}, {"object": "error", "message": "full [31m up"}, {"detail": [{"msg": "full [31m up"}]}])
@pytest.mark.parametrize(("status", "ending"), [(429, Ending.REFUSED), (503, Ending.REFUSED), (500, Ending.HTTP_ERROR), (404, Ending.HTTP_ERROR), (307, Ending.HTTP_ERROR)])
def test_http_errors_say_what_the_server_said(value, status, ending):
    for framing in ("length", "chunked", "close"):
        found = read(document(value, framing, status=status), closed=True)
        assert (found.ending, found.http_status, found.error, found.kinds) == (ending, status, "full [31m up", [])


def test_http_errors_without_words():
    assert read(document(b"", status=502)).error == "HTTP status 502"
    assert read(document(b"x" * 5000, status=502)).error == "x" * 300
    assert read(document({"error": {"code": 5}}, status=502)).error == '{"error": {"code": 5}}'
    assert "gzip" in read(head(status=500, extra=["content-encoding: gzip", "content-length: 3"]) + b"\x1f\x8b\x08").error


def test_an_error_in_a_200_that_is_no_stream():
    for streamed in (True, False):
        found = read(document({"error": {"message": "no"}}), streamed=streamed)
        assert (found.ending, found.error, found.kinds) == (Ending.STREAM_ERROR, "no", [EventKind.ERROR])


MESSAGES = [({"message": {"role": "assistant", "content": "Hi"}}, EventKind.CONTENT, "Hi", ""),
            ({"message": {"content": None, "reasoning_content": "hm"}}, EventKind.REASONING, "", "hm"),
            ({"message": {"content": "Hi", "reasoning": "hm"}}, EventKind.CONTENT, "Hi", "hm"),
            ({"message": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}, EventKind.TOOL, "", ""),
            ({"text": "Hi", "logprobs": None}, EventKind.CONTENT, "Hi", "")]


@pytest.mark.parametrize(("choice", "kind", "text", "reasoning"), MESSAGES)
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_that_is_no_stream_is_one_event_at_its_end(choice, kind, text, reasoning, framing, streamed):
    raw = document({"model": "m", "choices": [{"finish_reason": "stop", **choice}], "usage": used(3, 7)}, framing, sizes=(40,))
    found = read(raw, closed=framing == "close", streamed=streamed)
    assert (found.ending, found.finish, found.model, found.input_tokens, found.output_tokens) == (Ending.OK, "stop", "m", 3, 7)
    assert (found.kinds, found.ends, found.tokens, found.text, found.reasoning_text) == ([kind], [len(raw)], [7], text, reasoning)
    for length in range(len(raw)):
        part = read(raw[:length], streamed=streamed)
        assert (part.ending, part.kinds) == (Ending.TRUNCATED, [])


def test_documents_without_tokens_and_without_form():
    assert read(document({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "usage": used(3, 0)}), streamed=False).ending is Ending.EMPTY
    assert read(document({}), streamed=False).ending is Ending.EMPTY
    assert read(document(b""), streamed=False).ending is Ending.EMPTY
    assert read(head(status=204, kind="application/json"), streamed=False).ending is Ending.EMPTY
    assert read(document(b"{"), streamed=False).ending is Ending.MALFORMED
    assert read(document(b"[]"), streamed=False).ending is Ending.MALFORMED
    assert read(document(b"<html>"), streamed=False).ending is Ending.MALFORMED


def test_how_a_stream_may_end():
    finished = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in (chat({"content": "a"}), chat({}, "stop")))
    open_ended, done = finished[:finished.index(b"\n\n") + 2], b"data: [DONE]\n\n"

    def ending(body, framing, *, closed=True, less=0):
        raw = framed(body, framing)
        return read(raw[:len(raw) - less], closed=closed).ending

    for framing in ("length", "chunked", "close"):
        assert ending(finished + done, framing) is Ending.OK
        assert ending(finished, framing) is Ending.OK
        assert ending(open_ended + done, framing) is Ending.OK
        assert ending(open_ended, framing) is Ending.TRUNCATED
        assert ending(finished.replace(b'"a"', b'""') + done, framing) is Ending.EMPTY
        assert ending(done, framing) is Ending.EMPTY
        assert ending(b"", framing) is Ending.TRUNCATED
    for less in range(1, 8):  # of the terminating chunk, or of the line end before it
        assert ending(finished + done, "chunked", less=less) is Ending.OK
        assert ending(finished, "chunked", less=less) is Ending.TRUNCATED
    assert ending(finished + done, "chunked", less=8) is Ending.TRUNCATED
    assert ending(finished + done, "length", less=1) is Ending.TRUNCATED
    assert ending(finished + done, "close", closed=False) is Ending.OK
    assert ending(finished, "close", closed=False) is Ending.TRUNCATED
    assert ending(finished[:-1], "close") is Ending.OK  # a single line end before the close
    assert ending(open_ended + done[:-2], "chunked") is Ending.OK


def test_the_last_event_may_lack_its_blank_line_and_is_then_complete_with_the_message():
    body = DEEPSEEK.stream()[:-len("data: [DONE]\n\n") - 1]
    for framing in ("chunked", "length", "close"):
        raw = framed(body, framing)
        found = read(raw, closed=framing == "close")
        assert (found.ending, found.finish, found.kinds) == (Ending.OK, "stop", list(DEEPSEEK.kinds))
        assert found.ends[-1] == len(raw)
        assert read(raw[:-1]).kinds == list(DEEPSEEK.kinds[:-1])


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_bytes_after_the_end_are_told(framing):
    raw = framed(OPENAI.stream(), framing)
    clean = read(raw)
    for junk in (b"x", b"\r\n", raw, b"HTTP/1.1 200 OK\r\n\r\n"):
        found = read(raw + junk)
        assert found.cut
        assert (found.ending, found.kinds, found.ends, found.text) == (clean.ending, clean.kinds, clean.ends, clean.text)
    assert not clean.cut


def test_broken_framing_keeps_what_came_before():
    pieces = [b"data: %b\n\n" % json.dumps(event).encode() for event in OPENAI.payloads]
    for size in (b"-1", b"0x10", b"FFFFFFFFFFFFFFFF", b"zz"):
        found = read(head(extra=["transfer-encoding: chunked"]) + chunk(pieces[0]) + chunk(pieces[1]) + size + b"\r\n" + pieces[2])
        assert (found.ending, found.kinds) == (Ending.MALFORMED, [EventKind.EMPTY, EventKind.CONTENT])
        assert "chunk" in found.error


def test_json_that_is_not_utf8_is_malformed_and_the_rest_of_the_stream_stays():
    body = OPENAI.stream()
    for place in (b"chatcmpl", "界".encode()):  # a string that is skipped, and one that is read
        at = body.index(place, body.index(b"llo"))
        found = read(framed(body[:at] + b"\xff" + body[at + 1:], "chunked"))
        assert found.ending is Ending.MALFORMED
        assert len(found.kinds) == (3 if place == b"chatcmpl" else 2)
    assert "UTF-8" in found.error


def test_compression_was_not_asked_for():
    body = gzip.compress(OPENAI.stream())
    found = read(head(extra=["Content-Encoding: gzip", f"Content-Length: {len(body)}"]) + body)
    assert (found.ending, found.http_status, found.error) == (Ending.MALFORMED, 200, "content-encoding gzip was not asked for")


def test_what_is_no_answer():
    assert (read(b"", closed=True).ending, read(b"", closed=True).http_status) == (Ending.TRUNCATED, None)
    assert read(USUAL[:40], closed=True).ending is Ending.TRUNCATED
    assert read(b"SSH-2.0-OpenSSH_9.6\r\n").ending is Ending.MALFORMED


def test_a_stream_under_another_name_and_a_document_under_the_name_of_a_stream():
    assert read(framed(OPENAI.stream(), "chunked", kind="text/plain")).kinds == list(OPENAI.kinds)
    assert read(USUAL, streamed=False).kinds == list(OPENAI.kinds)
    assert read(framed(b'{"error": {"message": "no"}}', "length")).error == "no"


def usage_stream(*counts):
    """A stream of one content event per count of ``counts``; None for an event without usage."""
    events = [chat({"content": "x"}, usage=None if count is None else used(1, count)) for count in counts]
    return read(framed("".join(f"data: {json.dumps(event)}\n\n" for event in [*events, last(1, 9)]).encode() + b"data: [DONE]\n\n", "chunked"))


@pytest.mark.parametrize(("counts", "tokens"), [
    ((3, 4, 9), [3, 1, 5, 0]),
    ((None, None), [None, None, None]),  # only the usage at the end: it proves nothing of any event
    ((None, 3, 5), [None, None, 2, 4]),
    ((3, None, 5, 6), [3, None, None, 1, 3]),
    ((0, 0, 0), [None, None, None, None]),  # usage that stands still while tokens come is no running usage
    ((5, 3, 4), [5, None, None, None]),
])
def test_tokens_are_given_only_where_the_event_proves_them(counts, tokens):
    found = usage_stream(*counts)
    assert found.tokens == tokens
    assert found.output_tokens == 9


def test_later_usage_wins_and_missing_parts_are_kept():
    events = [chat({"content": "a"}, "stop", usage=used(4, 1, prompt_tokens_details={"cached_tokens": 2})), last(4, 2, prompt_tokens_details=None)]
    found = read(framed(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n", "chunked"))
    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (4, 2, 2)
