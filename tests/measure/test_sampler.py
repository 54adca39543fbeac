"""The sampler as a process: the idle device first, one clock for all, an end with its parent, and a word for whatever goes wrong."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from builders import make_header, plan_case
from fakes.npu_smi import NpuSmi

from touchstone import sample_lines, store
from touchstone.clock import now_ns
from touchstone.measure import telemetry
from touchstone.measure.sensors.sampling import LEAST_IDLE, Orders
from touchstone.measure.telemetry import Sampler
from touchstone.plan import EngineOptions, Target

S = 1_000_000_000
HEAVY = ("numpy", "pydantic", "arro3", "rich", "scipy")


def target(device="cpu", **options):
    return Target(engine="transformers", device=device, model="/models/small", dtype="fp16", options=EngineOptions(**options))


@pytest.fixture
def directory(tmp_path):
    store.create(tmp_path / "run", make_header([plan_case()]))
    return tmp_path / "run"


def watch_me(sampler, seconds):
    """Be the measured process for a while."""
    with sampler:
        sampler.watch(os.getpid())
        time.sleep(seconds)
    return sampler.facts


def test_it_is_another_process_on_the_same_clock(directory):
    before_ns = now_ns()
    sampler = Sampler(directory, 2, 5, target())
    with sampler:
        (other,) = (child for child in psutil.Process().children() if "sample" in child.cmdline())
        started_ns = now_ns()
        sampler.watch(os.getpid())
        time.sleep(1.2)
    assert not other.is_running()
    samples = store.load(directory).samples
    assert all(before_ns < sample.at_ns < now_ns() for sample in samples)
    assert {sample.launch for sample in samples} == {2}
    mine = [sample for sample in samples if sample.resident_bytes is not None]
    assert all(sample.at_ns > started_ns for sample in mine)
    assert samples[0].resident_bytes is None  # before there was anything to measure
    assert len(mine) >= 3
    assert abs(mine[-1].resident_bytes - psutil.Process().memory_info().rss) < 200_000_000
    facts = sampler.facts
    assert (facts["launch"], facts["process"], facts["samples"]["telemetry"]) == (2, 5, len(samples))
    assert facts["period_s"] == pytest.approx(telemetry.PERIOD_S, rel=0.5)
    assert 0 < facts["cpu_s"] < facts["wall_s"]
    assert facts["started_ns"] <= started_ns


def test_the_idle_device_is_seen_before_anything_is_loaded(directory, tmp_path, monkeypatch):
    stand_in = NpuSmi(tmp_path, period_s=0.1)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "7,2")
    facts = watch_me(Sampler(directory, 0, 0, target("npu:1")), 1.0)
    samples = store.load(directory).device_samples
    assert sum(sample.at_ns < facts["started_ns"] for sample in samples) >= LEAST_IDLE
    assert {(sample.kind, sample.index) for sample in samples} == {("npu", 2)}
    assert facts["sensor"]["name"] == "npu-smi"
    assert facts["sensor"]["call_s"] > 0
    assert facts["missing"] == []
    assert not stand_in.watching()


def test_a_sensor_that_is_missing_is_named_and_the_host_is_watched_all_the_same(directory, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    facts = watch_me(Sampler(directory, 0, 0, target("cuda")), 0.3)
    assert facts["sensor"] is None
    assert facts["missing"][0]["of"] == "cuda"
    assert "CUDA_VISIBLE_DEVICES" in facts["missing"][0]["fields"]["variable"]
    assert store.load(directory).samples
    remote = watch_me(Sampler(directory, 0, 1, target("npu", base_url="http://10.0.0.7:8000")), 0.1)
    assert "another machine" in remote["missing"][0]["template"]


def test_it_ends_with_a_parent_that_was_killed(directory):
    code = (f"import time\nfrom pathlib import Path\nfrom touchstone.measure.telemetry import Sampler\nfrom touchstone.plan import Target\n"
            f"with Sampler(Path({str(directory)!r}), 0, 0, Target(engine='e', device='cpu', model='m', dtype='fp16')) as one:\n"
            f"    print(one._sampler.pid, flush=True)\n    time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        sampler = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.6)
        parent.kill()
    gone, _alive = psutil.wait_procs([sampler], timeout=10)
    assert gone
    assert len(sample_lines.read(sample_lines.part(directory, "telemetry", 0, 0))) >= 2  # and what it saw is kept


@pytest.mark.parametrize(("command", "why"), [
    (["/nowhere/python"], "cannot be started"), ([sys.executable, "-c", "raise SystemExit(3)"], "ended without a word"),
    ([sys.executable, "-c", "print('junk', flush=True); import sys; sys.stdin.read(); print('{')"], "ended without a word"),
    ([sys.executable, "-c", "import time; time.sleep(60)"], "ended without a word"),
])
def test_a_sampler_that_fails_is_missing_telemetry_and_no_error(directory, monkeypatch, command, why):
    monkeypatch.setattr(telemetry, "_READY_LIMIT_S", 1.0)
    monkeypatch.setattr(telemetry, "_END_LIMIT_S", 1.0)
    facts = watch_me(Sampler(directory, 0, 0, target(), command), 0.01)
    assert why in facts["missing"][0]["template"]
    assert (facts["launch"], facts["process"]) == (0, 0)


def test_a_disk_that_refuses_is_named(directory):
    (directory / "parts").rmdir()
    (directory / "parts").write_text("in the way", encoding="ascii")
    facts = watch_me(Sampler(directory, 0, 0, target()), 0.3)
    assert facts["samples"].get("telemetry", 0) == 0
    assert any("cannot be written" in one["template"] for one in facts["missing"])


def test_nothing_heavy_is_loaded_to_sample():
    code = ("import sys, touchstone.cli.sample, touchstone.measure.sensors.sampling, touchstone.measure.sensors.nvml, "
            "touchstone.measure.sensors.npu_smi, touchstone.measure.sensors.rapl\n"
            f"print([name for name in {HEAVY!r} if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_orders_come_whole_however_they_are_cut():
    reading, writing = os.pipe()
    orders = Orders(reading)
    os.write(writing, b'{"pid"')
    assert orders.until(now_ns() + S) == []
    os.write(writing, b': 4}\n{"pid": 5}\n{')
    assert orders.until(now_ns() + S) == [{"pid": 4}, {"pid": 5}]
    assert not orders.ended
    os.close(writing)
    assert orders.until(now_ns() + S) == []
    assert orders.ended
    os.close(reading)


def test_a_real_run_is_sampled_inside_its_trials(tmp_path):
    plan = tmp_path / "one.yaml"
    plan.write_text("name: one\ntrials: 2\nwarmup: 0\nobserver_pairs: 0\ncases:\n"
                    "  - {name: long, input_tokens: 8, output_tokens: 900}\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "touchstone", "run", str(plan), "-m", "tiny", "-o", str(tmp_path / "run"), "--ui", "none"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run = store.load(tmp_path / "run")
    (account,) = run.header["telemetry"]["launches"]
    trials = run.measured("long")
    inside = [sample for sample in run.samples if any(trial.sent_ns <= sample.at_ns <= trial.ended_ns for trial in trials)]
    expected = sum(trial.ended_ns - trial.sent_ns for trial in trials) / S / telemetry.PERIOD_S
    assert len(inside) >= max(1, expected / 2 - len(trials))
    assert all(sample.resident_bytes for sample in inside)
    assert account["started_ns"] < min(trial.sent_ns for trial in run.trials)
    assert not list(Path(tmp_path / "run").glob("parts*"))
    assert (tmp_path / "run" / "telemetry.parquet").exists()
