"""``touchstone load`` against servers that people run: what they count is what was asked, and what they hide is found."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from pyarrow import parquet
from servers import llamacpp_server, run_touchstone, touchstone_load, transformers_serve

from touchstone.checkpoints import synthetic
from touchstone.judge import metrics
from touchstone.judge.load.scan import offered_points
from touchstone.served import Ending
from touchstone.server_names import Reading

INPUT, OUTPUT = 48, 12
SHAPE = ("--input-len", INPUT, "--output-len", OUTPUT)
TEMPLATE_AND_FIRST_WORD = 12
"""Tokens that all chat prompts of the synthetic checkpoints begin with: nine of the template, and a common first word."""


def importable(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


@pytest.fixture(scope="module")
def llamacpp(tiny, tmp_path_factory):
    pytest.importorskip("xllamacpp")
    with llamacpp_server(synthetic.ensure_gguf(tiny, "fp32"), tmp_path_factory.mktemp("llamacpp")) as url:
        yield url


@pytest.fixture(scope="module")
def hugging_face(tiny, tmp_path_factory):
    if not importable("fastapi", "uvicorn", "openai", "torch"):
        pytest.skip("transformers serve is not installed")
    with transformers_serve(tiny, tmp_path_factory.mktemp("transformers")) as url:
        yield url


def columns(loaded, *names):
    return [loaded.facts[name] for name in names]


def assert_proven(loaded, count):
    """Every request ended well, with exactly the tokens asked for by the server's own count, and its times add up."""
    requests = loaded.requests
    assert len(requests) == count
    assert loaded.facts["status"] == ["ok"] * count, loaded.facts["error"]
    assert columns(loaded, "input_tokens", "input_tokens_asked") == [[INPUT] * count] * 2
    assert columns(loaded, "output_tokens", "output_tokens_asked") == [[OUTPUT] * count] * 2
    assert loaded.facts["finish"] == ["length"] * count
    assert_times_add_up(loaded)


def assert_times_add_up(loaded):
    requests = loaded.requests
    spans_ns = (requests.last_token_ns - requests.first_token_ns).tolist()
    for row, span_ns in enumerate(spans_ns):
        tokens = metrics.token_events(loaded.events_of(row))
        assert int(np.diff(tokens.at_ns.data).sum()) == span_ns
        assert len(tokens) == requests.token_events[row]
    ttft, tpot, e2e = metrics.ttft(requests), metrics.tpot(requests), metrics.e2e(requests)
    assert ttft.count() == e2e.count() == len(requests)
    assert (np.abs(e2e - ttft - metrics.later_tokens(requests) * tpot).compressed() < 1e-9).all()
    assert (e2e == ttft)[tpot.mask].all()  # all of the answer came in one read
    assert (requests.ended_ns >= requests.last_token_ns).all()


def counted(loaded, metric):
    """By how much the server's own counter grew while the one point was played."""
    [point] = loaded.run.points
    before, after = (Reading.from_json(point.server[when]).values[metric] for when in ("before", "after"))
    return after - before


# ── llama.cpp ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompts", ["words found by asking", "words of the tokenizer"])
@pytest.mark.parametrize("backend", ["openai-chat", "openai"])
def test_lengths_are_what_llamacpp_counts(llamacpp, tiny, tmp_path, prompts, backend):
    tokenizer = ("--tokenizer", tiny) if "tokenizer" in prompts else ()
    loaded = touchstone_load(tmp_path / "run", llamacpp, "--backend", backend, *SHAPE, "--num-prompts", 20, "--concurrency", 4, *tokenizer)
    assert_proven(loaded, 20)
    assert max(loaded.requests.cached_tokens.tolist()) <= TEMPLATE_AND_FIRST_WORD


def test_llamacpps_counters_agree_with_the_answers(llamacpp, tmp_path):
    loaded = touchstone_load(tmp_path / "run", llamacpp, *SHAPE, "--num-prompts", 24, "--concurrency", 4)
    assert counted(loaded, "generation_tokens_total") == loaded.requests.output_tokens.sum() == 24 * OUTPUT
    assert counted(loaded, "prompt_tokens_total") == loaded.requests.input_tokens.sum() == 24 * INPUT
    assert counted(loaded, "prefix_cache_hits") == loaded.requests.cached_tokens.sum()
    rows = parquet.read_table(loaded.directory / "server.parquet").to_pylist()
    assert {row["engine"] for row in rows} == {"llamacpp"}
    generated = [row["value"] for row in rows if row["metric"] == "generation_tokens_total"]
    assert generated == sorted(generated)
    assert rows == sorted(rows, key=lambda row: row["at_ns"])
    verdicts = {one["rule"]: one["status"] for one in loaded.report["verdicts"]}
    assert verdicts["server-tokens"] == verdicts["prefix-cache"] == verdicts["input-length"] == "pass"


def test_llamacpp_closes_every_connection_and_no_request_is_lost_by_that(llamacpp, tmp_path):
    """It promises to keep connections (``Keep-Alive: timeout=5``) and closes them after each stream all the same."""
    loaded = touchstone_load(tmp_path / "run", llamacpp, *SHAPE, "--num-prompts", 60, "--concurrency", 12, "--processes", 2)
    assert_proven(loaded, 60)
    assert "closes-connections" in loaded.run.header["probe"]["notes"]
    assert set(columns(loaded, "process")[0]) == {0, 1}


def test_prompts_that_llamacpp_has_seen_are_found_out(llamacpp, tmp_path):
    """Its prompt cache is on unless it is told otherwise."""
    words = " ".join(["how", "which", "there", "when"] * 20)
    dataset = tmp_path / "same.jsonl"
    dataset.write_text(f'{json.dumps({"prompt": words, "output_len": 4})}\n' * 6)
    loaded = touchstone_load(tmp_path / "run", llamacpp, "--dataset-path", dataset, "--num-prompts", 6, "--concurrency", 1, "--warmup", 0,
                             "--ignore-eos")
    cached, tokens = columns(loaded, "cached_tokens", "input_tokens")
    assert len(set(tokens)) == 1
    assert cached[0] < tokens[0] / 2
    assert min(cached[1:]) >= tokens[0] - 1  # the last one is always computed
    assert counted(loaded, "prefix_cache_hits") == sum(cached)
    [case] = loaded.report["cases"]
    assert case["conditions"]["cached_tokens"] == pytest.approx({"mean": sum(cached) / 6, "min": min(cached), "max": max(cached)}, abs=0.01)


def test_later_turns_have_the_conversation_in_front(llamacpp, tmp_path):
    loaded = touchstone_load(tmp_path / "run", llamacpp, "--input-len", 24, "--output-len", 8, "--turns", 3, "--num-prompts", 9,
                             "--concurrency", 1, "--warmup", 0)
    assert loaded.facts["status"] == ["ok"] * 9
    turns, tokens, cached = columns(loaded, "turn", "input_tokens", "cached_tokens")
    assert turns == [0, 1, 2] * 3
    assert tokens[0::3] == [24] * 3
    for row in (1, 2, 4, 5, 7, 8):
        assert tokens[row] > tokens[row - 1] + 8
        assert cached[row] >= tokens[row - 1] - 5  # all of the turn before but the opening of its answer


def test_llamacpp_without_streaming(llamacpp, tmp_path):
    loaded = touchstone_load(tmp_path / "run", llamacpp, *SHAPE, "--num-prompts", 8, "--concurrency", 2, "--no-stream")
    assert loaded.facts["status"] == ["ok"] * 8
    assert columns(loaded, "input_tokens", "output_tokens") == [[INPUT] * 8, [OUTPUT] * 8]
    assert columns(loaded, "token_events") == [[1] * 8]


def test_an_open_load_on_llamacpp_keeps_its_schedule(llamacpp, tmp_path):
    loaded = touchstone_load(tmp_path / "run", llamacpp, *SHAPE, "--num-prompts", 30, "--request-rate", 30, "--warmup", 0)
    assert_proven(loaded, 30)
    assert (loaded.requests.sent_ns >= loaded.requests.scheduled_ns).all()
    assert (np.diff(loaded.requests.scheduled_ns) >= 0).all()


# ── transformers serve ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_server_that_lists_no_model_needs_its_name(hugging_face):
    done = run_touchstone("load", "--base-url", hugging_face, "--no-calibrate", *map(str, SHAPE), "--ui", "none")
    assert done.returncode == 2
    assert "--model" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("prompts", ["words found by asking", "words of the tokenizer"])
@pytest.mark.parametrize("backend", ["openai-chat", "openai"])
def test_lengths_are_what_transformers_counts(hugging_face, tiny, tmp_path, prompts, backend):
    """It refuses requests with ``ignore_eos``, so that is left out and said."""
    tokenizer = ("--tokenizer", tiny) if "tokenizer" in prompts else ()
    loaded = touchstone_load(tmp_path / "run", hugging_face, "--model", tiny, "--backend", backend, *SHAPE, "--num-prompts", 8,
                             "--concurrency", 1, "--warmup", 1, *tokenizer)
    assert_proven(loaded, 8)
    notes = loaded.run.header["probe"]["notes"]
    assert "ignore-eos-refused" in notes
    assert "closes-connections" not in notes
    assert loaded.requests.cached_tokens.count() == 0


def test_a_queue_is_seen_as_one(hugging_face, tiny, tmp_path):
    """It answers one request at a time. With four in flight each waits for the three before it, and Little's law holds."""
    loaded = touchstone_load(tmp_path / "run", hugging_face, "--model", tiny, *SHAPE, "--num-prompts", 24, "--concurrency", 4)
    assert_proven(loaded, 24)
    requests = loaded.requests
    sent, first, last = (column.data for column in (requests.sent_ns, requests.first_token_ns, requests.last_token_ns))
    order = np.argsort(first)
    assert (first[order][1:] > last[order][:-1]).all()
    in_front = [int(((last > sent[row]) & (last < first[row])).sum()) for row in order]
    assert in_front[:4] == [0, 1, 2, 3]
    assert in_front[4:] == [3] * 20
    assert np.median((first - sent)[order][4:]) > 2 * np.median((last - first)[order])
    verdicts = {one["rule"]: one["status"] for one in loaded.report["verdicts"]}
    assert verdicts["littles-law"] == "pass"


# ── both ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_fails_without_being_counted(llamacpp, tmp_path):
    """Prompts longer than the context are refused: each is counted as what it was, and none has a latency."""
    dataset = tmp_path / "long.jsonl"
    rows = [{"prompt": "how " * (900 if number % 2 else 9), "output_len": 4} for number in range(8)]
    dataset.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    loaded = touchstone_load(tmp_path / "run", llamacpp, "--dataset-path", dataset, "--num-prompts", 8, "--concurrency", 2, "--warmup", 0,
                             "--ignore-eos")
    assert sorted(loaded.facts["status"]) == ["http_error"] * 4 + ["ok"] * 4
    failed = loaded.requests.ending.data != Ending.OK
    assert loaded.facts["http_status"].count(400) == 4
    assert (metrics.e2e(loaded.requests).mask == failed).all()
    assert all("context" in error for error, lost in zip(loaded.facts["error"], failed, strict=True) if lost)
    [offered] = offered_points(loaded.run)
    assert int(offered.good.sum()) == 4
