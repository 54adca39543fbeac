"""How long an audit takes: a table of 10,000 rows as Markdown, CSV and HTML, beside the bare reading of the same text.

    python benchmarks/audit.py [--rows 10000]

Prints, for each form, the seconds of a whole `touchstone audit` (a process of its own, JSON output), of the audit inside this process, and of
splitting the text into its cells, which is the least that any reader has to do. Aim: 10,000 rows in 2 s, as a process.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from touchstone.claim import Subject
from touchstone.judge.publication import audit_content

HEADING = ("Batch", "输入长度", "生成长度", "TTFT(ms)", "解码速度(tokens/s/req)", "总吞吐量(tokens/s)", "显存峰值(GB)")
Rows = Sequence[Sequence[str]]


def rows(count: int) -> list[list[str]]:
    """Honest rows of a batch benchmark on a 910B, from one seed."""
    rng, made = random.Random(7), []
    for _ in range(count):
        batch, prompt, output = rng.choice([1, 2, 4, 8]), rng.randint(10, 500), rng.choice([64, 128, 256])
        ttft, speed = rng.uniform(0.2, 1.0), rng.uniform(20, 60)
        throughput = batch * output / (ttft + (output - 1) / speed)
        made.append([str(batch), str(prompt), str(output), f"{1e3 * ttft:.2f}", f"{speed:.2f}", f"{throughput:.2f}", "18.2"])
    return made


def markdown(body: Rows) -> str:
    """As a Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (HEADING, ["---"] * len(HEADING), *body))


def csv(body: Rows) -> str:
    """As comma-separated values."""
    return "\n".join(",".join(row) for row in (HEADING, *body))


def html(body: Rows) -> str:
    """As an HTML table."""
    return "<table>" + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in (HEADING, *body)) + "</table>"


FORMS: dict[str, Callable[[Rows], str]] = {"md": markdown, "csv": csv, "html": html}
SEPARATORS = {"md": "|", "csv": ",", "html": "</td>"}


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes: the best of three."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    count = parser.parse_args().rows
    print(f"{count:,} rows{'process s':>12}{'in process s':>14}{'bare split s':>14}{'ratio':>8}")
    subject = Subject("Llama-2-7B", "910B", "fp16", 1)
    body = rows(count)
    with tempfile.TemporaryDirectory() as folder:
        for name, form in FORMS.items():
            path = Path(folder) / f"table.{name}"
            path.write_text(form(body), encoding="utf-8")
            content = path.read_bytes()
            command = [sys.executable, "-m", "touchstone", "audit", str(path), "--model", "Llama-2-7B", "--hardware", "910B", "--dtype", "fp16", "--format", "json"]
            whole = seconds(lambda command=command: subprocess.run(command, check=True, capture_output=True))  # type: ignore[misc]
            inside = seconds(lambda content=content, path=path: audit_content(content, path.name, subject))  # type: ignore[misc]
            bare = seconds(lambda content=content, name=name: [line.split(SEPARATORS[name]) for line in content.decode().splitlines()])  # type: ignore[misc]
            print(f"{name:<11}{whole:>10.2f}{inside:>14.2f}{bare:>14.3f}{inside / bare:>8.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
