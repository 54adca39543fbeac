"""What holds for every tracker: no network unasked, no library no crash, no failure that costs the run."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tracked_runs import engine_run, tracked_run

from touchstone import trackers
from touchstone.errors import NotReadyError, UsageError
from touchstone.trackers import TRACKERS, Row, require, send
from touchstone.trackers.tracked import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GUARDED = """
import ipaddress, socket, sys
sys.path[:0] = [{tests!r}, {here!r}]

def guarded(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "localhost", "127.0.0.1", "::1", b"127.0.0.1"):
        sys.stderr.write(f"LOOKED UP {{arguments[0]}}\\n")
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not ipaddress.ip_address(arguments[1][0]).is_loopback:
        sys.stderr.write(f"CONNECTED TO {{arguments[1]}}\\n")

sys.addaudithook(guarded)
from pathlib import Path
from tracked_runs import served_run, tracked_run
from touchstone.trackers import send
from touchstone.trackers.tracked import Settings
tracked = tracked_run(served_run(), Path({directory!r}))
{before}
sys.stdout.write(str(send({name!r}, tracked, Settings()).where))
"""
OF_TESTS = ("PYTEST_", "CI", "GITHUB_", "BUILDKITE", "OTEL_", "WANDB_", "SWANLAB_", "MLFLOW_")


class Trap:
    """A proxy that counts who comes: programs that are not Python are seen too."""

    def __enter__(self):
        self.socket, self.visits = socket.create_server(("127.0.0.1", 0)), 0
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()
        return self

    def _count(self):
        while True:
            try:
                visitor, _ = self.socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def __exit__(self, *_):
        self.socket.close()


def guarded(name, directory, before=""):
    """The process that sends a run to ``name`` with every way out watched, and how often it came by."""
    code = GUARDED.format(tests=str(Path(__file__).parents[1]), here=str(Path(__file__).parent), directory=str(directory), name=name, before=before)
    kept = {variable: text for variable, text in os.environ.items() if not variable.startswith(OF_TESTS)}
    with Trap() as trap:
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), trap.url)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
                              env={**kept, **proxies, "HOME": str(directory), "NO_PROXY": "", "no_proxy": ""})
    return done, trap.visits


@pytest.mark.parametrize("name", TRACKERS)
def test_nothing_reaches_for_the_network(name, tmp_path):
    pytest.importorskip(TRACKERS[name].module)
    done, visits = guarded(name, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing has left this machine" in done.stdout
    assert (done.stderr, visits) == ("", 0)


def test_the_guard_does_see_who_reaches_out(tmp_path):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    done, visits = guarded("otel", tmp_path, before="import contextlib, urllib.request\n"
                           "with contextlib.suppress(OSError): urllib.request.urlopen('https://example.org')\n"
                           "with contextlib.suppress(OSError): socket.create_connection(('192.0.2.1', 9), 0.1)")
    assert visits == 1
    assert "CONNECTED TO ('192.0.2.1', 9)" in done.stderr


def test_every_tracker_has_the_extra_that_its_error_names():
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for row in TRACKERS.values():
        wanted = row.module.partition(".")[0]
        assert any(re.match(r"[\w-]+", line).group().startswith(wanted) for line in extras[row.extra]), row


@pytest.mark.parametrize("name", TRACKERS)
def test_a_library_that_is_missing_is_named_with_its_cure(name, monkeypatch, tmp_path):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == TRACKERS[name].module else real(module))
    with pytest.raises(NotReadyError) as caught:
        send(name, tracked_run(engine_run(), tmp_path), Settings())
    assert str(caught.value) == f"The library of {name} is not installed. pip install 'llm-touchstone[{TRACKERS[name].extra}]'"


def test_a_package_around_a_library_may_be_missing_too(monkeypatch):
    monkeypatch.setitem(TRACKERS, "otel", Row("x:send", "otel", "no_such_package_at_all.inner", {}))
    with pytest.raises(NotReadyError):
        require(["otel"])


def test_a_tracker_that_nobody_knows_is_the_users_mistake():
    with pytest.raises(UsageError, match="Did you mean swanlab"):
        require(["swanlb"])


@pytest.mark.parametrize("failure", [RuntimeError("no\x1b[31m route to http://me:secret@host/"), SystemExit(1), OSError(28, "No space left on device"),
                                     Exception("x" * 100_000), ValueError()])
def test_whatever_a_library_raises_becomes_an_error_with_a_cure(failure, monkeypatch, tmp_path):
    def refuse(_tracked, _settings):
        sys.stdout.write("the library says too much")
        raise failure

    monkeypatch.setattr(trackers, "here", refuse, raising=False)
    monkeypatch.setitem(TRACKERS, "wandb", Row("touchstone.trackers:here", "wandb", "touchstone", {"TOUCHSTONE_TEST_ONLY": "1"}))
    with pytest.raises(NotReadyError) as caught:
        send("wandb", tracked_run(engine_run(), tmp_path), Settings())
    said = str(caught.value)
    assert said.isprintable()
    assert "secret" not in said
    assert len(said) < 600 + len(str(tmp_path))
    assert "Nothing of the run is lost" in said
    assert "TOUCHSTONE_TEST_ONLY" not in os.environ


def test_an_interrupt_is_not_swallowed(monkeypatch, tmp_path):
    def interrupt(_tracked, _settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(trackers, "here", interrupt, raising=False)
    monkeypatch.setitem(TRACKERS, "wandb", Row("touchstone.trackers:here", "wandb", "touchstone", {}))
    with pytest.raises(KeyboardInterrupt):
        send("wandb", tracked_run(engine_run(), tmp_path), Settings())


def test_a_directory_that_cannot_be_written_costs_no_traceback(tmp_path):
    pytest.importorskip("swanlab")
    tracked = tracked_run(engine_run(), tmp_path)
    (tmp_path / "swanlab").write_text("a file is in the way")
    with pytest.raises(NotReadyError, match="did not take the run"):
        send("swanlab", tracked, Settings())


def test_libraries_are_not_imported_before_they_are_asked_for():
    code = ("import sys, touchstone.cli.export, touchstone.cli.tracking\n"
            "print(sorted({'swanlab', 'mlflow', 'wandb', 'opentelemetry', 'numpy', 'requests'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout.strip() == "[]"
