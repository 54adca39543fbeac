"""Answers are worked out from the script alone: the same bytes however they are cut, every write at its own absolute time."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError, UsageError
from touchstone.measure.scripted import FAULTS, Script, parse_script, read_script
from touchstone.measure.scripted.answers import TOKEN_EVENTS, Answers, Asked
from touchstone.measure.scripted.prefix_cache import BLOCK, PrefixCache
from touchstone.measure.scripted.script import duration_s, share

SHAPES = st.fixed_dictionaries({
    "output_tokens": st.integers(1, 40), "reasoning_tokens": st.integers(0, 20), "tool_tokens": st.integers(0, 20),
    "tokens_per_event": st.integers(1, 7), "first_event_tokens": st.none() | st.integers(1, 9), "finish_event": st.booleans(),
    "role_first": st.booleans(), "head_s": st.none() | st.just(0), "usage": st.sampled_from(["last", "late", "missing", "continuous"]),
    "line_end": st.sampled_from(["LF", "CRLF"]), "framing": st.sampled_from(["chunked", "close"]), "done_late_s": st.sampled_from([0, 0.03])})


def asked(script: Script, *, chat: bool = True, streamed: bool = True, prompt_tokens: int = 7) -> Asked:
    return Asked(chat=chat, streamed=streamed, prompt_tokens=prompt_tokens, output_tokens=script.output_tokens or 4, capped=True)


def bytes_of(script: Script, **more) -> bytes:
    return b"".join(Answers(script).answer(asked(script, **more), None).payloads)


@given(SHAPES, st.integers(1, 5), st.integers(1, 9), st.booleans())
def test_cutting_and_joining_change_no_byte(shape: dict, coalesce: int, split: int, chat: bool):
    assert bytes_of(Script(**shape, coalesce=coalesce, split=split), chat=chat) == bytes_of(Script(**shape), chat=chat)


@given(SHAPES, st.integers(1, 5), st.booleans())
def test_every_token_is_sent_once_and_in_order(shape: dict, coalesce: int, chat: bool):
    script = Script(**shape, coalesce=coalesce)
    answer = Answers(script).answer(asked(script, chat=chat), None)
    assert sum(answer.tokens) == script.output_tokens
    assert bytes_of(script, chat=chat).count(b" tok") == script.output_tokens
    order = [TOKEN_EVENTS.index(name) for name in answer.names if name in TOKEN_EVENTS]
    assert order == sorted(order)
    assert answer.names[-1] == "done"
    assert answer.events_after[-1] == len(answer.names)
    assert list(answer.offsets_ns) == sorted(answer.offsets_ns)
    assert (b'"usage"' in bytes_of(script, chat=chat)) == (script.usage != "missing")


@given(st.integers(1, 60), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 500), st.sampled_from([0, 1e-6, 1e-3]))
def test_the_kth_token_is_due_at_ttft_plus_k_gaps(output_tokens: int, ttft_ns: int, itl_ns: int, prompt_tokens: int, per_token_s: float):
    script = Script(output_tokens=output_tokens, ttft_s=ttft_ns / 1e9, itl_s=itl_ns / 1e9, ttft_per_input_token_s=per_token_s)
    answer = Answers(script).answer(asked(script, prompt_tokens=prompt_tokens), None)
    first_ns = round(ttft_ns + per_token_s * 1e9 * prompt_tokens)
    for k in range(output_tokens):
        assert abs(answer.offsets_ns[k] - (first_ns + k * itl_ns)) <= 1


def test_usage_and_the_end_of_the_stream_come_as_late_as_the_script_says():
    script = Script(ttft_s=0.1, itl_s=0.01, output_tokens=3, usage="late", late_usage_s=0.05, done_late_s=0.04)
    answer = Answers(script).answer(asked(script), None)
    assert list(answer.names) == ["content", "content", "content", "usage", "done"]
    assert [offset_ns // 10**6 for offset_ns in answer.offsets_ns] == [100, 110, 120, 170, 210]


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 10**6), st.floats(0, 1))
def test_jitter_is_drawn_per_gap_and_from_the_seed(seed: int, number: int, jitter: float):
    script = Script(ttft_s=0.05, itl_s=0.02, jitter=jitter, seed=seed, output_tokens=20, usage="late", late_usage_s=0.01)
    one, question = Answers(script), asked(script)
    offsets_ns = one.jittered_ns(one.answer(question, None), question, number)
    assert list(offsets_ns) == list(Answers(script).jittered_ns(one.answer(question, None), question, number))
    gaps = [later - earlier for earlier, later in zip([0, *offsets_ns], offsets_ns[:20], strict=False)]
    for place, gap_ns in enumerate(gaps):
        due_ns = 50_000_000 if place == 0 else 20_000_000
        assert due_ns * (1 - jitter) - 2 <= gap_ns <= due_ns * (1 + jitter) + 2
    assert offsets_ns[20] - offsets_ns[19] == 10_000_000
    if jitter > 0.1:
        assert len(set(gaps[1:])) > 10


def test_faults_have_the_shares_that_were_asked_for_and_follow_the_seed():
    shares = {"http_500": 0.05, "reset": 0.2, "empty": 0.25}
    drawn = [Answers(Script(faults=shares, seed=7)).fault(number) for number in range(4000)]
    counts = Counter(drawn)
    for fault, part in shares.items():
        assert abs(counts[fault] / 4000 - part) < 4 * (part * (1 - part) / 4000) ** 0.5
    assert set(counts) == {None, *shares}
    assert drawn == [Answers(Script(faults=shares, seed=7)).fault(number) for number in range(4000)]
    assert drawn != [Answers(Script(faults=shares, seed=8)).fault(number) for number in range(4000)]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_an_answer_streamed_and_not(fault: str):
    script = Script(output_tokens=6, fault_after_tokens=2)
    for streamed in (True, False):
        answer = Answers(script).answer(asked(script, streamed=streamed), fault)
        assert b"".join(answer.payloads).startswith(b"HTTP/1.1 ")
        assert sum(answer.tokens) < 6
    for after in (0, 100):  # before the first token, and beyond the last
        Answers(script.model_copy(update={"fault_after_tokens": after})).answer(asked(script), fault)


def test_equal_events_are_rendered_once():
    answer = Answers(Script(output_tokens=100)).answer(asked(Script(output_tokens=100)), None)
    assert len({id(payload) for payload in answer.payloads[1:-2]}) <= 98
    assert len(set(answer.payloads)) == 4  # the first with the head, the others, the last with its reason, the tail


@given(st.integers(0, 70), st.integers(0, 40), st.integers(0, 40))
def test_the_prefix_cache_finds_whole_blocks_from_the_start(shared: int, first_more: int, second_more: int):
    first, second = ["s"] * shared + ["a"] * first_more, ["s"] * shared + ["b"] * second_more + ["s"] * 20 * (second_more > 0)
    cache = PrefixCache()
    assert cache.hits(first) == 0
    common = next((place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))
    whole = common // BLOCK * BLOCK
    assert cache.hits(second) == (whole - BLOCK if whole and whole == len(second) else whole)


def test_a_block_is_found_only_behind_the_blocks_it_was_seen_behind():
    cache = PrefixCache()
    cache.hits(["s"] * BLOCK + ["a"] * BLOCK + ["t"])
    assert cache.hits(["a"] * (BLOCK + 1)) == 0
    assert cache.hits(["s"] * BLOCK + ["a"] * BLOCK + ["u"]) == 2 * BLOCK


@pytest.mark.parametrize(("text", "seconds"), [("50ms", 0.05), ("2s", 2), ("0.05", 0.05), ("200us", 2e-4), ("1m", 60), (".5 s", 0.5), ("1e-3", 1e-3)])
def test_durations(text: str, seconds: float):
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "ms", "5 parsecs", "-1s", "1s2", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError):
        duration_s(text)


def test_shares():
    assert (share("5%"), share("0.05"), share(0.2)) == (0.05, 0.05, 0.2)


@pytest.mark.parametrize(("content", "word"), [
    ({"tftt_s": 1}, "ttft_s"), ({"ttft_s": "soon"}, "ttft_s"), ({"ttft_s": -1}, "ttft_s"), ({"ttft_s": float("nan")}, "ttft_s"), ({"output_tokens": 0}, "output_tokens"),
    ({"usage": "never"}, "usage"), ({"faults": {"http_501": 0.1}}, "http_501"), ({"faults": {"reset": 0.6, "empty": 0.6}}, "more than 1"),
    ({"faults": {"reset": 2}}, "reset"), ({"stall_s": 1, "stall_every_s": 1}, "stall_every_s"), ({"framing": "close", "faults": {"bad_chunk": 0.1}}, "bad_chunk"),
    ({"role_first": True, "role_s": 1, "ttft_s": 0.5}, "role_s"), ({"head_s": 1, "ttft_s": 0.5}, "head_s")])
def test_a_script_that_does_not_hold_together_is_refused(content: dict, word: str):
    with pytest.raises(UsageError, match=re.escape(word)):
        parse_script(content, "my.yaml")


def test_scripts_are_read_from_yaml_json_and_text(tmp_path):
    script = Script(ttft_s=0.03, faults={"reset": 0.1}, usage="late")
    (tmp_path / "s.yaml").write_text("ttft_s: 30ms\nusage: late\nfaults: {reset: 10%}\n")
    (tmp_path / "s.json").write_text(script.model_dump_json())
    for source in (str(tmp_path / "s.yaml"), str(tmp_path / "s.json"), script.model_dump_json()):
        assert parse_script(read_script(source), source) == script
    (tmp_path / "list.yaml").write_text("[1, 2]")
    for broken in (tmp_path / "list.yaml", tmp_path / "absent", tmp_path):
        with pytest.raises(DataError):
            read_script(str(broken))
    with pytest.raises(DataError):
        read_script("{ttft_s: [}")


@given(SHAPES, st.integers(0, 3))
def test_continuous_usage_counts_up(shape: dict, prompt_tokens: int):
    script = Script(**{**shape, "usage": "continuous", "framing": "close", "line_end": "LF"})
    body = bytes_of(script, prompt_tokens=prompt_tokens)
    counts = [json.loads(found)["completion_tokens"] for found in re.findall(rb'"usage":(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})', body)]
    assert counts == sorted(counts)
    assert counts[-1] == script.output_tokens
