"""Published traces are read exactly, and what is wrong with a file is said with the number of its line."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.measure.load.traces import BLOCK_TOKENS, read_trace

TRACES = Path(__file__).parents[2] / "data" / "traces"
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def written(path, text):
    file = path / "trace"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_mooncake_trace():
    trace = read_trace(TRACES / "mooncake-synthetic.jsonl")
    rows = [json.loads(line) for line in (TRACES / "mooncake-synthetic.jsonl").read_text().splitlines()]
    assert len(trace) == 300
    assert trace.offset_ns.tolist() == [row["timestamp"] * 10**6 for row in rows]
    assert trace.input_tokens.tolist() == [row["input_length"] for row in rows]
    assert trace.output_tokens.tolist() == [row["output_length"] for row in rows]
    assert [list(one) for one in trace.blocks] == [row["hash_ids"] for row in rows]
    assert all(len(one) == -(-tokens // BLOCK_TOKENS) for one, tokens in zip(trace.blocks, trace.input_tokens, strict=True))


@pytest.mark.parametrize("name", ["azure-2023-code.csv", "azure-2023-conv.csv"])
def test_an_azure_trace(name):
    trace = read_trace(TRACES / name)
    assert len(trace) == 300
    assert trace.blocks is None
    assert trace.offset_ns[0] == 0
    assert (np.diff(trace.offset_ns) >= 0).all()


def test_azure_times_keep_all_their_digits():
    trace = read_trace(TRACES / "azure-2023-conv.csv")
    # 18:15:46.6805900, 18:15:50.9951690
    assert trace.offset_ns[1] == 4_314_579_000
    assert (trace.input_tokens[:2].tolist(), trace.output_tokens[:2].tolist()) == ([374, 396], [44, 109])


def test_times_may_have_an_offset_from_utc_or_no_fraction(tmp_path):
    text = HEADER + "2024-05-10 23:59:59.5+00:00,3,4\r\n2024-05-11 02:00:01+02:00,5,6\r\n\r\n"
    assert read_trace(written(tmp_path, b"\xef\xbb\xbf" + text.encode())).offset_ns.tolist() == [0, 1_500_000_000]


def test_a_mooncake_trace_may_have_no_hashes(tmp_path):
    trace = read_trace(written(tmp_path, '{"timestamp": 3.5, "input_length": 7, "output_length": 2}\n'))
    assert (trace.offset_ns.tolist(), trace.blocks) == ([0], None)


MOONCAKE = '{"timestamp": 5, "input_length": 7, "output_length": 2, "hash_ids": [1]}\n'


@pytest.mark.parametrize(("text", "says"), [
    (MOONCAKE + '{"timestamp": 5, "input_length": 0, "output_length": 2}', r"Line 2 .* `int` >= 1 .*input_length"),
    (MOONCAKE + "\n" + '{"timestamp": 5, "output_length": 2}', r"Line 3 .*input_length"),
    (MOONCAKE + '{"timestamp": 4, "input_length": 7, "output_length": 2}', "Line 2 .* earlier than the line before"),
    (MOONCAKE + '{"timestamp": 5, "input_length": 512, "output_length": 2, "hash_ids": [1, 2]}', "Line 2 .* 2 hash_ids are more"),
    (MOONCAKE + '{"timestamp": 5, "input', "Line 2 .* truncated"),
    (MOONCAKE + '{"timestamp": "5", "input_length": 7, "output_length": 2}', "Line 2 .*timestamp"),
    (MOONCAKE + '{"x": ' + "[" * 100_000, "Line 2 .*recursion"),
    (MOONCAKE + '{"timestamp": 1e300, "input_length": 7, "output_length": 2}', "Line 2 .*timestamp"),
    (HEADER, "no request follows"),
    (HEADER + "2023-11-16 18:15:46.68,3\n", "Line 2 .*unpack"),
    (HEADER + "2023-11-16 18:15:46.68,3,4\nyesterday,3,4\n", "Line 3 .*yesterday"),
    (HEADER + "2023-11-16 18:15:46.68,3,4\n2023-11-16 18:15:46.6x,3,4\n", "Line 3 .* is no time"),
    (HEADER + "2023-11-16 18:15:46.68,3,-4\n", "Line 2 .* not two numbers of tokens"),
    (HEADER + "2023-11-16 18:15:46.68,3,9999999999\n", "Line 2 .* not two numbers of tokens"),
    (HEADER + "2023-11-16 18:15:46,3,4\n2023-11-16 18:15:45,3,4\n", "Line 3 .* earlier"),
    (HEADER + "0001-11-16 18:15:46,3,4\n9999-11-16 18:15:45,3,4\n", "Line 3 .* century"),
    (HEADER + "2023-11-16 18:15:46.68," + "3" * 200_000 + ",4\n", "Line 2"),
    ("a,b,c\n1,2,3\n", "no trace that touchstone knows"),
    ("", "no trace that touchstone knows"),
    (b"\xff\xfe\x00", "cannot be read"),
])
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        read_trace(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_trace(tmp_path / "none")


def test_an_endless_line_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"Line 1 .* too long"):
        read_trace(written(tmp_path, b'{"' + b"x" * (1 << 25)))


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300), mooncake=st.booleans())
def test_no_bytes_do_harm(tmp_path_factory, content, mooncake):
    file = tmp_path_factory.mktemp("fuzz") / "trace"
    file.write_bytes((MOONCAKE if mooncake else HEADER).encode() + content)
    try:
        assert len(read_trace(file)) > 0
    except DataError as error:
        assert str(error)
