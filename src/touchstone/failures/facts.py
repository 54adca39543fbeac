"""What a line says besides that something failed: sizes as it prints them, the code, the device, a name."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SIZE = r"(\d[\d.]{0,15} ?(?:[KMGT]i?B|bytes))"
_FACTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple((name, re.compile(pattern)) for name, pattern in (
    ("tried_to_allocate", rf"[Tt]ried to allocate {_SIZE}"),
    ("tried_to_allocate", rf"(?:allocating|buffer of size) {_SIZE}"),
    ("free", rf"; {_SIZE} free"),
    ("free", rf"of which {_SIZE} is free"),
    ("free", r"Free memory on device [^()]{0,40}\((\d[\d.]{0,15})/[\d.]{1,16} GiB\)"),
    ("available", r"Available KV cache memory: (-?\d[\d.]{0,15} GiB)"),
    ("available", rf"available KV cache memory \({_SIZE}\)"),
    ("total", rf"{_SIZE} total capacity"),
    ("total", rf"total capac(?:i)?ty of {_SIZE}"),
    ("total", r"Free memory on device [^()]{0,40}\([\d.]{1,16}/(\d[\d.]{0,15} GiB)\)"),
    ("needed", r"GPU memory utilization \([\d.]{1,10}, (\d[\d.]{0,15} GiB)\)"),
    ("needed", rf"{_SIZE} KV cache is needed"),
    ("code", r"(?:error code(?: is)?:? ?|runtime result = |ErrCode=|failed: )(\d{6})(?!\d)"),
    ("code", r"\b(ERR\d{5}|MIE\d{2}E[0-9A-F]{6})\b"),
    ("code", r"\b(E[1-47-9A-Z]\d{4})(?=\)?:|\[PID)"),
    ("code", r"ret is (-\d{1,6})"),
    ("device", r"\(((?:NPU|GPU) \d{1,4});"),
    ("device", r"\. (GPU \d{1,4}) has a total"),
    ("device", r"\bDevice:(\d{1,4}),"),
    ("requested_length", r"max seq len \((\d{1,12})\)"),
    ("possible_length", r"stored in KV cache \((\d{1,12})\)"),
    ("possible_length", r"estimated maximum model length is (\d{1,12})"),
    ("architecture", r"unknown model architecture: '([\w.-]{1,80})'"),
    ("architecture", r"model type `([\w.-]{1,80})`"),
    ("architecture", r"Model architectures \['([\w.-]{1,80})'"),
    ("library", r"([\w.+-]{1,80}\.so[\w.]{0,20}): (?:cannot open|undefined symbol)"),
    ("operator", r"The operator '([\w.:]{1,80})'"),
    ("arguments", r"unrecognized arguments: (.{1,120})"),
    ("address", r"bind on address \(('[\w.:]{1,60}', \d{1,5})\)"),
))


def facts_in(text: str) -> Mapping[str, str]:
    """The facts of one line, by name; of two readings of the same the first."""
    found: dict[str, str] = {}
    for name, pattern in _FACTS:
        match = None if name in found else pattern.search(text)
        if match:
            found[name] = match.group(1)
    if "free" in found and found["free"].replace(".", "").isdigit():
        found["free"] += " GiB"  # vLLM prints the unit once, after the slash
    return found
