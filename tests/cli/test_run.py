"""`touchstone run` as a user has it: real processes, a real engine, everything on disk afterwards."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from touchstone import store
from touchstone.record import Phase, Status

TOUCHSTONE = [sys.executable, "-m", "touchstone"]
PLAN = """
name: small
trials: 3
warmup: 1
observer_pairs: 2
cases:
  - {name: short, input_tokens: 8, output_tokens: 16}
  - {name: pair, input_tokens: 8, output_tokens: 16, batch_size: 2}
"""


def touchstone(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TOUCHSTONE, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, **variables})


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run of the packaged quick suite, shared by the tests that only look at it."""
    directory = tmp_path_factory.mktemp("quick") / "run"
    done = touchstone("run", "quick", "-m", "tiny", "-o", directory)
    assert done.returncode == 0, done.stderr
    return directory


def document(directory: Path) -> dict:
    done = touchstone("report", directory, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_contract_for_scripts(quick: Path):
    report = document(quick)
    assert report["schema"] == 1
    assert report["run"]["status"] == "complete"
    assert report["run"]["engine"] == "llama.cpp"
    assert report["run"]["device"] == "cpu"
    assert [case["name"] for case in report["cases"]] == ["short", "long", "batch-4"]
    for case, (inputs, batch) in zip(report["cases"], [(16, 1), (256, 1), (16, 4)], strict=True):
        assert case["conditions"]["input_tokens"] == inputs
        assert case["conditions"]["output_tokens"] == 64
        assert case["conditions"]["batch_size"] == batch
        assert case["counts"] == {"issued": 5 * batch, "ok": 5 * batch, "failed": {}}
        for name in ("ttft", "tpot", "itl", "e2e"):
            metric = case["metrics"][name]
            assert metric["unit"] == "s"
            assert 0 < metric["low"] <= metric["mean"] <= metric["high"]
            assert metric["p50"] <= metric["max"]
            for key in ("p90", "p95", "p99"):
                assert (metric[key] is None) == (key in metric["reasons"])
        for name in ("decode_speed", "output_throughput", "peak_memory"):
            assert case["metrics"][name]["value"] > 0
    assert {"rule", "status", "message"} <= set(report["verdicts"][0])


def test_no_verdict_of_a_sound_run_is_inconsistent_or_impossible(quick: Path):
    assert not [one for one in document(quick)["verdicts"] if one["status"] in {"inconsistent", "impossible"}]


def test_tables_open_without_us_and_agree_with_the_report(quick: Path):
    measured = "phase = 'measured'"
    requests = duckdb.sql(f"select count(*), min(output_tokens), max(output_tokens) from '{quick}/requests.parquet' where {measured}")
    assert requests.fetchall()[0] == (5 + 5 + 20, 64, 64)
    events = duckdb.sql(f"select sum(tokens) from '{quick}/events.parquet' join '{quick}/requests.parquet' "
                        f"using (launch, process, sequence, request) where {measured}")
    assert events.fetchall()[0] == (30 * 64,)
    assert duckdb.sql(f"select count(*) > 0 from '{quick}/telemetry.parquet'").fetchall()[0] == (True,)
    prompts = duckdb.sql(f"select count(distinct prompt_digest) from '{quick}/requests.parquet' where {measured}").fetchall()[0]
    assert prompts == (30,)


def test_the_run_says_what_it_ran_on(quick: Path):
    header = store.read_header(quick)
    assert header["environment"]["packages"]["xllamacpp"]
    assert header["environment"]["python"] == sys.version.split()[0]
    assert header["launches"][0]["facts"]["random_weights"] is True
    assert header["launches"][0]["facts"]["loads"][0]["seconds"] > 0
    assert header["clock"]["resolution_ns"] >= 1
    assert header["telemetry"]["launches"][0]["cost_fraction"] < 1


def test_the_report_is_written_in_both_languages(quick: Path):
    chinese = (quick / "report.zh.md").read_text(encoding="utf-8")
    columns = ["场景", "输入长度", "生成长度", "Batch Size", "平均首token延迟(ms)", "解码速度(tokens/s/req)", "总吞吐量(tokens/s)", "内存峰值(GB)"]  # of a CPU; a device has 显存
    assert "| " + " | ".join(columns) in chinese
    assert "random" in (quick / "report.en.md").read_text(encoding="utf-8")
    assert any(line.startswith("判定") for line in touchstone("report", quick, "--lang", "zh").stdout.splitlines()[:3])
    assert touchstone("report", quick, TOUCHSTONE_LANG="zh").stdout == touchstone("report", quick, "--lang", "zh").stdout


def test_the_run_can_be_played_again_from_what_it_kept(quick: Path, tmp_path: Path):
    command = shlex.split(document(quick)["reproduce"][0])
    assert command[:2] == ["touchstone", "run"]
    again = touchstone(*command[1:], "--trials", "1", "--warmup", "0", "-o", tmp_path / "again", "--ui", "none")
    assert again.returncode == 0, again.stderr
    first, second = store.load(quick), store.load(tmp_path / "again")
    assert {trial.records[0].prompt_digest for trial in second.measured()} < {
        record.prompt_digest for trial in first.measured() for record in trial.records}


def test_a_secret_in_the_environment_is_written_nowhere(plan: Path, tmp_path: Path):
    done = touchstone("run", plan, "-m", "tiny", "-o", tmp_path / "run", VLLM_API_KEY="s3cr3t-one", TOUCHSTONE_HF_TOKEN="s3cr3t-two")
    assert done.returncode == 0, done.stderr
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"s3cr3t" not in written + done.stdout.encode() + done.stderr.encode()


@pytest.mark.slow
def test_launches_are_processes_and_the_unit_of_the_interval(plan: Path, tmp_path: Path):
    done = touchstone("run", plan, "-m", "tiny", "--launches", "3", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = store.load(tmp_path / "run")
    assert len(run.header["launches"]) == 3
    orders = [[trial.case for trial in run.measured() if trial.launch == launch] for launch in range(3)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    throughput = document(tmp_path / "run")["cases"][0]["metrics"]["output_throughput"]
    assert throughput["method"] == "log-t over launches"


def test_a_case_goes_on_until_it_is_known_well_enough(plan: Path, tmp_path: Path):
    done = touchstone("run", plan, "-m", "tiny", "--case", "short", "--half-width", "0.9", "--max-trials", "14", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = store.load(tmp_path / "run")
    assert 10 <= len(run.measured("short")) <= 14
    assert run.header["stopped_by"][0]["stopped_by"] in {"half_width", "max_trials"}


def test_warm_up_found_on_a_pilot_is_frozen_for_every_launch(plan: Path, tmp_path: Path):
    done = touchstone("run", plan, "-m", "tiny", "--case", "short", "--warmup", "auto", "--launches", "2", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = store.load(tmp_path / "run")
    pilots = [trial for trial in run.trials if trial.phase is Phase.PILOT_WARMUP]
    assert {trial.launch for trial in pilots} == {0}
    later = [trial for trial in run.trials if trial.phase is Phase.WARMUP and trial.launch == 1]
    assert len(later) == run.header["warmup"]["short"]


BEFORE_MEASURING = 9 + 5 + 2 + 2  # verification, pilot, warm-ups, and a little more


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def measuring(directory: Path, trials: int) -> Callable[[], bool]:
    """Whether the run in ``directory`` has measured at least ``trials`` trials."""
    return lambda: len(list((directory / "parts").glob("trials-*.parquet"))) > BEFORE_MEASURING + trials


def long_run(tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    plan = tmp_path / "long.yaml"
    plan.write_text(PLAN.replace("trials: 3", "trials: 4000"), encoding="utf-8")
    directory = tmp_path / "run"
    return subprocess.Popen([*TOUCHSTONE, "run", str(plan), "-m", "tiny", "-o", str(directory)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True), directory


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_control_c_keeps_what_is_finished_and_reports_it(tmp_path: Path, ending: signal.Signals):
    process, directory = long_run(tmp_path)
    until(measuring(directory, 3))
    process.send_signal(ending)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert ("Ctrl-C again" in err) == (ending is signal.SIGINT)
    assert f"touchstone run --resume {directory}" in err
    assert "interrupted" in out
    assert (directory / "report.zh.md").exists()
    assert document(directory)["run"]["status"] == "interrupted"
    assert not (directory / "parts").exists()


@pytest.mark.slow
def test_after_kill_9_everything_finished_is_there_and_the_run_goes_on(tmp_path: Path):
    process, directory = long_run(tmp_path)
    until(measuring(directory, 3))
    children = psutil.Process(process.pid).children()
    process.kill()
    process.communicate(timeout=60)
    psutil.wait_procs(children, timeout=60)  # they end by themselves, the measuring one after its trial, when their parent is gone
    assert not any(child.is_running() for child in children)
    before = store.load(directory)
    assert before.status == "incomplete"
    assert len(before.measured()) >= 3
    assert duckdb.sql(f"select count(*) from '{directory}/parts/trials-*.parquet'").fetchall()[0][0] >= len(before.trials)
    assert document(directory)["run"]["status"] == "incomplete"
    header = store.read_header(directory)
    most = max(len(before.measured(case)) for case in ("short", "pair"))
    header["plan"]["trials"] = most + 2
    store.write_header(directory, header)
    done = touchstone("run", "--resume", directory)
    assert done.returncode == 0, done.stderr
    after = store.load(directory)
    assert set(before.trials) <= set(after.trials)
    for case in ("short", "pair"):
        ended = [trial.index for trial in after.measured(case)]
        assert len(ended) == len(set(ended)) >= most + 2
    assert after.status == "complete"
    assert touchstone("run", "--resume", directory).returncode == 2


@pytest.mark.slow
def test_a_crash_costs_one_case_and_the_rest_is_measured(plan: Path, tmp_path: Path):
    """The measuring process is killed, as the kernel does when memory runs out."""
    plan.write_text(PLAN.replace("trials: 3", "trials: 300"), encoding="utf-8")
    directory = tmp_path / "run"
    process = subprocess.Popen([*TOUCHSTONE, "run", str(plan), "-m", "tiny", "-o", str(directory)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    until(measuring(directory, 3))
    (child,) = (child for child in psutil.Process(process.pid).children() if "launch" in child.cmdline())
    child.kill()
    process.communicate(timeout=120)
    assert process.returncode == 0
    report = document(directory)
    failed = [case for case in report["cases"] if case["counts"]["failed"]]
    whole = [case for case in report["cases"] if not case["counts"]["failed"]]
    assert len(failed) == len(whole) == 1
    assert "killed" in failed[0]["counts"]["failed"]
    assert whole[0]["conditions"]["trials"] == 300


def test_a_batch_that_does_not_fit_is_a_row_and_the_others_run(tmp_path: Path):
    plan = tmp_path / "sweep.yaml"
    plan.write_text("name: sweep\ntrials: 2\nwarmup: 1\ncases:\n  - {name: b, input_tokens: 8, output_tokens: 16, batch_size: [1, 100000000]}\n",
                    encoding="utf-8")
    done = touchstone("run", plan, "-m", "tiny", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    small, large = document(tmp_path / "run")["cases"]
    assert small["counts"]["ok"] == 2
    assert large["counts"]["failed"] == {"out_of_memory": 100000000}
    assert store.load(tmp_path / "run").tried("b-b100000000")[0].status is Status.OUT_OF_MEMORY


@pytest.mark.slow
def test_broken_weights_stop_the_suite_before_anything_is_measured(tiny: Path, tmp_path: Path):
    model = tmp_path / "broken"
    model.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (model / name).write_bytes((tiny / name).read_bytes())
    weights = load_file(tiny / "model.safetensors")
    weights["model.norm.weight"][:] = np.nan
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    done = touchstone("run", "quick", "-m", model, "--engine", "transformers", "-o", tmp_path / "run", "--ui", "none")
    assert done.returncode == 3
    assert "nothing was measured" in done.stderr
    assert "Traceback" not in done.stderr
    assert store.load(tmp_path / "run").measured() == ()


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["run", "quik"], 2, "Did you mean quick?"),
    (["run", "quick", "-m", "tinny"], 2, "Did you mean tiny?"),
    (["run", "quick", "-m", "no/such/model"], 3, "no model at"),
    (["run", "quick", "--engine", "transformer"], 2, "Did you mean transformers?"),
    (["run", "quick", "-m", "tiny", "--dtype", "fp8"], 2, "fp32, fp16, bf16, int8"),
    (["run", "quick", "-m", "tiny", "--device", "tpu"], 2, "Unknown device"),
    (["run", "quick", "-m", "tiny", "--device", "cuda", "--engine", "llama.cpp"], 2, "does not run on cuda"),
    (["run", "quick", "-m", "tiny", "--case", "shrot"], 2, "Did you mean short?"),
    (["run", "quick", "-m", "tiny", "--warmup", "many"], 2, "--warmup takes"),
    (["run", "quick", "-m", "tiny", "--batch-size", "100000000"], 3, "Nothing of this plan fits"),
    (["run", "quick", "-m", "tiny", "--input-len", "9000"], 2, "positions"),
    (["run", "quick", "-m", "llama-2-7b", "--engine", "llama.cpp"], 2, "straight on a device"),
    (["run", "no-such-file.yaml"], 3, "cannot be read"),
    (["report", "no-such-directory"], 3, "is not a run"),
    (["run", "--resume", "no-such-directory"], 3, "is not a run"),
    (["rnu"], 2, "Did you mean run?"),
])
def test_a_mistake_gets_one_clear_error_and_no_traceback(arguments: list[str], code: int, said: str, tmp_path: Path):
    where = ["-o", str(tmp_path / "run"), "--ui", "none"] if arguments[0] == "run" and "--resume" not in arguments else []
    done = touchstone(*arguments, *where)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


SERVER = "http://127.0.0.1:9"


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["--base-url", "htp://x", "-m", "tiny"], 2, "not the address of a server"),
    (["--base-url", "", "-m", "tiny"], 2, "not the address of a server"),
    (["--base-url", "http://user:s3cr3t@127.0.0.1:9", "-m", "tiny"], 2, "not the address of a server"),
    (["--base-url", "https://127.0.0.1:9", "-m", "tiny"], 2, "without encryption"),
    (["--base-url", SERVER], 2, "needs --model"),
    (["--base-url", SERVER, "-m", "tiny", "--engine", "vllm-server"], 2, "Leave out one of the two"),
    (["--engine", "server", "-m", "tiny"], 2, "--base-url is missing"),
    (["--engine", "transformers-serve", "-m", "tiny", "--server-arg", "--port=80"], 2, "chooses where its server listens"),
    (["--engine", "transformers-serve", "-m", "tiny", "--server-arg", "--api-key=s3cret"], 2, "would refuse the run's own requests"),
    (["--engine", "vllm-server", "-m", "tiny", "--engine-python", sys.executable], 3, "has no vllm"),
    (["--engine", "transformers", "-m", "tiny", "--engine-python", "/bin"], 2, "is a directory"),
])
def test_what_cannot_be_measured_leaves_no_directory(arguments: list[str], code: int, said: str, tmp_path: Path):
    done = touchstone("run", "quick", *arguments, "-o", tmp_path / "run")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_server_that_nobody_started_is_not_reached(tmp_path: Path):
    done = touchstone("run", "quick", "--base-url", f"{SERVER}/v1/", "-m", "tiny", "-o", tmp_path / "run", "--ui", "none")
    assert done.returncode == 3
    assert "No server can be reached at 127.0.0.1:9" in done.stderr
    assert store.read_header(tmp_path / "run")["target"]["options"]["base_url"] == SERVER


def test_an_interpreter_is_where_the_user_said_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from touchstone.cli.run import run
    from touchstone.cli.run_options import chosen_options

    monkeypatch.chdir(tmp_path)
    for given, path in (("venv/bin/python", f"{tmp_path}/venv/bin/python"), ("python3.12", "python3.12"), ("/usr/bin/python3", "/usr/bin/python3")):
        options = chosen_options(run.make_context("run", ["--engine-python", given]).params)
        assert options.engine_python == path


def test_every_option_is_under_one_heading_of_the_help():
    from click.testing import CliRunner

    from touchstone.cli.run import run

    text = CliRunner().invoke(run, ["--help"]).output
    for option in run.params[1:]:
        lines = [line for line in text.splitlines() if line.startswith("  -") and option.opts[0] in line.split("  ")[1].replace(",", " ").split()]
        assert len(lines) == 1, option.opts
    assert [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")] == [
        "What is measured:", "How often:", "Engine:", "Settings of vllm, sglang, mindie and their servers:", "Settings of transformers:", "Servers:", "Result:"]


def test_a_run_that_goes_on_cannot_be_joined(tmp_path: Path):
    process, directory = long_run(tmp_path)
    until(measuring(directory, 1))
    done = touchstone("run", "--resume", directory)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert done.returncode == 3
    assert "is being measured by another process" in done.stderr
    assert store.read_header(directory)["processes"] == 1


def test_a_run_goes_on_as_it_was_begun(tmp_path: Path):
    done = touchstone("run", "--resume", tmp_path, "--trials", "3", "--lang", "en")
    assert done.returncode == 2
    assert "--trials cannot be changed" in done.stderr


def test_errors_are_said_in_the_users_language(tmp_path: Path):
    done = touchstone("report", tmp_path, "--lang", "zh")
    assert done.returncode == 3
    assert "run.json" in done.stderr
    assert any("\u4e00" <= character <= "\u9fff" for character in done.stderr)


def test_a_run_never_overwrites_another(quick: Path):
    done = touchstone("run", "quick", "-m", "tiny", "-o", quick)
    assert done.returncode == 3
    assert "already holds a run" in done.stderr


def test_a_half_written_table_is_named_and_the_rest_is_kept(quick: Path, tmp_path: Path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(quick, copy)
    table = copy / "requests.parquet"
    table.write_bytes(table.read_bytes()[:-40])
    done = touchstone("report", copy)
    assert done.returncode == 3
    assert "requests.parquet" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_suites_are_listed():
    done = touchstone("run", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "batch-sweep", "generation-settings", "quick", "six-scenarios", "stress", "verify"]


def test_plain_progress_has_no_control_characters(plan: Path, tmp_path: Path):
    done = touchstone("run", plan, "-m", "tiny", "-o", tmp_path / "run")
    assert done.returncode == 0
    assert "\x1b" not in done.stderr + done.stdout
    assert "\r" not in done.stderr


@pytest.mark.parametrize("engine", [pytest.param("transformers", marks=pytest.mark.slow), "llama.cpp"])
def test_verify_shows_the_texts(engine: str, tmp_path: Path):
    done = touchstone("run", "verify", "-m", "tiny", "--engine", engine, "-o", tmp_path / "run", "--ui", "none")
    assert done.returncode == 0, done.stderr
    assert len(document(tmp_path / "run")["texts"]) == 4
    assert "verification prompt 1" in (tmp_path / "run" / "report.en.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["transformers", "llama.cpp"])
def test_generation_settings_report_what_was_really_produced(engine: str, tmp_path: Path):
    done = touchstone("run", "generation-settings", "-m", "tiny", "--engine", engine, "--trials", "2", "--warmup", "1",
                      "-o", tmp_path / "run", "--ui", "none")
    assert done.returncode == 0, done.stderr
    cases = document(tmp_path / "run")["cases"]
    assert [case["name"] for case in cases] == ["greedy-256", "greedy-128", "greedy-64", "sampling-128"]
    for case in cases:
        assert not case["conditions"]["length_forced"]
        assert 1 <= case["conditions"]["output_tokens"] <= int(case["name"].rpartition("-")[2])
        assert case["conditions"]["input_tokens"] > 20


def test_runs_are_not_mixed(quick: Path, tmp_path: Path):
    """A run that is gone on with on another engine version is refused, and what it had is kept."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(quick, copy)
    header = store.read_header(copy)
    header["status"], header["plan"]["trials"] = "interrupted", 6
    header["launches"][0]["facts"]["version"] = "xllamacpp 1.0"
    store.write_header(copy, header)
    done = touchstone("run", "--resume", copy, "--ui", "none")
    assert done.returncode == 3
    assert "xllamacpp 1.0" in done.stderr
    assert set(store.load(quick).trials) <= set(store.load(copy).trials)
