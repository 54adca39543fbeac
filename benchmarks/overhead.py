"""What measuring costs, side by side in one run: the bare loop, ours, and the way the published articles measure.

    python benchmarks/overhead.py [--engine transformers|llama.cpp] [--model 25m] [--pairs 20]

Prints, for one prompt shape and one loaded model, interleaved so that both meet the same machine:
  * tokens/s of a bare `generate` loop and of our trials, and their ratio (aim: within 2 %);
  * the observer effect: E2E with a stamp per token over E2E without (aim: <= 1 %);
  * the articles' way (TTFT from a second call for one token, warm-up of two tokens, declared length) beside ours;
then, for a whole run by the command line: time outside the engine (aim: <= 3 %) and the time of a report (aim: <= 1 s).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median, stdev

from touchstone import store
from touchstone.judge.columns import requests_of, window_of
from touchstone.judge.metrics import Values, e2e, output_throughput, tpot, ttft
from touchstone.measure import target, workloads
from touchstone.measure.devices import open_device
from touchstone.measure.engines import Engine, Sizes, open_engine
from touchstone.measure.player import Place, Player
from touchstone.measure.tape import Tape
from touchstone.plan import Case, EngineOptions
from touchstone.record import Phase, Trial
from touchstone.request import Batch, Request
from touchstone.served import Requests

CASE = Case(name="bare", input_tokens=16, output_tokens=128)
ARTICLE_PROMPT = "What is the capital of China?"
ARTICLE_DECLARED_TOKENS = 7


def main() -> None:
    """Run every comparison and print one table each."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--engine", default="transformers")
    options.add_argument("--model", default="25m")
    options.add_argument("--pairs", type=int, default=20)
    given = options.parse_args()
    chosen = target.resolve(engine=given.engine, device=None, model=given.model, dtype=None, options=EngineOptions())
    engine = open_engine(chosen, open_device(chosen.device))
    facts = engine.start(Sizes(batch_size=1, sequence_tokens=1024))
    print(f"{facts.engine} ({facts.version}), {given.model} {chosen.dtype}, {facts.device_name}, threads {chosen.options.threads}")
    with tempfile.TemporaryDirectory() as scratch:
        player = _player(engine, Path(scratch))
        pool = workloads.PromptPool(engine, [CASE], seed=0)
        _compare_with_bare_loop(engine, player, pool, given.pairs)
        _compare_with_articles(engine, player, given.pairs)
    engine.stop()
    _whole_run(given.engine, given.model)


def _player(engine: Engine, directory: Path) -> Player:
    store.create(directory, {})
    return Player(engine, directory, Place(0, 0), lambda _case, _phase, _index: None)


def _compare_with_bare_loop(engine: Engine, player: Player, pool: workloads.PromptPool, pairs: int) -> None:
    bare: list[float] = []
    trials: list[Trial] = []
    unwatched: list[Trial] = []
    chooser = random.Random(0)

    def play_bare(batch: Batch) -> None:
        bare.append(CASE.output_tokens / _bare_call(engine, batch))

    def play_ours(batch: Batch) -> None:
        trials.append(player.play(CASE.name, len(trials), Phase.MEASURED, batch))

    def play_unwatched(batch: Batch) -> None:
        unwatched.append(player.play(CASE.name, len(unwatched), Phase.PILOT_PLAIN, batch))

    ways: list[Callable[[Batch], None]] = [play_bare, play_ours, play_unwatched]
    for index in range(pairs + 3):
        batch = workloads.batch_of(CASE, index, pool, engine)
        chooser.shuffle(ways)
        for way in ways:
            way(batch)
    del bare[:3], trials[:3], unwatched[:3]  # warm-up of the same shape
    ours = [CASE.output_tokens / _seconds(trial) for trial in trials]
    print(f"\n{CASE.input_tokens} -> {CASE.output_tokens} tokens, batch 1, {pairs} interleaved triples        tokens/s (median)")
    print(f"  bare loop                                                        {median(bare):10.2f}")
    print(f"  touchstone trial, a stamp per token                              {median(ours):10.2f}")
    print(f"  ratio ours / bare                                                {_ratio(ours, bare)}")
    plain = [CASE.output_tokens / _seconds(trial) for trial in unwatched]
    print(f"  observer effect: E2E with stamps / without - 1                   {_ratio(plain, ours, minus_one=True)}")


def _bare_call(engine: Engine, batch: Batch) -> float:
    """Seconds of the shortest loop a user would write round the engine's own generate."""
    prepared = engine.prepare(batch)
    started = time.perf_counter()
    engine.generate(prepared, Tape(), marked=False)
    return time.perf_counter() - started


def _compare_with_articles(engine: Engine, player: Player, pairs: int) -> None:
    """The articles' procedure on the same loaded model: 3 warm-ups of 2 tokens, then TTFT and the whole by separate calls."""
    prompt = tuple(engine.encode(ARTICLE_PROMPT, special=True))

    def batch(tokens: int) -> Batch:
        return Batch((Request("article", prompt, tokens),))

    for _ in range(3):
        _bare_call(engine, batch(2))
    first, whole, ours = [], [], []
    for index in range(max(5, pairs // 2)):
        first.append(_bare_call(engine, batch(1)))
        whole.append(_bare_call(engine, batch(128)))
        ours.append(player.play("article", index, Phase.MEASURED, batch(128)))
    step = (fmean(whole) - fmean(first)) / 127
    rows = [
        ("input tokens", f"{ARTICLE_DECLARED_TOKENS} (declared)", f"{ours[0].records[0].input_tokens} (counted)"),
        ("TTFT ms", f"{1e3 * fmean(first):.2f} (its own call)", f"{1e3 * fmean(_known(ttft, ours)):.2f} (same call)"),
        ("decode tokens/s", f"{1 / step:.2f}", f"{1 / fmean(_known(tpot, ours)):.2f}"),
        ("throughput tokens/s", f"{128 / fmean(whole):.2f}", f"{128 / fmean(_known(e2e, ours)):.2f}"),
        ("spread", "not computed", f"± {100 * stdev(_rates(ours)) / fmean(_rates(ours)):.1f} % (sd), n = {len(ours)}"),
    ]
    print(f"\nthe articles' way on the same model{'':27}articles{'':18}touchstone")
    for name, theirs, mine in rows:
        print(f"  {name:<28}{theirs:>36}{mine:>28}")


def _whole_run(engine: str, model: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = f"{scratch}/run"
        touchstone = [sys.executable, "-m", "touchstone"]
        started = time.perf_counter()
        subprocess.run([*touchstone, "run", "six-scenarios", "--engine", engine, "--model", model, "-o", directory, "--ui", "none"],
                       check=True, stdout=subprocess.DEVNULL)
        ran = time.perf_counter() - started
        started = time.perf_counter()
        document = subprocess.run([*touchstone, "report", directory, "--format", "json"], check=True, capture_output=True, text=True)
        reported = time.perf_counter() - started
        verdicts = {one["rule"]: one for one in json.loads(document.stdout)["verdicts"]}
    print(f"\ntouchstone run six-scenarios, whole command: {ran:.1f} s; touchstone report: {reported:.2f} s")
    print(f"  outside the engine: {100 * verdicts['outside-engine']['observed']:.2f} % of the measured wall time")
    print(f"  {verdicts['observer']['message']}")


def _seconds(trial: Trial) -> float:
    return (trial.ended_ns - trial.sent_ns) / 1e9


def _known(metric: Callable[[Requests], Values], trials: list[Trial]) -> list[float]:
    return [float(value) for value in metric(requests_of([trial.records[0] for trial in trials])).compressed()]


def _rates(trials: list[Trial]) -> list[float]:
    return [rate for trial in trials if (window := window_of(trial)) and (rate := output_throughput(window)) is not None]


def _ratio(one: list[float], other: list[float], *, minus_one: bool = False) -> str:
    """Geometric mean of the paired ratios with its standard error."""
    logs = [math.log(a / b) for a, b in zip(one, other, strict=True)]
    centre, error = math.exp(fmean(logs)), stdev(logs) / math.sqrt(len(logs))
    return f"{100 * (centre - 1):+9.2f} % ± {100 * error:.2f}" if minus_one else f"{centre:10.4f} ± {error:.4f}"


if __name__ == "__main__":
    main()
