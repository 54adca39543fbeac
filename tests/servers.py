"""Real LLM servers on free loopback ports, and the command that loads them.

A server's process cannot outlive the tests: it ends when its standard input does. Run as a program, this file is such a process: ``servers.py transformers MODEL PORT`` or ``servers.py llamacpp GGUF SLOTS``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pyarrow import parquet

from touchstone.load_store import load_test
from touchstone.served import EVENT_COLUMNS, Events, LoadRun, Requests

_STARTS_WITHIN_S = 180.0
_PROXYLESS = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def transformers_serve(model: Path, home: Path):
    """``transformers serve`` of the checkpoint in ``model``, as it comes: one request at a time, the others queue. Yields the base URL.

    ``home`` is where it looks for downloaded models; the checkpoint is not one of them, so it is not listed either.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with _process(["transformers", str(model), str(port)], environment, home / "transformers-serve.log") as process:
        _until(lambda: _answers(f"{url}/health"), process, home / "transformers-serve.log")
        yield url


@contextlib.contextmanager
def llamacpp_server(gguf: Path, home: Path, *, slots: int = 4):
    """llama.cpp's own server of ``gguf``, with metrics and, as it comes, a prompt cache. Yields the base URL."""
    log = home / "llamacpp.log"
    with _process(["llamacpp", str(gguf), str(slots)], {}, log) as process:
        url = process.stdout.readline().decode().strip()
        assert url, log.read_text(errors="replace")[-2000:]
        _until(lambda: _answers(f"{url}/health"), process, log)
        yield url


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def _process(arguments, environment, log: Path):
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                                   env={**os.environ, **environment}, start_new_session=True)
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def _answers(url: str) -> bool:
    try:
        with _PROXYLESS.open(url, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _until(ready, process, log: Path) -> None:
    give_up = time.monotonic() + _STARTS_WITHIN_S
    while not ready():
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < give_up, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)


@dataclass(frozen=True)
class Loaded:
    """A load test that was played by the command itself. ``facts`` are all columns of ``requests.parquet``, row by row as in ``run``."""

    directory: Path
    run: LoadRun
    facts: dict[str, list]
    stderr: str

    @property
    def requests(self) -> Requests:
        return self.run.requests

    @property
    def report(self) -> dict:
        """What ``report DIR --format json`` prints."""
        return json.loads(run_touchstone("report", str(self.directory), "--format", "json").stdout)

    def events_of(self, row: int) -> Events:
        """The events of one request, in order."""
        owner = int(self.requests.request.data[row])
        return next(Events(**{name: getattr(events, name)[chosen] for name in EVENT_COLUMNS}) for events in self.run.events()
                    if (chosen := events.request.data == owner).any())


def touchstone_load(directory: Path, url: str, *options: object) -> Loaded:
    """Play ``touchstone load`` in a process of its own, without calibration."""
    done = run_touchstone("load", "--base-url", url, "--no-calibrate", "--ui", "none", "-o", str(directory), *map(str, options))
    assert done.returncode == 0, done.stderr
    run = load_test(directory)
    table = parquet.read_table(directory / "requests.parquet").sort_by([("point", "ascending"), ("request", "ascending")])
    return Loaded(directory, run, table.to_pydict(), done.stderr)


def run_touchstone(*arguments: str):
    """Any command of touchstone, to its end."""
    return subprocess.run([sys.executable, "-m", "touchstone", *arguments], capture_output=True, text=True, timeout=300, check=False)


# ── in the process of a server ───────────────────────────────────────────────────────────────────────────────────────────


def _end_with_stdin() -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)
    threading.Thread(target=wait, daemon=True).start()


def _serve_transformers(model: str, port: str) -> None:
    from transformers.cli.transformers import main

    sys.argv = ["transformers", "serve", model, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    main()


def _serve_llamacpp(gguf: str, slots: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = int(slots)
    params.n_ctx = 512 * int(slots)
    params.endpoint_metrics = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    _end_with_stdin()
    {"transformers": _serve_transformers, "llamacpp": _serve_llamacpp}[sys.argv[1]](*sys.argv[2:])
