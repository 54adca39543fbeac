"""What other load generators report where the truth is known: one scripted server, one client core, one tool after the other.

    python -m benchmarks.peers PEERS [--streams 512] [--repeats 3] [--only touchstone,vllm,…]

PEERS is a directory with a virtual environment per tool (aiperf, evalscope, guidellm, vllm) and, for SGLang's client in Rust, its unpacked
wheel under ``sgl``; what is missing is left out. Each tool is called as its manual says, with its default settings and two waves of
``--streams`` requests of 64 + 128 tokens. The server answers the first token after 50 ms and the others 20 ms apart, and logs when a
request came in and when each token went out, on this host's clock: the truth is that log, of the very run that the tool reports on.
Server and client have a core each; a busy machine spoils the result, and the log's own lateness says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import load as ours  # its server, its truth and the way it starts our client

from touchstone.checkpoints.synthetic import ensure_tokenizer

TTFT_S, ITL_S, INPUT_TOKENS, OUTPUT_TOKENS = 0.05, 0.02, 64, 128
PATIENCE_S = 400


@dataclass(frozen=True)
class Setting:
    """What a tool is given: the server, how many at once and in all, the tokenizer's directory and one to write to."""

    base_url: str
    streams: int
    requests: int
    tokenizer: str
    out: Path


@dataclass(frozen=True)
class Said:
    """What a tool reported, in ms."""

    mean_ttft_ms: float
    p99_ttft_ms: float | None


@dataclass(frozen=True)
class Tool:
    """How a tool is called, and where it says what it found."""

    command: Callable[[Path, Setting], list[str]]
    said: Callable[[Path], Said]


def _pinned(command: list[str], out: Path) -> None:
    with (out / "log.txt").open("wb") as log:
        subprocess.run(["taskset", "-c", str(ours.CLIENT_CORE), *command], cwd=out, stdout=log, stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=True)


def _found(out: Path, pattern: str) -> Path:
    return next(iter(sorted(out.rglob(pattern))))


def _json(out: Path, pattern: str) -> Any:
    return json.loads(_found(out, pattern).read_text(encoding="utf-8"))


# ── the tools ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _touchstone(_peers: Path, one: Setting) -> list[str]:
    return [sys.executable, "-m", "touchstone", "load", "--base-url", one.base_url, "--concurrency", str(one.streams), "--num-prompts", str(one.requests),
            "--input-len", str(INPUT_TOKENS), "--output-len", str(OUTPUT_TOKENS), "--warmup", "0", "--ui", "none", "-o", str(one.out / "run")]


def _touchstone_said(out: Path) -> Said:
    ttft = json.loads((out / "run" / "report.json").read_text(encoding="utf-8"))["cases"][0]["metrics"]["ttft"]
    return Said(1e3 * ttft["mean"], 1e3 * ttft["p99"] if ttft["p99"] else None)


_VLLM_BENCH_SERVE = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""What ``vllm bench serve`` does, for the build for CPUs, whose command looks in vain for the metadata of a package called vllm."""


def _vllm(peers: Path, one: Setting) -> list[str]:
    return [str(peers / "vllm/bin/python"), "-c", _VLLM_BENCH_SERVE, "--backend", "openai-chat", "--base-url", one.base_url, "--endpoint", "/v1/chat/completions",
            "--model", "scripted", "--tokenizer", one.tokenizer, "--dataset-name", "random", "--random-input-len", str(INPUT_TOKENS),
            "--random-output-len", str(OUTPUT_TOKENS), "--num-prompts", str(one.requests), "--max-concurrency", str(one.streams), "--ignore-eos",
            "--disable-tqdm", "--save-result", "--result-dir", str(one.out), "--result-filename", "result.json"]


def _vllm_said(out: Path) -> Said:
    found = _json(out, "result.json")
    return Said(found["mean_ttft_ms"], found["p99_ttft_ms"])


def _evalscope(peers: Path, one: Setting) -> list[str]:
    return [str(peers / "evalscope/bin/evalscope"), "perf", "--model", "scripted", "--url", f"{one.base_url}/v1/chat/completions", "--api", "openai",
            "--parallel", str(one.streams), "--number", str(one.requests), "--dataset", "random", "--tokenizer-path", one.tokenizer,
            "--min-prompt-length", str(INPUT_TOKENS), "--max-prompt-length", str(INPUT_TOKENS), "--prefix-length", "0", "--min-tokens", str(OUTPUT_TOKENS),
            "--max-tokens", str(OUTPUT_TOKENS), "--stream", "--no-timestamp", "--outputs-dir", str(one.out)]


def _evalscope_said(out: Path) -> Said:
    summary, percentiles = _json(out, "benchmark_summary.json"), _json(out, "benchmark_percentile.json")
    mean = next(value for name, value in summary.items() if "time to first token" in name.lower() or name.startswith("Avg TTFT"))
    factor = 1e3 if any("ttft (s)" in name.lower() or "first token (s)" in name.lower() for name in summary) else 1.0
    row: Mapping[str, Any] = next((one for one in percentiles if str(one.get("Percentiles", one.get("Percentile"))).startswith("99")), {})
    p99 = next((value for name, value in row.items() if name.startswith("TTFT")), None)
    return Said(factor * mean, None if p99 is None else factor * p99)


def _aiperf(peers: Path, one: Setting) -> list[str]:
    return [str(peers / "aiperf/bin/aiperf"), "profile", "--model", "scripted", "--url", one.base_url, "--endpoint-type", "chat", "--streaming",
            "--concurrency", str(one.streams), "--request-count", str(one.requests), "--isl", str(INPUT_TOKENS), "--osl", str(OUTPUT_TOKENS),
            "--tokenizer", one.tokenizer, "--artifact-dir", str(one.out), "--ui", "none"]


def _aiperf_said(out: Path) -> Said:
    found = _json(out, "profile_export_aiperf.json")["time_to_first_token"]
    return Said(found["avg"], found["p99"])


def _guidellm(peers: Path, one: Setting) -> list[str]:
    return [str(peers / "guidellm/bin/guidellm"), "run", "--backend", f"kind=openai_http,target={one.base_url},model=scripted",
            "--profile", f"kind=concurrent,streams={one.streams}", "--constraint", f"kind=max_requests,count={one.requests}",
            "--tokenizer", f"kind=huggingface_auto,model={one.tokenizer}",
            "--data", f"kind=synthetic_text,prompt_tokens={INPUT_TOKENS},output_tokens={OUTPUT_TOKENS}",
            "--output", f"kind=json,path={one.out / 'result.json'}", "--disable-console"]


def _guidellm_said(out: Path) -> Said:
    found = _json(out, "result.json")["benchmarks"][0]["metrics"]["time_to_first_token_ms"]["successful"]
    return Said(found["mean"], found["percentiles"]["p99"])


def _sglang(peers: Path, one: Setting) -> list[str]:
    extension = next((peers / "sgl").glob("**/rust_extensions/_bench*.so"))
    return [sys.executable, "-c", ours.PEER_RUNNER, str(extension), "--backend", "sglang-oai-chat", "--base-url", one.base_url, "--model", "scripted",
            "--tokenizer", one.tokenizer, "--dataset-name", "random-ids", "--random-input-len", str(INPUT_TOKENS), "--random-output-len",
            str(OUTPUT_TOKENS), "--random-range-ratio", "1", "--num-prompts", str(one.requests), "--max-concurrency", str(one.streams),
            "--warmup-requests", "0", "--disable-tqdm", "--output-file", str(one.out / "result.jsonl")]


def _sglang_said(out: Path) -> Said:
    found = json.loads((out / "result.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return Said(found["mean_ttft_ms"], found["p99_ttft_ms"])


TOOLS: Mapping[str, Tool] = {
    "touchstone": Tool(_touchstone, _touchstone_said), "sglang-rust": Tool(_sglang, _sglang_said), "vllm": Tool(_vllm, _vllm_said),
    "aiperf": Tool(_aiperf, _aiperf_said), "evalscope": Tool(_evalscope, _evalscope_said), "guidellm": Tool(_guidellm, _guidellm_said),
}
NEEDS: Mapping[str, str] = {"sglang-rust": "sgl", "vllm": "vllm/bin/vllm", "aiperf": "aiperf/bin/aiperf", "evalscope": "evalscope/bin/evalscope",
                            "guidellm": "guidellm/bin/guidellm"}


# ── the measurement ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Row:
    """One run of one tool: what it said, what was true, how late the server itself was, and how long the whole command took."""

    said: Said
    true_mean_ms: float
    true_p99_ms: float
    server_late_ms: float
    wall_s: float


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        yield Path(name)


def measure(tool: Tool, peers: Path, streams: int) -> Row:
    """One run of one tool against a server of its own."""
    with _directory() as out, ours.scripted(ttft_s=TTFT_S, itl_s=ITL_S) as server:
        setting = Setting(server.base_url, streams, 2 * streams, str(ensure_tokenizer("tiny")), out)
        began = time.perf_counter()
        try:
            _pinned(tool.command(peers, setting), out)
            said = tool.said(out)
        except (subprocess.SubprocessError, StopIteration, KeyError, OSError) as error:
            log = (out / "log.txt").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{error}\n{log}") from error
        wall_s = time.perf_counter() - began
        entries = [entry for entry in server.log() if len(entry.token_sent_ns) == OUTPUT_TOKENS][-2 * streams:]  # not the tool's own probes
    true = [(entry.token_sent_ns[0] - entry.received_ns) / 1e6 for entry in entries]
    late = [(sending - due) / 1e6 for entry in entries for sending, due in zip(entry.sending_ns, entry.scheduled_ns, strict=True)]
    return Row(said, statistics.fmean(true), ours.quantile(true, 0.99), ours.quantile(late, 0.99), wall_s)


def main() -> None:
    """Print a Markdown table: per tool the median over the repeats."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--streams", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(TOOLS))
    given = parser.parse_args()
    print(f"{given.streams} streams, {2 * given.streams} requests of {INPUT_TOKENS} + {OUTPUT_TOKENS} tokens; TTFT {1e3 * TTFT_S:g} ms, then a token every "
          f"{1e3 * ITL_S:g} ms; medians of {given.repeats}")
    print("| tool | TTFT reported, mean | true | off by | P99 reported | true | server late, P99 | whole command |\n|---|---|---|---|---|---|---|---|")
    for name in given.only.split(","):
        if name in NEEDS and not (given.peers / NEEDS[name]).exists():
            print(f"| {name} | not installed | | | | | | |")
            continue
        try:
            rows = [measure(TOOLS[name], given.peers, given.streams) for _ in range(given.repeats)]
        except RuntimeError as error:
            print(f"| {name} | failed | | | | | | |")
            print(error, file=sys.stderr)
            continue
        mean, true, late, wall = (statistics.median(column) for column in zip(
            *((row.said.mean_ttft_ms, row.true_mean_ms, row.server_late_ms, row.wall_s) for row in rows), strict=True))
        p99s = [row.said.p99_ttft_ms for row in rows if row.said.p99_ttft_ms is not None]
        p99 = f"{statistics.median(p99s):.1f} ms" if p99s else "-"
        print(f"| {name} | {mean:.2f} ms | {true:.2f} ms | {mean - true:+.2f} ms | {p99} | {statistics.median(row.true_p99_ms for row in rows):.1f} ms | "
              f"{late:.2f} ms | {wall:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
