"""How true and how fast the load client is: the scripted server (or a small emitter in C) on one core, the client on the other.

    python benchmarks/load.py [--only accuracy,offered,saturation,arrivals,pauses,startup,report,million] [--peer DIR]

Every part prints what it measured beside its aim. Truth is the server's own log, request by request, on the same clock. With ``--peer``
(a directory that holds the unpacked wheel of sglang 0.5.23: ``pip download --no-deps sglang==0.5.23``, then ``unzip``) the fastest other
client known, SGLang's in Rust, meets the same server, and the ratio is printed. The emitter is compiled with gcc when first needed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy import special

from touchstone import parquet
from touchstone.checkpoints.synthetic import ensure_tokenizer
from touchstone.measure.scripted import Entry, Script, ScriptedServer

HERE = Path(__file__).parent
SERVER_CORE, CLIENT_CORE = 0, 1
PEER_RUNNER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("sglang.srt.rust_extensions._bench", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.run_argv(["bench", *sys.argv[2:]])
"""


Truth = Mapping[str, tuple[int, Any]]
"""Request id → when the server received it, and when each of its tokens had been sent, in ns."""

BARE_LOOP = """
import json, select, socket, sys, time
port, streams, tokens = map(int, sys.argv[1:])
body = json.dumps({"model": "scripted", "prompt": "one two three", "max_tokens": tokens, "stream": True}).encode()
request = b"POST /v1/completions HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
epoll, lines, left, reads = select.epoll(), {}, streams, 0
for _ in range(streams):
    line = socket.create_connection(("127.0.0.1", port))
    line.setblocking(False)
    lines[line.fileno()] = line
    epoll.register(line.fileno(), select.EPOLLIN)
began = time.process_time_ns()
for line in lines.values():
    line.send(request)
while left:
    for fd, _ in epoll.poll():
        data = lines[fd].recv(65536)
        reads += 1
        left -= b"\\r\\n0\\r\\n\\r\\n" in data
print((time.process_time_ns() - began) / 1e3 / (streams * tokens))
"""


@dataclass(frozen=True)
class Ours:
    """One load run of ours: its directory, how long the command took, the most memory its processes had, and its first point."""

    directory: Path
    seconds: float
    peak_bytes: int
    point: Mapping[str, Any]
    started_ns: int

    @property
    def workers(self) -> list[Mapping[str, Any]]:
        """What each client process said of itself."""
        return list(self.point["client"]["processes"])

    def column(self, name: str) -> Any:
        """A column of requests.parquet."""
        return np.ma.concatenate([batch[name] for batch in parquet.read_integers(self.directory / "requests.parquet", (name,))])  # type: ignore[no-untyped-call]

    def ids(self) -> list[str]:
        """The request ids, in the same order."""
        return [row["request_id"] for row in parquet.read_rows(self.directory / "requests.parquet")]

    def report(self) -> dict[str, Any]:
        """The JSON report."""
        text = subprocess.run([sys.executable, "-m", "touchstone", "report", str(self.directory), "--format", "json"], capture_output=True,
                              text=True, check=True).stdout
        return dict(json.loads(text))


def load(base_url: str, directory: Path, *options: str, during: Callable[[int], None] | None = None, weigh: bool = False) -> Ours:
    """Run `touchstone load` on the client's core; ``during`` may do things to it, given its process id.

    Its memory is sampled if ``weigh``: looking costs time on the very cores that are measured.
    """
    command = [sys.executable, "-m", "touchstone", "load", "--base-url", base_url, "-o", str(directory), "--ui", "none", "--format", "json", *options]
    began = time.perf_counter()
    started_ns = time.monotonic_ns()
    process = subprocess.Popen(["taskset", "-c", str(CLIENT_CORE), *command], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        if weigh:
            peak = max(peak, memory_of(process.pid))
        if during is not None:
            during(process.pid)
        else:
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"touchstone load ended with {process.returncode}")
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    return Ours(directory, time.perf_counter() - began, peak, header["points"][0], started_ns)


def memory_of(pid: int) -> int:
    """Anonymous memory of a process and its children in bytes: what is theirs, without the files and libraries they map."""
    total = 0
    with suppress(psutil.Error, OSError):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            total += next(int(row.split()[1]) << 10 for row in rollup.splitlines() if row.startswith("Anonymous:"))
    return total


@contextmanager
def scripted(**script: Any) -> Iterator[ScriptedServer]:
    """The scripted server on its core."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        server = ScriptedServer(Script(**script))
        server.__enter__()
    finally:
        os.sched_setaffinity(0, mine)
    try:
        yield server
    finally:
        server.__exit__(None, None, None)


class Emitter:
    """The emitter in C: as fast as one core allows, with the true times of every request."""

    def __init__(self, scratch: Path, output_tokens: int, ttft_us: int, itl_us: int) -> None:
        binary = scratch / "emitter"
        if not binary.exists():
            subprocess.run(["gcc", "-O2", "-o", str(binary), str(HERE / "emitter.c"), "-lm"], check=True)
        self._log = scratch / "emitter.log"
        self._process = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), str(binary), "0", str(output_tokens), str(ttft_us), str(itl_us), str(self._log)],
                                         stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().split()[-1]

    def __enter__(self) -> Emitter:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def times(self) -> Truth:
        """The true times of every request. Ends the emitter."""
        self.__exit__()
        found = {}
        for number, row in enumerate(self._log.read_text(encoding="utf-8").splitlines()):
            name, received_ns, _, tokens, *stamps = row.split()
            found[f"number {number}" if name == "-" else name] = (int(received_ns), np.array(stamps[int(tokens):], np.int64))
        return found


def line(what: str, value: float | str, unit: str, aim: str = "") -> None:
    """One measured number beside its aim."""
    shown = value if isinstance(value, str) else f"{value:,.4g}"
    print(f"  {what:58} {shown:>12} {unit:12} {aim}")


def quantile(values: Any, probability: float) -> float:
    """A quantile of numbers."""
    return float(np.quantile(np.asarray(values, float), probability))


# ── accuracy ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def accuracy(scratch: Path, peer: Path | None) -> None:
    """512 streams of 50 tokens a second: TTFT and gaps against the log."""
    print("accuracy: 512 streams x 50 tokens/s, TTFT 50 ms, two waves of 512 requests x 128 tokens")
    with scripted(ttft_s=0.05, itl_s=0.02) as server:
        run = load(server.base_url, scratch / "accuracy", *_shape(512, 1024, 128), "--no-calibrate", "--warmup", "0")
        entries = server.log()
    _print_errors(run, _truth(entries))
    line("(the server itself was late, p99)", quantile([(sending - due) / 1e6 for entry in entries for sending, due in zip(
        entry.sending_ns, entry.scheduled_ns, strict=True)], 0.99), "ms")
    _print_cost(run)
    with scripted(ttft_s=0.05, itl_s=0.02) as server:
        bare = subprocess.run(["taskset", "-c", str(CLIENT_CORE), sys.executable, "-c", BARE_LOOP, server.base_url.rpartition(":")[2], "512", "128"],
                              capture_output=True, text=True, check=True).stdout
        line("CPU per event of a bare epoll loop that keeps nothing", float(bare), "us")
    if peer is not None:
        with scripted(ttft_s=0.05, itl_s=0.02) as server:
            _print_peer(server.base_url, peer, scratch, (512, 1024, 128), lambda: _true_ttft_ms(_truth(server.log())))


def _shape(streams: int, requests: int, output_tokens: int) -> tuple[str, ...]:
    return ("--concurrency", str(streams), "--num-prompts", str(requests), "--output-len", str(output_tokens), "--input-len", "64")


def _truth(entries: list[Entry]) -> Truth:
    return {entry.request_id or f"number {entry.number}": (entry.received_ns, np.array(entry.token_sent_ns)) for entry in entries}


def _print_errors(run: Ours, truth: Truth) -> None:
    true = [truth[name] for name in run.ids()]
    stamps = _token_stamps(run)
    mine = [stamps[int(number)] for number in run.column("request")]
    true_ttft_ns = np.array([sent_ns[0] - received_ns for received_ns, sent_ns in true])
    for which, label, mean_aim, p99_aim in ((0, "as reported (kernel's stamp)", "<= 0.02", "<= 0.5"), (1, "by our own stamp", "<= 0.1", "<= 0.5")):
        errors_ms = np.asarray(np.array([one[which][0] for one in mine]) - run.column("sent_ns") - true_ttft_ns) / 1e6
        gaps_ms = np.abs(np.concatenate([np.diff(one[which]) - np.diff(sent_ns) for one, (_, sent_ns) in zip(mine, true, strict=True)])) / 1e6
        line(f"TTFT error {label}, mean", errors_ms.mean(), "ms", mean_aim)
        line(f"TTFT error {label}, p99 of |error|", quantile(np.abs(errors_ms), 0.99), "ms", p99_aim)
        line(f"gap error {label}, p99", quantile(gaps_ms, 0.99), "ms", "<= 0.1")


def _print_cost(run: Ours) -> None:
    events = int(run.column("token_events").sum())
    loop_s = sum(worker["cpu_fraction"] * (worker["ended_ns"] - worker["started_ns"]) for worker in run.workers) / 1e9
    decode_s = sum(worker["decode_cpu_ns"] for worker in run.workers) / 1e9
    span_s = (run.point["ended_ns"] - run.point["started_ns"]) / 1e9
    line("events", events, "")
    line("events per second while the load ran", events / span_s, "/s")
    line("CPU per event: loop", 1e6 * loop_s / events, "us")
    line("CPU per event: parsing afterwards", 1e6 * decode_s / events, "us")
    line("CPU per event, all told", 1e6 * (loop_s + decode_s) / events, "us", "<= 8")
    line("events per second of loop and parsing together", events / (loop_s + decode_s), "/s")


def _token_stamps(run: Ours) -> dict[int, tuple[Any, Any]]:
    found: dict[int, tuple[list[Any], list[Any]]] = {}
    for batch in parquet.read_integers(run.directory / "events.parquet", ("request", "at_ns", "read_ns", "kind")):
        bearing = batch["kind"].data <= 2
        owners, at_ns, read_ns = (batch[name].data[bearing] for name in ("request", "at_ns", "read_ns"))
        cuts = np.flatnonzero(np.diff(owners)) + 1
        for owner, at, read in zip(owners[np.concatenate([[0], cuts]).astype(int)], np.split(at_ns, cuts), np.split(read_ns, cuts), strict=True):
            kept = found.setdefault(int(owner), ([], []))
            kept[0].append(at)
            kept[1].append(read)
    return {owner: (np.concatenate(at), np.concatenate(read)) for owner, (at, read) in found.items()}


def _true_ttft_ms(truth: Truth) -> tuple[float, float]:
    true = [(sent_ns[0] - received_ns) / 1e6 for received_ns, sent_ns in truth.values() if len(sent_ns)]
    return float(np.mean(true)), quantile(true, 0.99)


def _print_peer(base_url: str, peer: Path, scratch: Path, shape: tuple[int, int, int], truth: Callable[[], tuple[float, float]]) -> None:
    """SGLang's Rust client, loaded from its extension module, against the same server."""
    extension = next(peer.glob("**/rust_extensions/_bench*.so"), None)
    if extension is None:
        print("  (no peer: its extension module is missing)")
        return
    streams, requests, output_tokens = shape
    out = scratch / f"peer-{streams}.jsonl"
    began = time.perf_counter()
    done = subprocess.run(["taskset", "-c", str(CLIENT_CORE), sys.executable, "-c", PEER_RUNNER, str(extension), "--backend", "sglang-oai-chat",
                           "--base-url", base_url, "--model", "scripted", "--tokenizer", str(ensure_tokenizer("tiny")), "--dataset-name", "random-ids",
                           "--random-input-len", "64", "--random-output-len", str(output_tokens), "--random-range-ratio", "1",
                           "--num-prompts", str(requests), "--max-concurrency", str(streams), "--warmup-requests", "0", "--disable-tqdm",
                           "--output-file", str(out)], capture_output=True, text=True, check=False)
    if done.returncode or not out.exists():
        print(f"  (the peer failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]})")
        return
    said = json.loads(out.read_text(encoding="utf-8").splitlines()[-1])
    mean_ms, p99_ms = truth()
    line("peer, SGLang's Rust client: TTFT error of the mean", said["mean_ttft_ms"] - mean_ms, "ms")
    line("peer: TTFT error of the p99", said["p99_ttft_ms"] - p99_ms, "ms")
    line("peer: output tokens per second by its own count", said["output_throughput"], "/s")
    line("peer: wall time", time.perf_counter() - began, "s")


# ── speed ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def offered(scratch: Path, peer: Path | None) -> None:
    """512 streams with a token every 4 ms."""
    print("offered: 128 thousand events/s (512 streams, a token every 4 ms), two waves of 512 requests x 128 tokens")
    with Emitter(scratch, 128, 50_000, 4_000) as server:
        run = load(server.base_url, scratch / "offered", *_shape(512, 1024, 128), "--no-calibrate", "--warmup", "0")
        _print_errors(run, server.times())
    _print_cost(run)
    if peer is not None:
        with Emitter(scratch, 128, 50_000, 4_000) as server:
            _print_peer(server.base_url, peer, scratch, (512, 1024, 128), lambda: _true_ttft_ms(server.times()))


def saturation(scratch: Path, peer: Path | None) -> None:
    """The emitter as fast as it can."""
    for streams in (64, 512):
        print(f"saturation: the emitter as fast as it can, {streams} streams, 4000 requests x 128 tokens")
        with Emitter(scratch, 128, 0, 0) as server:
            run = load(server.base_url, scratch / f"saturation-{streams}", *_shape(streams, 4000, 128), "--no-calibrate", "--warmup", "0")
            _print_cost(run)
        if peer is not None:
            with Emitter(scratch, 128, 0, 0) as server:
                _print_peer(server.base_url, peer, scratch, (streams, 4000, 128), lambda: _true_ttft_ms(server.times()))


def million(scratch: Path, _peer: Path | None) -> None:
    """A million requests of 16 tokens."""
    print("million: 1,000,000 requests x 16 tokens, 64 streams, the emitter as fast as it can")
    with Emitter(scratch, 16, 0, 0) as server:
        run = load(server.base_url, scratch / "million", *_shape(64, 1_000_000, 16), "--no-calibrate", "--warmup", "0", weigh=True)
    line("peak memory of all processes, their own", run.peak_bytes / 1e6, "MB", "<= 300")
    line("the whole command", run.seconds, "s")
    line("requests per second while the load ran", 1e6 / ((run.point["ended_ns"] - run.point["started_ns"]) / 1e9), "/s")
    _print_cost(run)


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def arrivals(scratch: Path, _peer: Path | None) -> None:
    """Poisson at 100/s for one and for two processes."""
    for processes in (1, 2):
        print(f"arrivals: open loop, Poisson at 100/s, 1500 requests x 16 tokens, {processes} process(es)")
        with scripted(ttft_s=0.02, itl_s=0.002) as server:
            run = load(server.base_url, scratch / f"arrivals-{processes}", "--request-rate", "100", "--num-prompts", "1500", "--output-len", "16",
                       "--input-len", "64", "--processes", str(processes), "--no-calibrate", "--warmup", "0")
            truth = {entry.request_id: entry for entry in server.log()}
        lag_ms = np.asarray(run.column("sent_ns") - run.column("scheduled_ns")) / 1e6
        gaps_s = np.diff(np.sort([truth[name].received_ns for name in run.ids()])) / 1e9
        line("send lag behind the schedule, p99", quantile(lag_ms, 0.99), "ms", "<= 0.5")
        line("send lag, max", float(lag_ms.max()), "ms")
        line("arrivals at the server per second", 1 / float(gaps_s.mean()), "/s", "100")
        distance, p = kolmogorov_smirnov(gaps_s * 100)
        line("KS distance of the gaps from the exponential", distance, f"p = {p:.2g}", f"<= {1.36 / np.sqrt(len(gaps_s)):.3f}")


def kolmogorov_smirnov(values: Any) -> tuple[float, float]:
    """Distance from the unit exponential, and its asymptotic p-value."""
    ordered = np.sort(values)
    model = 1 - np.exp(-ordered)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    distance = float(max((steps[1:] - model).max(), (model - steps[:-1]).max()))
    return distance, float(special.kolmogorov(distance * np.sqrt(len(ordered))))


def pauses(scratch: Path, _peer: Path | None) -> None:
    """Stop the client for 20 ms, again and again, and see what the report says of it."""
    for period_s in (0.1, 1.0):
        print(f"pauses: the client stopped for 20 ms every {period_s} s (64 streams x 50 tokens/s)")

        def stop_and_go(pid: int, period_s: float = period_s) -> None:
            time.sleep(period_s - 0.02)
            with suppress(psutil.Error):
                workers = [child for child in psutil.Process(pid).children(recursive=True) if "load-worker" in child.cmdline()]
                for sign in (signal.SIGSTOP, signal.SIGCONT):
                    for worker in workers:
                        worker.send_signal(sign)
                    time.sleep(0.02 if sign == signal.SIGSTOP else 0)
        with scripted(ttft_s=0.05, itl_s=0.02) as server:
            run = load(server.base_url, scratch / f"pauses-{period_s}", *_shape(64, 256, 64), "--no-calibrate", during=stop_and_go)
        client = run.report()["client"]
        line("verdict on the client", client["verdict"], "", "suspect or invalid")
        print("   ", "; ".join(client["reasons"][:3]))


def startup(scratch: Path, _peer: Path | None) -> None:
    """From the command to the first request at the server."""
    print("startup")
    with scripted(ttft_s=0.001, itl_s=0.001) as server:
        run = load(server.base_url, scratch / "startup", *_shape(8, 32, 8), "--no-calibrate", "--warmup", "0")
        received = sorted(entry.received_ns for entry in server.log())
        measured = sorted(int(one) for one in run.column("sent_ns"))
    line("launch to the first request at the server (a probe)", (received[0] - run.started_ns) / 1e9, "s", "<= 1")
    line("launch to the first measured request", (measured[0] - run.started_ns) / 1e9, "s")
    line("last answer to the end of the command, report written", run.seconds - (run.point["ended_ns"] - run.started_ns) / 1e9, "s")


def report(scratch: Path, _peer: Path | None) -> None:
    """The report of a hundred thousand requests."""
    print("report: 100,000 requests x 16 tokens")
    with Emitter(scratch, 16, 0, 0) as server:
        run = load(server.base_url, scratch / "report", *_shape(64, 100_000, 16), "--no-calibrate", "--warmup", "0", weigh=True)
    began = time.perf_counter()
    run.report()
    line("touchstone report", time.perf_counter() - began, "s", "<= 5")
    line("peak memory of the load, all processes", run.peak_bytes / 1e6, "MB")


PARTS: Mapping[str, Callable[[Path, Path | None], None]] = {part.__name__: part for part in (
    accuracy, offered, saturation, arrivals, pauses, startup, report, million)}


def main() -> None:
    """Run the parts asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default=",".join(PARTS))
    options.add_argument("--peer", type=Path)
    given = options.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="touchstone-load-"))
    try:
        for name in given.only.split(","):
            PARTS[name](scratch, given.peer)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    assert importlib.util.find_spec("touchstone") is not None
    main()
