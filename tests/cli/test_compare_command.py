"""`touchstone compare`, `aa` and `history` on directories: what they print, what they keep, and the codes they end with."""

import json
import shutil

import pytest
from compared_runs import engine_run, load_run, save_engine_run, save_load_run

from touchstone.cli import run_command_line


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Directories of runs, by name: a, b the same thing; fast and slow others; one-launch; loads; another tool's file."""
    root = tmp_path_factory.mktemp("runs")
    made = {"a": {"seed": 1}, "b": {"seed": 2}, "fast": {"slower": 1 / 1.18, "seed": 3}, "slow": {"slower": 1.18, "seed": 4}, "once": {"seed": 5, "launches": 1},
            "noisy": {"seed": 6, "noise": 0.2}, "large": {"seed": 7, "target": {"engine": "transformers", "device": "cuda", "model": "large", "dtype": "bf16"}}}
    for name, options in made.items():
        save_engine_run(engine_run(created=f"2026-11-0{len(name)}", **options), root / name)
    for name, slower, seed in (("load-a", 1.0, 1), ("load-b", 1.2, 2)):
        save_load_run(load_run(slower, seed=seed, repeats=3), root / name)
    (root / "vllm.json").write_text(json.dumps({"model_id": "small", "duration": 10.0, "completed": 100, "total_input_tokens": 800, "max_concurrency": 8,
                                                "total_output_tokens": 1600, "request_throughput": 10.0, "output_throughput": 160.0,
                                                "total_token_throughput": 240.0, "mean_ttft_ms": 50.0, "mean_tpot_ms": 10.0}), encoding="utf-8")
    (root / "empty").mkdir()
    return root


@pytest.fixture
def said(capsys, runs, monkeypatch):
    """Runs a command in the runs' folder; gives (code, stdout, stderr)."""
    monkeypatch.chdir(runs)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*words):
        code = run_command_line([*map(str, words), "--lang", "en"])
        printed = capsys.readouterr()
        return code, printed.out, printed.err
    return call


def test_two_runs_are_compared(said):
    code, out, err = said("compare", "a", "fast")
    assert (code, err) == (0, "")
    assert out.startswith("B is 1.1")
    assert out.index("No difference in conditions") < out.index("TTFT (ms)")


@pytest.mark.parametrize(("words", "code"), [
    (("a", "slow"), 0), (("a", "slow", "--fail-on", "regression"), 6), (("a", "fast", "--fail-on", "regression"), 0), (("a", "b", "--fail-on", "regression"), 0),
    (("a", "b", "--fail-on", "unstable"), 0), (("a", "once", "--fail-on", "unstable"), 5), (("a", "noisy", "--fail-on", "unstable", "--fail-on", "regression"), 5),
    (("a", "slow", "--fail-on", "unstable", "--fail-on", "regression"), 6), (("a", "slow", "--fail-on", "regression", "--margin", "40%"), 0),
    (("once", "slow", "--fail-on", "regression"), 0),
])
def test_exit_codes(said, words, code):
    assert said("compare", *words)[0] == code


def test_a_load_run_is_compared_too(said):
    code, out, _ = said("compare", "load-a", "load-b", "--format", "json", "--fail-on", "regression")
    found = json.loads(out)
    assert code == 6
    assert found["headline"]["ratio"] == pytest.approx(1 / 1.2, rel=0.02)
    assert {row["metric"] for row in found["metrics"]} == {"ttft", "ttft.p99", "tpot", "tpot.p99", "e2e", "output_throughput"}


def test_several_runs_on_a_side(said):
    for words in (("a,b", "fast,fast"), ("--old", "a", "--old", "b", "--new", "fast", "--new", "fast")):
        code, _, err = said("compare", *words)
        assert code == 2
        assert "same measurement" in err
    code, out, _ = said("compare", "--old", "a", "--old", "b", "--new", "fast", "--new", "slow", "--format", "json")
    assert code == 0
    assert json.loads(out)["old"]["replicates"] == 2
    assert said("compare", "a,b", "fast,slow", "--format", "json")[1] == out


@pytest.mark.parametrize(("words", "code", "part"), [
    (("a",), 2, "two sides"), ((), 2, "two sides"), (("a", "b", "--old", "a"), 2, "two sides"), (("--old", "a"), 2, "two sides"),
    (("a", "nowhere"), 3, "cannot be read"), (("a", "large"), 2, "model small → large"), (("a", "load-a"), 2, "not measurements of the same thing"),
    (("a", "b", "--margin", "0"), 2, "between 0 and 100"), (("a", "b", "--margin", "missing.json"), 3, "neither a margin nor a file"), (("empty", "b"), 3, "neither a run nor results"),
])
def test_mistakes_are_named_and_are_no_tracebacks(said, words, code, part):
    found = said("compare", *words)
    assert found[0] == code, found
    assert found[1] == ""
    assert part in found[2]
    assert "Traceback" not in found[2]


def test_a_directory_of_runs_is_no_run_and_they_are_named(said, runs):
    code, out, err = said("compare", runs, "a")
    assert (code, out) == (3, "")
    assert f"{runs} is not a run, but holds runs." in err
    assert str(runs / "noisy") in err or str(runs / "a") in err


def test_unlike_runs_are_compared_where_asked_and_called_confounded(said):
    code, out, _ = said("compare", "a", "large", "--allow-differences")
    assert code == 0
    assert "Confounded, by what differs" in out
    assert "work: model small → large" in out


def test_another_tools_file_is_a_side(said):
    code, out, err = said("compare", "vllm.json", "load-a", "--allow-differences")
    assert code == 0, err
    assert "inconclusive" in out
    assert "definitions differ" in out
    assert "small · 1 run · not audited" in out


def test_a_damaged_run_is_named(said, runs, tmp_path):
    damaged = shutil.copytree(runs / "b", tmp_path / "damaged")
    (damaged / "run.json").write_text(json.dumps({**json.loads((damaged / "run.json").read_text(encoding="utf-8")), "plan": 7}), encoding="utf-8")
    code, _, err = said("compare", "a", damaged)
    assert code == 3
    assert "run.json is damaged" in err


# ── aa ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_aa_keeps_the_noise_floor_and_compare_uses_it(said, runs):
    code, out, err = said("aa", "a", "b")
    assert (code, err) == (0, "the noise floor is kept in aa.json: touchstone compare OLD NEW --margin aa.json\n")
    assert out.startswith("equivalent: measured twice")
    code, out, _ = said("compare", "a", "fast", "--margin", "aa.json")
    assert code == 0
    assert "the noise floor in aa.json" in out
    assert said("aa", "a", "noisy", "--fail-on", "unstable", "--save", "noisy.json")[0] == 5
    code, out, _ = said("compare", "b", "fast", "--margin", "noisy.json", "--format", "json")
    assert code == 0
    assert json.loads(out)["margin"] == json.loads((runs / "noisy.json").read_text(encoding="utf-8"))["floors"][0]["margin"] > 0.02


@pytest.mark.parametrize(("words", "code", "part"), [
    (("a", "large"), 2, "model small → large"), (("a", "a"), 2, "same measurement"), (("a", "b", "--save", "vllm.json"), 3, "no file of noise floors"),
    (("a", "nowhere"), 3, "cannot be read"),
])
def test_aa_refuses_what_is_not_the_same(said, words, code, part, runs):
    before = (runs / "vllm.json").read_bytes()
    found = said("aa", *words)
    assert found[0] == code
    assert part in found[2]
    assert (runs / "vllm.json").read_bytes() == before


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_history_lists_every_run_and_says_what_it_left_out(said, runs, tmp_path):
    code, out, err = said("history", runs, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert sorted(len(one["runs"]) for one in found["series"]) == [1, 1, 2, 6, 6]
    assert {one["missing"] for one in found["series"]} == {14, 13, 9}
    shutil.copytree(runs / "a", tmp_path / "all" / "a")
    (tmp_path / "all" / "broken").mkdir()
    (tmp_path / "all" / "broken" / "run.json").write_text("{", encoding="utf-8")
    code, out, _ = said("history", tmp_path / "all", "--metric", "ttft")
    assert code == 0
    assert "TTFT (ms)" in out
    assert "broken is left out" in out.replace("\n", "")


def test_history_of_nothing_and_of_an_unknown_metric(said, tmp_path):
    assert said("history", tmp_path) == (0, f"there is no run below {tmp_path}\n", "")
    code, _, err = said("history", tmp_path, "--metric", "tfft")
    assert code == 2
    assert "ttft" in err
