"""How long a comparison of two long load runs takes, beside the bare reading of their tables.

python -m benchmarks.compare [--requests N] [--tokens N]        (aim: 100,000 requests on each side in <= 3 s)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.made_answers import MS, answers

from touchstone import load_store, store
from touchstone.judge.compare import compare
from touchstone.judge.compare.margin import usual
from touchstone.judge.compare.measured import measured_of
from touchstone.load_plan import Load, LoadPlan
from touchstone.report.compare_text import to_compare_text

REPEATS = 5
LOAD: dict[str, Any] = {"concurrency": 64}


def make(directory: Path, requests: int, tokens: int, slower: float) -> None:
    """A load run of five repeats, as the client writes one; repeats differ by half a percent or so."""
    (directory / store.PARTS).mkdir(parents=True)
    plan = LoadPlan(workload={"input_len": {"mean": 8}, "output_len": {"mean": tokens}}, loads=[LOAD], num_prompts=requests // REPEATS, repeats=REPEATS)  # type: ignore[arg-type]
    points = []
    for point in range(REPEATS):
        factor = slower * (1 + 0.005 * ((point * 7) % 5 - 2) / 2)
        columns, events, span = repeat(point, requests // REPEATS, tokens, factor)
        load_store.append_answers(directory / store.PARTS, f"{point:04d}", columns, events)
        points.append({"index": point, "case": "c64", "repeat": point, "load": Load(**LOAD).model_dump(mode="json"), "started_ns": 0, "ended_ns": span,
                       "client": {}, "server": {}})
    store.write_header(directory, {"id": directory.name, "kind": "load", "status": "complete", "plan": plan.model_dump(mode="json"), "points": points,
                                   "endpoint": {"model": "made"}, "server": {"name": "made"}, "environment": {"cores": 2}})
    load_store.compact(directory)


def repeat(point: int, count: int, tokens: int, factor: float) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The columns of a repeat's requests and events, and when its last answer ended."""
    step, row = round(10 * MS * factor), np.arange(count)
    sent = ((row // 64) * (50 * MS + tokens * step) + row % 64 * MS).astype(np.int64)
    first = sent + round(50 * MS * factor) + row * 7919 % (5 * MS)
    return *answers(point, tokens, (sent, first, step)), int(first[-1] + (tokens - 1) * step)


def timed(what: str, action: Callable[[], Any]) -> Any:
    """Do it, and print how long it took."""
    started = time.perf_counter()
    done = action()
    print(f"{what:44}{time.perf_counter() - started:8.2f} s")
    return done


def read(directories: list[Path]) -> None:
    """Every column that a comparison needs, and nothing done with it."""
    for directory in directories:
        for _ in load_store.load_test(directory).events():
            pass


def main() -> None:
    """Make the runs, read them, compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="On each side.")
    parser.add_argument("--tokens", type=int, default=64, help="Of each answer, one event each.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directories = [Path(scratch) / name for name in ("old", "new")]
        for directory, slower in zip(directories, (1.0, 1 / 1.18), strict=True):
            make(directory, given.requests, given.tokens, slower)
        print(f"two load runs of {given.requests:,} requests with {given.tokens} tokens each")
        timed("reading their tables", lambda: read(directories))
        sides = timed("reading, summarising and judging them", lambda: [measured_of(load_store.load_test(directory)) for directory in directories])
        found = timed("comparing them", lambda: compare(sides[:1], sides[1:], usual()))
        text = timed("printing the comparison", lambda: to_compare_text(found, str))
        print(text.splitlines()[0])


if __name__ == "__main__":
    main()
