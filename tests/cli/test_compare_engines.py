"""`touchstone compare` on two engines: the same requests through each of them, and where the time of the difference goes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import pytest
from builders import MS, make_facts, make_record, make_run, make_trial, plan_case
from compared_runs import save_engine_run
from rich.cells import cell_len

from touchstone.cli import run_command_line
from touchstone.run_directories import read_run

GOLDEN = """
short: B takes 7.7 ms longer per request: engine and HTTP +7.1 ms, tokenizer
+0.400 ms, client +0.200 ms
12 and 12 requests; the prompts are the same; tokens in 7, out 16; the texts are
the same
ms                    A       B Difference  Share
engine and HTTP 200.010 207.110     +7.100  92.2%
tokenizer             -   0.400     +0.400   5.2%
client                -   0.200     +0.200   2.6%
whole request   200.010 207.710     +7.700 100.0%

TTFT (ms)
"""
OWN_CLOCK = """
ms                           A       B Difference   Share
engine                 180.000 180.000     +0.000    0.0%
of which prefill        40.000  40.000     +0.000       -
of which decode        140.000 140.000     +0.000       -
HTTP and queue               -  27.510    +27.510  357.3%
client                       -   0.200     +0.200    2.6%
call around the engine  20.010       -    -20.010 -259.9%
whole request          200.010 207.710     +7.700  100.0%
"""
LAG = {"requests": 8, "sent_mean_ns": 50_000, "last_mean_ns": 150_000}
TEXT = {"prompts_as": "text", "started_here": True, "client": {"1": LAG}, "tokenizer_ns_per_token": 400_000 / 7}
IDS = {"prompts_as": "token ids", "started_here": True, "client": {"1": LAG}}
CLOCKLESS, CLOCK = {"engine_prefill_ns": None, "engine_decode_ns": None}, {"engine_prefill_ns": 40 * MS, "engine_decode_ns": 140 * MS}
MADE = {"transformers": ({}, CLOCKLESS, 50.0), "transformers-serve": (TEXT, CLOCKLESS, 57.7), "llama.cpp": ({}, CLOCK, 50.0), "llamacpp-server": (IDS, CLOCK, 57.7)}
PAIRS = list(combinations(MADE, 2))


def made(name):
    """Three launches of one case whose means are known to the microsecond."""
    options, clock, first_ms = MADE[name]
    trials = [make_trial("short", index, launch=launch, sequence=4 * launch + index,
                         records=(make_record(first_ns=round((first_ms + 0.01 * launch) * MS), prompt_digest=f"{index}", **clock),))
              for launch in range(3) for index in range(4)]
    launches = [{"launch": launch, "facts": make_facts(engine=name, options=options)} for launch in range(3)]
    return make_run(trials, [plan_case("short")], id=name, launches=launches)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Directories of runs of four engines, by their names, and of one whose name is an attack."""
    root = tmp_path_factory.mktemp("engines")
    for name in MADE:
        save_engine_run(made(name), root / name)
    odd = made("transformers-serve")
    options = {**TEXT, "client": {"reason": "\x1b[2J<script>alert(1)</script>" * 20}}
    launches = [{"launch": launch, "facts": make_facts(engine="<b>\x1b[31m", options=options)} for launch in range(3)]
    save_engine_run(replace(odd, header={**odd.header, "id": "odd", "launches": launches}), root / "odd")
    return root


@pytest.fixture
def said(capsys, runs, monkeypatch):
    """What a comparison of two of the runs prints, which must end well."""
    monkeypatch.chdir(runs)

    def call(*words, width=80, lang="en"):
        monkeypatch.setenv("COLUMNS", str(width))
        assert run_command_line(["compare", *words, "--lang", lang]) == 0
        return capsys.readouterr().out
    return call


def test_the_difference_is_told_part_by_part(said):
    out = said("transformers", "transformers-serve")
    assert GOLDEN in out
    assert out.index("The one difference: the engine") < out.index(GOLDEN)


def test_engines_with_clocks_are_told_from_what_is_around_them(said):
    out = said("llama.cpp", "llamacpp-server")
    assert OWN_CLOCK in out
    assert "short: B takes 7.7 ms longer per request: HTTP and queue +27.5 ms, call around" in out


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_any_two_engines_compare_and_every_face_has_the_same_sum(said, pair):
    document = json.loads(said(*pair, "--format", "json"))
    assert not document["confounded"]
    [one] = document["attributions"]
    for side in ("old_ns", "new_ns"):
        assert sum(part[side] or 0 for part in one["parts"]) == one["whole"][side]
    assert one["alike"]["prompts"] == one["alike"]["texts"] == 1
    page = said(*pair, "--format", "md")
    assert f"**{one['sentence'].replace('_', chr(92) + '_')}**" in page
    assert f"| whole request | {one['whole']['old_ns'] / 1e6:.3f} | {one['whole']['new_ns'] / 1e6:.3f} |" in page


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_it_fits_the_terminal_and_steers_nothing(said, width, lang):
    text = said("transformers", "odd", width=width, lang=lang)
    assert max(map(cell_len, text.splitlines())) <= width
    for face in ("text", "md"):
        assert "\x1b" not in said("transformers", "odd", "--format", face, lang=lang)
    assert "<script" not in said("transformers", "odd", "--format", "md", lang=lang)


# ── the engines themselves ───────────────────────────────────────────────────────────────────────────────────────────────

PLAN = """
name: small
launches: 1
trials: 2
warmup: 1
observer_pairs: 0
verification: null
cases:
  - {name: one, input_tokens: 12, output_tokens: 8}
  - {name: pair, input_tokens: 12, output_tokens: 8, batch_size: 2}
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The directories of one plan measured through four engines, on a model whose every prompt survives as text."""
    for name in ("torch", "transformers", "uvicorn", "xllamacpp", "gguf"):
        pytest.importorskip(name)
    root = tmp_path_factory.mktemp("measured")
    (root / "small.yaml").write_text(PLAN, encoding="utf-8")
    for engine in MADE:
        done = subprocess.run([sys.executable, "-m", "touchstone", "run", str(root / "small.yaml"), "--engine", engine, "-m", "25m", "--dtype", "fp32",
                               "-o", str(root / engine)], capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ))
        assert done.returncode == 0, done.stderr
    return root


def records_of(directory):
    """The measured requests by their ids."""
    return {record.request_id: record for trial in read_run(directory).measured() for record in trial.records}


@pytest.mark.slow
def test_four_engines_get_the_same_requests_and_give_the_same_answers(measured):
    seen = {engine: {name: (record.prompt_digest, record.input_tokens, record.output_tokens, record.text) for name, record in records_of(measured / engine).items()}
            for engine in MADE}
    assert len(seen["transformers"]) == 6
    assert {(inputs, outputs) for _, inputs, outputs, _ in seen["transformers"].values()} == {(12, 8)}
    for engine in MADE:
        assert seen[engine] == seen["transformers"], engine


@pytest.mark.slow
def test_an_engines_own_clock_is_never_ahead_of_ours(measured):
    for engine, (_, clock, _) in MADE.items():
        for record in records_of(measured / engine).values():
            if clock is CLOCKLESS:
                assert (record.engine_prefill_ns, record.engine_decode_ns) == (None, None)
            else:
                assert 0 < record.engine_prefill_ns + record.engine_decode_ns <= record.event_ns[-1] - record.sent_ns


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_real_runs_are_compared_and_attributed(measured, pair, capsys):
    assert run_command_line(["compare", *(str(measured / engine) for engine in pair), "--format", "json", "--lang", "en"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {one["factor"] for one in document["differences"]} <= {"engine", "measured", "label"}
    assert [one["case"] for one in document["attributions"]] == ["one", "pair"]
    for one in document["attributions"]:
        told = {piece for part in one["parts"] for piece in part["pieces"]}
        assert told == {"engine"} | ({"http", "client"} if any("serve" in engine for engine in pair) else set()) \
            | ({"tokenizer"} if "transformers-serve" in pair else set()) | ({"call"} if "llama.cpp" in pair else set())
        for place, side in enumerate(("old_ns", "new_ns")):
            assert sum(part[side] or 0 for part in one["parts"]) == one["whole"][side]
            [client] = [part[side] for part in one["parts"] if part["pieces"] == ["client"]] or [None]
            assert (client is not None) == ("serve" in pair[place])
        assert one["alike"]["prompts"] == one["alike"]["texts"] == 1
