"""What of the settings that an engine reports is a condition: not what was measured, drawn anew at each start, or only a place on this host."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

_FOLLOWS = {"system"}  # of llama.cpp: the processor's features and the number of threads once more
_MEASURED = {"log_says", "client", "tokenizer_ns_per_token"}
_DRAWN = re.compile(r"(^|[._])(\w*ports?|pid|random_seed|media_marker|uptime\w*|last_\w+|\w+_usage)$")


def settings_of(options: Mapping[str, Any], cores: object) -> dict[str, Any]:
    """The settings to compare. As many threads as there are ``cores`` are called that: on another host it is the same setting."""
    kept = {name: value for name, value in options.items() if name not in _FOLLOWS | _MEASURED}
    if kept.get("threads") is not None and kept["threads"] == cores:
        kept["threads"] = "one per core"
    if isinstance(kept.get("command"), str):
        kept["command"] = " ".join(_words(kept["command"]))
    said = kept.get("server_says")
    if isinstance(said, Mapping):
        kept["server_says"] = {name: _placeless(value) for name, value in said.items() if not _DRAWN.search(str(name))}
    return kept


def _words(command: str) -> Iterator[str]:
    """A command line without its interpreter, its port, and the folders of its paths."""
    try:
        _, *words = shlex.split(command)
    except ValueError:
        words = command.split()[1:]
    before = ""
    for word in words:
        if not {before, word} & {"--port", "-p"} and not word.startswith("--port="):
            yield str(_placeless(word))
        before = word


def _placeless(value: object) -> object:
    """A path's last part; anything else as it is."""
    return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) and value.startswith("/") and "\n" not in value else value
