"""Imports modules in processes of their own: a plug-in without its libraries takes the importing process down with it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping, Sequence

from touchstone.machine import ImportTrial

MODULES = ("torch", "torch_npu")
_TIMEOUT_S = 120.0  # torch from a cold disk takes tens of seconds
_MOST_CHARACTERS = 300
_ERRORS = ("ImportError:", "OSError:", "RuntimeError:", "ModuleNotFoundError:", "AttributeError:")


def try_imports(environment: Mapping[str, str], modules: Sequence[str] = MODULES) -> tuple[ImportTrial, ...]:
    """One trial for each of ``modules`` that is installed."""
    return tuple(try_import(module, environment) for module in modules if importlib.util.find_spec(module))


def try_import(module: str, environment: Mapping[str, str], timeout_s: float = _TIMEOUT_S) -> ImportTrial:
    """Whether ``module`` can be imported in ``environment``, and what is said if not."""
    try:
        done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, env=dict(environment), timeout=timeout_s,
                              check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return ImportTrial(module, None)
    except OSError as error:
        return ImportTrial(module, None, str(error))
    if done.returncode == 0:
        return ImportTrial(module, succeeded=True)
    lines = [line for line in done.stderr.decode("utf-8", errors="replace").splitlines() if line.strip()]
    return ImportTrial(module, succeeded=False, error=_telling(lines, done.returncode))


def _telling(lines: Sequence[str], code: int) -> str:
    """The first line that names an error, as torch wraps a plug-in's own in a second one; else the last."""
    named = (line for line in lines if line.startswith(_ERRORS))
    return next(named, lines[-1] if lines else f"exit code {code}").strip()[:_MOST_CHARACTERS]
