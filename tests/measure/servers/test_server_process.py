"""A server as a process: whatever happens to its guard or to itself, it is gone afterwards, and only it is blamed for what it said."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from touchstone.errors import NotReadyError
from touchstone.measure.servers.commands import ServerCommand
from touchstone.measure.servers.guard import end_tree
from touchstone.measure.servers.process import ServerProcess

WITH_WORKER = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
print("worker", worker.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path):
    """Start a program as a server; it is ended after the test."""
    servers = []

    def start(program):
        servers.append(ServerProcess(ServerCommand((sys.executable, "-c", program), "model"), tmp_path / "server-0", tmp_path / "server-0.log"))
        servers[0].start()
        return servers[0]
    yield start
    for server in servers:
        server.stop()


def until(condition, patience=20.0):
    give_up = time.monotonic() + patience
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.05)
    return condition()


def running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_guard_takes_server_and_worker_with_it(started):
    server = started(WITH_WORKER)
    assert until(server.newest_line)
    pids = server.pid, int(server.newest_line().split()[1])
    os.kill(server._guard.pid, signal.SIGKILL)
    assert until(lambda: not running(pids[0]))  # the kernel sees to it, whoever else is gone
    assert "watches it" in str(server.failure(server.ended(5.0)))
    server.stop()
    assert not any(map(running, pids))


def test_the_guard_is_not_ended_by_asking_but_its_server_is(started):
    server = started("import signal, time\nprint([signal.getsignal(one) == signal.SIG_DFL for one in (signal.SIGTERM, signal.SIGHUP)], flush=True)\ntime.sleep(600)")
    assert until(server.newest_line)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(server._guard.pid, number)
    time.sleep(0.5)
    assert server.ended() is None
    assert server.newest_line() == "[True, True]"
    os.kill(server.pid, signal.SIGTERM)
    assert "SIGTERM" in str(server.ended(10.0))


def test_what_ignores_being_asked_to_end_is_killed_with_its_worker():
    looks = []
    with subprocess.Popen([sys.executable, "-c", WITH_WORKER], stdout=subprocess.PIPE) as stubborn:
        worker = int(stubborn.stdout.readline().split()[1])
        end_tree([psutil.Process(stubborn.pid)], lambda: looks.append(1), grace_s=0.4)
        assert not running(worker)
        assert not running(stubborn.pid)
    assert len(looks) >= 2


def test_a_server_that_dies_for_a_known_reason_says_the_cure(started):
    server = started("import sys; sys.exit('server: error: unrecognized arguments: --nonsense')")
    said = str(server.failure(server.ended(20.0)))
    assert said.startswith("The server ended (exit code 1). It said: server: error: unrecognized arguments: --nonsense. Most likely:")
    assert "--help" in said


def test_only_the_words_of_this_start_count(started, tmp_path):
    server = started("import sys; sys.exit('server: error: unrecognized arguments: --nonsense')")
    server.ended(20.0)
    server.stop()
    server.command = ServerCommand((sys.executable, "-c", "import time; time.sleep(1); raise SystemExit('something else')"), "model")
    server.start()
    assert server.newest_line() == ""
    assert not server.has_said("unrecognized")
    assert "Its last words: something else." in str(server.failure(server.ended(20.0)))
    assert "unrecognized" in Path(tmp_path / "server-0.log").read_text(encoding="utf-8")


def test_a_good_start_explains_nothing_that_comes_later(started):
    server = started("import time\nprint('server: error: unrecognized arguments: --nonsense', flush=True); time.sleep(1); raise SystemExit('bye')")
    assert until(server.newest_line)
    server.turn_page()
    assert "Its last words: bye." in str(server.failure(server.ended(20.0)))


def test_a_command_that_is_none_is_refused(tmp_path):
    server = ServerProcess(ServerCommand((str(tmp_path / "nothing"),), "model"), tmp_path / "server-0", tmp_path / "server-0.log")
    with pytest.raises(NotReadyError, match="cannot be started"):
        server.start()
    server.stop()
