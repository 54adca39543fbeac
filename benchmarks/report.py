"""How long the HTML report takes and how large it is: of a run of six scenarios, and of a load test of 100,000 requests.

    python -m benchmarks.report [--run DIR] [--requests 100000] [--tokens 32]

Without --run the six scenarios are measured here first, on the default engine with a tiny synthetic model. For each: the seconds of a whole
`touchstone report --format html` (a process of its own), those inside this process (from the directory to the text, and of them reading and
judging, points of the pictures, page), and the size. Aims: 1 s and 400 kB for six scenarios, 5 s and 1.5 MB for 100,000 requests.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from benchmarks.made_answers import INPUT_TOKENS, MS, answers

from touchstone import load_store, store
from touchstone.judge.findings import findings_of
from touchstone.judge.plots import plots_of
from touchstone.load_plan import Load, LoadPlan
from touchstone.report.html.page import to_html
from touchstone.run_directories import read_run

CONCURRENCIES = (1, 8, 32, 128, 512)
T = TypeVar("T")


def measure(directory: Path) -> None:
    """The six scenarios, quickly."""
    command = ["run", "six-scenarios", "--model", "tiny", "--launches", "1", "--trials", "5", "-o", str(directory)]
    subprocess.run([sys.executable, "-m", "touchstone", *command], check=True, capture_output=True)


def make(directory: Path, requests: int, tokens: int) -> None:
    """A load test at five concurrencies, as the client writes one; every hundredth request is ten times slower to its first token."""
    (directory / store.PARTS).mkdir(parents=True)
    loads: list[dict[str, Any]] = [{"concurrency": one} for one in CONCURRENCIES]
    each = requests // len(loads)
    facts: dict[str, Any] = {"workload": {"input_len": {"mean": 8}, "output_len": {"mean": tokens}}, "loads": loads, "num_prompts": each, "repeats": 1,
                             "slos": [{"metric": "ttft", "quantile": 0.99, "limit_s": 0.6}]}
    plan, points = LoadPlan(**facts), []
    for point, load in enumerate(loads):
        columns, events, ended_ns = offered(point, each, tokens, load["concurrency"])
        load_store.append_answers(directory / store.PARTS, f"{point:04d}", columns, events)
        points.append({"index": point, "case": Load(**load).label, "repeat": 0, "load": Load(**load).model_dump(mode="json"), "started_ns": 0,
                       "ended_ns": ended_ns, "client": {}, "server": {}})
    store.write_header(directory, {
        "id": "made", "kind": "load", "status": "complete", "created": "2026-11-20T12:00:00+08:00", "plan": plan.model_dump(mode="json"), "points": points,
        "endpoint": {"model": "made", "base_url": "http://127.0.0.1:8000", "path": "/v1/completions"}, "server": {"name": "made"},
        "environment": {"cores": 2}})
    load_store.compact(directory)


def offered(point: int, count: int, tokens: int, concurrency: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The columns of the requests and events of one load, and when its last answer ended."""
    row = np.arange(count)
    step, wait = 10 * MS + concurrency * 20_000, (40 + concurrency // 4) * MS
    late = wait * np.where(row % 100 == 99, 10, 1) + row * 7919 % (9 * MS)
    length = late + (tokens - 1) * step
    slot, turn = row % concurrency, row // concurrency
    sent = (turn * (int(length.mean()) + 20 * MS) + slot * MS // 4).astype(np.int64)
    asked = {"input_tokens_asked": np.full(count, INPUT_TOKENS), "output_tokens_asked": np.full(count, tokens), "scheduled_ns": sent}
    return *answers(point, tokens, (sent, sent + late, step), **asked), int((sent + length).max()) + MS


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """How long ``work`` takes, and what it gives."""
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def inside(directory: Path) -> tuple[float, float, float]:
    """Seconds of reading and judging, of the points of the pictures, and of the page."""
    judging, (run, findings) = timed(lambda: (run := read_run(directory), findings_of(run)))
    pointing, plots = timed(lambda: plots_of(run, findings))
    return judging, pointing, timed(lambda: to_html(findings, plots, "en"))[0]


def line(name: str, directory: Path) -> None:
    """One row: the best of three each, and the first page of this process, which starts the drawing library."""
    file = directory / "benchmark.html"
    command = [sys.executable, "-m", "touchstone", "report", str(directory), "--format", "html", "-o", str(file)]
    whole = min(timed(lambda: subprocess.run(command, check=True, capture_output=True))[0] for _ in range(3))
    runs = [inside(directory) for _ in range(3)]
    judging, pointing, page = (min(column) for column in zip(*runs, strict=True))
    print(f"{name:28}{whole:10.2f}{min(map(sum, runs)):12.2f}{judging:10.2f}{pointing:9.2f}{page:8.2f}{file.stat().st_size / 1e3:10,.0f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="A run of the six scenarios that is on disk.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--tokens", type=int, default=32)
    given = parser.parse_args()
    print(f"{'':28}{'process s':>10}{'in process':>12}{'judging':>10}{'points':>9}{'page':>8}{'kB':>10}")
    with tempfile.TemporaryDirectory() as scratch:
        if given.run is None:
            measure(Path(scratch) / "six")
        make(Path(scratch) / "load", given.requests, given.tokens)
        line("six scenarios", given.run or Path(scratch) / "six")
        line(f"{given.requests:,} requests", Path(scratch) / "load")


if __name__ == "__main__":
    main()
