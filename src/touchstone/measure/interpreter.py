"""Which Python runs an engine: this one, or the one that has the engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from touchstone import __version__
from touchstone.errors import NotReadyError, UsageError
from touchstone.measure.engines import engine_row
from touchstone.plan import Target

_ANSWER_S = 60.0
_MODULES: Mapping[str, str] = {
    "vllm-server": "vllm", "sglang-server": "sglang", "transformers-serve": "transformers", "llamacpp-server": "xllamacpp",
}
"""What a server's interpreter must have."""
_HAS = "import importlib.util as u, sys; print(u.find_spec(sys.argv[1]) is not None)"


def of(target: Target) -> str:
    """The interpreter for the launches of ``target``. Raises :class:`NotReadyError` where the one that has its engine cannot run them.

    A server is started in the interpreter that was named, but asked from this one.
    """
    python = target.options.engine_python
    if engine_row(target.engine)[1].server:
        _check_server(python, target.engine)
        return sys.executable
    if python is None:
        return sys.executable
    done = _answer(python, "import touchstone; print(touchstone.__version__)")
    found = done.stdout.strip()
    if done.returncode or found != __version__:
        raise NotReadyError("{python} has no touchstone {version} (found: {found}).", "{python} -m pip install llm-touchstone=={version}",
                            python=python, version=__version__, found=found or (done.stderr.strip().splitlines() or ["-"])[-1])
    return python


def _check_server(python: str | None, engine: str) -> None:
    """Raise where ``engine`` is a module that its interpreter does not have: its own words would say less, and later."""
    module = _MODULES.get(engine)
    if module is None or (python is None and engine == "llamacpp-server" and shutil.which("llama-server")):
        return
    has = _answer(python or sys.executable, _HAS, module, directory="/")  # a folder beside us is not what the server will find
    if has.returncode:
        raise UsageError("{python} is not a Python interpreter that starts: {why}.", "--engine-python takes the path of one.", python=python,
                         why=(has.stderr.strip().splitlines() or ["-"])[-1])
    if has.stdout.strip() == "False":
        raise NotReadyError("{python} has no {module}, which the engine {engine} needs.",
                            "Install it there, or name the interpreter that has it: --engine-python PATH", python=python or sys.executable,
                            module=module, engine=engine)


def _answer(python: str, program: str, *arguments: str, directory: str | None = None) -> subprocess.CompletedProcess[str]:
    """What ``python`` says to ``program``, run in ``directory``. Raises :class:`UsageError` where it does not start."""
    if Path(python).is_dir():
        raise UsageError("{python} is a directory, not a Python interpreter.", "Did you mean {python}/bin/python?", python=python)
    try:
        return subprocess.run([python, "-c", program, *arguments], capture_output=True, text=True, timeout=_ANSWER_S, check=False,
                              cwd=directory)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError("{python} is not a Python interpreter that starts: {why}.", "--engine-python takes the path of one.", python=python,
                         why=getattr(error, "strerror", None) or error) from error
