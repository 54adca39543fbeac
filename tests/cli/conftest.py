"""The command as a user has it, and a server whose true times are known."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from touchstone.measure.scripted import Script, ScriptedServer


@pytest.fixture(scope="session")
def touchstone() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``touchstone`` with some arguments, in a process of its own."""
    def run(*arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        variables = settings.pop("variables", {})
        return subprocess.run([sys.executable, "-m", "touchstone", *map(str, arguments)], text=True, timeout=300, check=False,
                              env={**os.environ, **variables}, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings})
    return run


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedServer]:
    """A fast server, shared by the tests that need nothing special of it."""
    with ScriptedServer(Script(ttft_s=0.002, itl_s=0.001)) as one:
        yield one
