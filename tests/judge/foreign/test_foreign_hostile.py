"""Whatever a file holds: a result, nothing, or an error of ours; and every face can show what was read."""

import json
import random

import pytest
from foreign_samples import TOOLS, files_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone.errors import TouchstoneError
from touchstone.judge.foreign import read_result, read_results
from touchstone.report.claims_text import CLAIM_FACES, Understood

JUNK = ["", "\x1b[2J\x1b]0;title\x07", "<script>alert(1)</script>", "|" * 50, "\0", "\ud800", "字" * 5000, 10**400, -(10**30), 1e308, float("nan"),
        float("inf"), True, None, [], {}, [[[]]], {"mean": {"mean": []}}, [None] * 20, "1e999", "0x10", "12 ms", ["a"] * 20, -1, 0, [{}], {"": ""}]


def shown(results):
    """All faces of what was read."""
    understood = [Understood(one.tool, one.version, one.claims, one.conditions, one.notes,
                             {row: len(columns) for row, columns in one.per_request.items()}) for one in results]
    return {name: face(understood, str) for name, face in CLAIM_FACES.items()}


def survives(files, name):
    """Read and show ``files``; an error of ours is an answer, another one is not."""
    try:
        results = read_results(files, name)
    except TouchstoneError as error:
        assert str(error)
        return None
    if results is None:
        return None
    faces = shown(results)
    json.loads(faces["json"])
    assert "\x1b" not in faces["text"] + faces["md"] + faces["json"]
    assert "\0" not in faces["text"]
    assert "<script>" not in faces["md"]
    return results


def mutate(value, chooser, chance):
    """``value`` with some of its parts replaced by junk, renamed or dropped."""
    if chooser.random() < chance:
        return chooser.choice(JUNK)
    if isinstance(value, dict):
        return {(chooser.choice(["", "<b>", "p99_ttft_ms"]) if chooser.random() < chance else key): mutate(one, chooser, chance)
                for key, one in value.items() if chooser.random() >= chance}
    if isinstance(value, list):
        return [mutate(one, chooser, chance) for one in value]
    return value


@pytest.mark.parametrize("name", [name for name in TOOLS if not name.endswith(".csv")])
@given(seed=st.integers(0, 2**32), chance=st.sampled_from([0.003, 0.03, 0.2]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_samples_never_crash(name, seed, chance):
    chooser = random.Random(seed)
    files = {}
    for path, content in files_of(name).items():
        if path.endswith(".csv"):
            text = content.decode()
            files[path] = "".join(chooser.choice(["\0", '"', ",", "\n", "é"]) if chooser.random() < chance else one for one in text).encode()
        else:
            lines = content.decode().strip().splitlines() if path.endswith(".jsonl") else [content.decode()]
            files[path] = "\n".join(json.dumps(mutate(json.loads(line), chooser, chance)) for line in lines).encode()
    survives(files, name)


@given(content=st.binary(max_size=400), name=st.sampled_from(["x.json", "x.csv", "x.md", "", "../../x.jsonl", "\x1b.json"]))
@settings(max_examples=200, deadline=None)
def test_bytes_never_crash(content, name):
    survives({name: content}, name)
    survives({name: b'{"a": ' + content, "y": b"[" + content + b"]"}, name)


@pytest.mark.parametrize("content", [
    b"[" * 1_000_000, b'{"a":' * 100_000, b"[" + b"1," * 500_000 + b"1]", b"9" * 5000, b'{"duration": ' + b"9" * 5000 + b"}", b"\0" * 1_000_000,
    b"a,b\n" * 500_000, b'"' + b"a," * 500_000, b"{}\n" * 200_000, ("字," * 200_000).encode("utf-16")], ids=range(10))
def test_megabytes_of_junk_never_crash(content):
    for name in ("x.json", "x.csv"):
        survives({name: content}, name)


def test_cut_at_any_byte_a_file_is_read_in_part_or_refused():
    (content,) = files_of("llama-bench.jsonl").values()
    counts = set()
    for end in range(0, len(content), 211):
        results = survives({"x.jsonl": content[:end]}, "x.jsonl")
        counts.add(len(results[0].claims.claims) if results else 0)
    assert counts == {0, 1, 2, 3}


def test_words_of_a_file_are_shortened_and_made_plain():
    (content,) = files_of("vllm.json").values()
    run = json.loads(content) | {"model_id": "\x1b[31m" + "m" * 100_000, "backend": "<b>|", "tokenizer_id": ["x"] * 10_000}
    result = read_result(json.dumps(run).encode(), "vllm.json")
    assert len(result.claims.subject.model) <= 201
    assert "tokenizer_id" not in result.conditions
    faces = shown([result])
    assert "<b>" not in faces["md"]
    assert all("\x1b" not in face for face in faces.values())


def test_more_rows_than_anybody_reads_are_cut():
    (content,) = files_of("llama-bench.jsonl").values()
    first = json.loads(content.splitlines()[0])
    (result,) = survives({"many.json": json.dumps([first] * 12_000).encode()}, "many.json")
    assert len(result.claims.claims) == 10_000
    assert "10,000" in "".join(map(str, result.claims.left_out))
