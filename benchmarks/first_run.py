"""Times the README's first command as a newcomer has it: a fresh clone, an empty cache, a new virtual environment.

python benchmarks/first_run.py        (aim: make run <= 180 s on two cores)
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Clone, run, and print the seconds and the size of what was installed."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        started = time.perf_counter()
        done = subprocess.run(["make", "run"], cwd=clone, env={**os.environ, "TOUCHSTONE_CACHE": f"{scratch}/cache"}, check=True,
                              capture_output=True, text=True)
        taken = time.perf_counter() - started
        print("\n".join(done.stdout.splitlines()[:12]))
        size = subprocess.run(["du", "-sm", str(clone / ".venv")], check=True, capture_output=True, text=True).stdout.split()[0]
        print(f"make run from a clean clone: {taken:.1f} s (aim: <= 180 s); virtual environment with engine: {size} MB")


if __name__ == "__main__":
    main()
