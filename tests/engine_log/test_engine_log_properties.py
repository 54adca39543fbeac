"""Whatever a log holds besides, its figures stay the same; and nothing that is fed in makes the reader fail."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.engine_log import read_log
from touchstone.log_lines import LONGEST, bounded_lines

LOGS = Path(__file__).parents[1] / "data" / "server-logs"
TEXTS = {path.name: path.read_text(encoding="utf-8").splitlines() for path in sorted(LOGS.glob("*.txt"))}
recorded = st.sampled_from(sorted(TEXTS))
JUNK = (
    "", "   ", "\x00\x1b[2J", 'INFO:     10.0.0.1:43210 - "POST /v1/completions HTTP/1.1" 200 OK', "Loading safetensors checkpoint shards:  56% Completed",
    "(APIServer pid=456) INFO 07-26 15:50:29 [loggers.py:282] Engine 000: Running: 1 reqs, GPU KV cache usage: 2.6%, Prefix cache hit rate: 43.8%",
    "[2026-01-15 13:56:51 TP0] Decode batch. #running-req: 1, #token: 200, token usage: 0.00, gen throughput (token/s): 2.1", "9" * 5000, "{" * 3000,
    "<script>alert(1)</script>", "WARNING 08-14 [op.py:241] Priority not set for op rms_norm, using native implementation.", "memory KV weights took graph blocks: ",
    "Graph capturing finished in 3 secs.", "Loading weights took 3.0 seconds", "total 5 GiB", "weights 3 GB", "avail mem=", "KV Cache is allocated", "buffer size =",
)
junk = st.one_of(st.sampled_from(JUNK), st.text(alphabet=st.characters(blacklist_characters="\n\r"), max_size=60))


def values(log):
    return {name: figure.value for name, figure in log.figures.items()}


@given(name=recorded, places=st.lists(st.tuples(st.integers(0, 30), junk), max_size=12))
@settings(max_examples=150, deadline=None)
def test_lines_between_change_nothing(name, places):
    lines = list(TEXTS[name])
    for at, line in places:
        lines.insert(min(at, len(lines)), line)
    plain, mixed = read_log(TEXTS[name]), read_log(lines)
    assert values(mixed) == values(plain)
    assert (mixed.rank, mixed.ready, mixed.starts) == (plain.rank, plain.ready, plain.starts)


@given(name=recorded, ending=st.sampled_from(["\n", "\r\n", ""]), colour=st.booleans(), before=st.sampled_from(["", "vllm-1  | ", "2025-12-01T06:28:13Z stdout F "]))
@settings(max_examples=100, deadline=None)
def test_endings_colours_and_prefixes_change_nothing(name, ending, colour, before):
    def dressed(line):
        return before + (f"\x1b[36m{line}\x1b[0m" if colour else line) + ending

    plain, mixed = read_log(TEXTS[name]), read_log(map(dressed, TEXTS[name]))
    assert values(mixed) == values(plain)
    assert (mixed.engine, mixed.rank, mixed.rank_count, mixed.starts) == (plain.engine, plain.rank, plain.rank_count, plain.starts)


@given(name=recorded, cut=st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_a_log_that_breaks_off_says_nothing_else(name, cut):
    """Sums may still grow and a start may still be followed by another; everything else is there or is not."""
    part, whole = read_log(TEXTS[name][:cut]), read_log(TEXTS[name])
    if part.starts == whole.starts and part.rank == whole.rank:
        assert {figure: value for figure, value in values(part).items() if values(whole).get(figure, value) != value and figure not in (
            "available_bytes", "block_size", "kv_cache_tokens", "max_model_len", "weights_bytes")} == {}


fragments = st.lists(st.one_of(
    st.sampled_from([line for text in TEXTS.values() for line in text]), st.sampled_from(JUNK), st.text(max_size=40),
    st.sampled_from([" 1e999 GiB", "-", "9" * 400 + " GiB", " GB", "Model loading took ", "(Worker_TP0 pid=", "(Worker_TP99999999999999999999 pid=1)", "# GPU blocks: ",
                     "Maximum concurrency for 0 tokens per request: 0.00x", "KV Cache is allocated. #tokens: ,, K size: , GB", "server_args=ServerArgs(tp_size=",
                     "K size: 1 GB, V size: . GB", "\ud800", "[2026-01-15 13:56:51 TP1]", "load_tensors: x buffer size = . MiB", "in world size 0 is assigned"])),
    max_size=8).map("".join)


@given(lines=st.lists(fragments, max_size=12))
@settings(max_examples=300, deadline=None)
def test_nothing_makes_the_reader_fail(lines):
    log = read_log(lines)
    assert all(abs(value) < 1e22 for value in values(log).values())
    assert all(0 < line.number <= len(lines) for figure in log.figures.values() for line in figure.lines)


@given(content=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_are_lines(content):
    assert len(list(bounded_lines(io.BytesIO(content)))) == content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    read_log(bounded_lines(io.BytesIO(content)))


def test_a_line_that_never_ends_is_one_line():
    content = b"x" * (5 * LONGEST) + b"\nINFO [x.py:5] Model loading took 9.1 GiB memory and 3 seconds\n"
    lines = list(bounded_lines(io.BytesIO(content)))
    assert [len(line) for line in lines][:1] == [LONGEST]
    assert read_log(lines).figures["weights_bytes"].lines[0].number == 2


@pytest.mark.parametrize("line", ["junk about memory and KV of weights", "(Worker_TP{at} pid={at}) INFO 08-14 [x.py:1] Loading model weights took 1.0 GB",
                                  "[2026-01-15 13:56:51 TP{at}] KV Cache is allocated. #tokens: 5, KV size: 1.0 GB",
                                  "[2026-01-15 13:56:51 TP0] KV Cache is allocated. #tokens: {at}, KV size: 1.0 GB", "load_tensors: CPU buffer size = 1.0 MiB"])
def test_a_long_log_takes_no_more_memory_than_a_short_one(line):
    def peak(count):
        tracemalloc.start()
        read_log(line.replace("{at}", str(at % 64)) for at in range(count))
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # caches of patterns
    assert peak(6_000) < 2 * peak(1_500) + 200_000
