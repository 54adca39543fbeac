"""What was measured, and where: facts by their names for a reader. Settings of an engine keep the names that its options have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from touchstone.finding import Findings
from touchstone.message import Message, Say, say
from touchstone.units import gigabytes

_SUBJECT: Mapping[str, Message] = {
    "engine": say("engine"), "engine_version": say("engine's version"), "device": say("device"), "device_name": say("device's name"),
    "model": say("model"), "random_weights": say("random weights"), "dtype": say("dtype"), "dtypes": say("weights by dtype"),
    "parameters": say("parameters"), "checkpoint": say("checkpoint"), "base_url": say("server's address"), "endpoint": say("endpoint"),
    "backend": say("backend"), "streamed": say("streamed"), "tokenizer": say("tokenizer"), "client_processes": say("client's processes"),
}
_HOST: Mapping[str, Message] = {
    "os": say("operating system"), "kernel": say("kernel"), "architecture": say("architecture"), "container": say("container"), "cpu": say("CPU"),
    "cores": say("usable cores"), "governor": say("frequency governor"), "load_average": say("load average"),
    "memory_total_bytes": say("host memory"), "memory_available_bytes": say("host memory available"), "swap_used_bytes": say("swap in use"),
    "cgroup": say("cgroup limits"), "python": say("Python"), "packages": say("packages"), "driver": say("driver"), "cann": say("CANN"),
    "variables": say("environment variables"), "busy_processes": say("busy processes"), "device_processes": say("other processes on the device"),
    "git": say("git"),
}
_DEVICE: Mapping[str, Message] = {
    "memory_bytes": say("device memory"), "multi_processor_count": say("multiprocessors"), "cube_core_num": say("cube cores"),
    "vector_core_num": say("vector cores"), "physical_cores": say("physical cores"),
}
_COMMIT_DIGITS = 12


def rows(findings: Findings, said: Say) -> Iterator[tuple[str, str]]:
    """Fact and value, of what was measured, of its settings, and of the machine. What is not known is left out."""
    identity, machine = dict(findings.identity), dict(findings.environment)
    settings, device = (one if isinstance(one, Mapping) else {} for one in (identity.pop("options", None), machine.pop("device", None)))
    for words, facts in ((_SUBJECT, identity), (_DEVICE, _of_device(device)), ({}, settings), (_HOST, machine)):
        for name, value in facts.items():
            text = "" if value is None else _value(name, value, said)
            if text:
                yield said(words[name]) if name in words else name, text


def _of_device(device: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the other facts do not say of it."""
    return {name: value for name, value in device.items() if name in _DEVICE or (name not in _HOST and name not in {"name", "usable_cores"})}


def _value(name: str, value: Any, said: Say) -> str:
    if isinstance(value, Mapping):
        return _VALUES.get(name, _named)(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(_busy(one, said) if isinstance(one, Mapping) else str(one) for one in value)
    if isinstance(value, bool):
        return said(say("yes") if value else say("no"))
    if _is_number(value) and name.endswith("_bytes"):
        return gigabytes(value)
    return f"{value:,}" if _is_number(value) and name == "parameters" else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _busy(process: Mapping[str, Any], said: Say) -> str:
    return said(say("{name} ({cores} cores)", name=process.get("name"), cores=process.get("cores")))


def _named(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)


def _assigned(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in facts.items())


def _sizes(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {gigabytes(value) if _is_number(value) else value}" for name, value in facts.items())


def _commit(facts: Mapping[str, Any]) -> str:
    return str(facts.get("commit"))[:_COMMIT_DIGITS] + ("+" if facts.get("dirty") else "")


_VALUES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"variables": _assigned, "dtypes": _sizes, "git": _commit}
"""Fact of several parts → how they are written."""
