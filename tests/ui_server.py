"""The pages of ``touchstone ui`` on a free port, as a user starts them."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx


@contextmanager
def browsing(directory, *options, **environment):
    """A client of the pages of ``directory``, and the process that serves them; the process must end well when it is interrupted."""
    process = subprocess.Popen([sys.executable, "-m", "touchstone", "ui", str(directory), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env={**os.environ, **environment})
    try:
        address = process.stderr.readline().strip()
        assert address.startswith("http://"), address + process.stderr.read()
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            yield client, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            out, said = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode in {130, -signal.SIGTERM}
    assert out == ""
    assert "Traceback" not in said


def posted(client, fields, **headers):
    """What a form of our own page sends."""
    return client.post("/audit", data=fields, headers={"Origin": str(client.base_url).rstrip("/"), **headers})
