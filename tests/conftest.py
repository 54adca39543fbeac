"""Shared by all tests: the builders' folder on the path, one cache of synthetic checkpoints, no user settings."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("any machine", deadline=None)  # how long an example takes says something of the host only
settings.load_profile("any machine")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
for name in [name for name in os.environ if name.startswith("TOUCHSTONE_")]:
    del os.environ[name]
for name in ("LANG", "LC_ALL", "LC_MESSAGES"):
    os.environ[name] = "C.UTF-8"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, whose children would never hear of Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of its own for the session, so that tests neither need nor leave anything in the user's."""
    path = tmp_path_factory.mktemp("cache")
    os.environ["TOUCHSTONE_CACHE"] = str(path)
    return path


@pytest.fixture(scope="session")
def tiny(cache: Path) -> Path:
    """The directory of the synthetic model `tiny`."""
    from touchstone.checkpoints import synthetic

    return synthetic.ensure("tiny")
