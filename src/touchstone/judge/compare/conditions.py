"""What a run was measured under, flattened to names and texts, and how two runs differ in it.

Left out are what cannot matter (ids, stamps, folders, ports), what is measured (sizes, loading times) and what changes by the minute (load,
free memory). Values that may be secrets are compared and never shown.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from touchstone.comparison import COUNTED, Difference, Factor
from touchstone.judge.compare.settings import settings_of
from touchstone.judge.foreign.result import ForeignResult

Facts = Mapping[tuple[Factor, str], str]
HIDDEN = "(hidden)"
OURS = "touchstone"
_DEEPEST = 8
_LONGEST = 160
_SECRET = re.compile(r"api.?key|secret|passw|credential|authoriz|bearer|(access|auth|refresh|session)[_-]?token", re.IGNORECASE)
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - names of this host, nothing is bound
_QUANTISED = re.compile(r"[-_.](b?f(p)?(16|32)|i?q\d\w*|int[48]|fp8)$")
_NO_NAMES = {"model", "ggml-model"}
_DTYPES = {"f32": "fp32", "f16": "fp16", "q8_0": "int8", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_RUN_PROCEDURE = ("warmup", "order", "seed")
_LOAD_PROCEDURE = ("warmup", "warmup_s", "seed", "timeout_s", "num_prompts", "duration_s")
_MACHINE = ("os", "kernel", "architecture", "container", "cpu", "cores", "governor", "memory_total_bytes", "cgroup", "driver", "cann", "device")
_CLAIMED = ("concurrency", "request_rate", "batch_size", "devices")
_CASE = ("input_tokens", "messages", "output_tokens", "batch_size", "stop_at_eos", "sampling")


@dataclass(frozen=True)
class Conditions:
    """Facts of a run, and of each of its cases what it asks for. A fact that is absent is not set, or where not ``complete`` unknown."""

    facts: Facts
    cases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    complete: bool = True

    def value(self, factor: Factor, name: str) -> str | None:
        """A fact's text, or None."""
        return self.facts.get((factor, name))

    @property
    def engine(self) -> str:
        """The engine's name, without its version."""
        return self.value(Factor.ENGINE, "engine") or "-"

    @property
    def model(self) -> str:
        """The model's name."""
        return self.value(Factor.WORK, "model") or "-"

    @property
    def machine_words(self) -> str:
        """The machine as a person names it: processor, cores, device, and where it is another host the server's name."""
        cpu, cores, device = (self.value(Factor.MACHINE, name) for name in ("cpu", "cores", "device_name"))
        server = self.value(Factor.MACHINE, "server")
        parts = [f"{cpu or '-'} × {cores or '-'}" if cpu or cores else None, device if device != cpu else None, server if server != "localhost" else None]
        return ", ".join(part for part in parts if part) or "-"

    @property
    def machine(self) -> str:
        """The host's fingerprint: what stays the same when software is updated."""
        names = ("cpu", "cores", "architecture", "device_name", "server")
        return digest([self.value(Factor.MACHINE, name) for name in names])

    def plan_digest(self, case: str) -> str:
        """What identifies the work of ``case`` and how it was measured, whoever did it."""
        kept = sorted(f"{factor.value} {name} {text}" for (factor, name), text in self.facts.items() if factor in {Factor.WORK, Factor.PROCEDURE})
        return digest([kept, sorted(self.cases.get(case, {}).items())])


def digest(value: object) -> str:
    """Twelve characters that stand for ``value``."""
    return hashlib.sha256(json.dumps(value, default=str).encode("utf-8", "replace")).hexdigest()[:12]


# ── of a run's header ────────────────────────────────────────────────────────────────────────────────────────────────────


def run_conditions(header: Mapping[str, Any]) -> Conditions:
    """Of an engine in this process: what really ran, where the engine said so."""
    plan, target, environment = mapping(header.get("plan")), mapping(header.get("target")), mapping(header.get("environment"))
    launches = header.get("launches")
    engine = mapping(mapping(launches[0]).get("facts")) if isinstance(launches, list) and launches else {}
    options = settings_of(mapping(engine.get("options") or target.get("options")), environment.get("cores"))
    device = str(engine.get("device") or target.get("device") or "")
    # Behind a server a device is known by its number alone, which is no name.
    named = {name: value for name, value in {"device_name": engine.get("device_name"), **mapping(environment.get("device"))}.items() if value != device}
    facts = {
        **_under(Factor.WORK, {"model": model_name(target.get("model")), "dtype": _dtype(target, engine), "stored_dtype": _dtype({}, engine),
                               "random_weights": engine.get("random_weights"), "parameters": _rounded(engine.get("parameters"))}),
        **_under(Factor.ENGINE, {"engine": engine.get("engine") or target.get("engine"), "engine_version": engine.get("version")}),
        **_under(Factor.SETTINGS, {"options": options}),
        **_under(Factor.MACHINE, {"device_name": named.pop("device_name", None), "device": device.removesuffix(":0") or None}),
        **_under(Factor.PROCEDURE, {"measured_by": OURS, **{name: plan.get(name) for name in _RUN_PROCEDURE}}),
        **_environment({**environment, "device": named}), **_labels(header),
    }
    return Conditions(facts, {str(case.get("name")): _flat({name: case.get(name) for name in _CASE}) for case in _mappings(plan.get("cases"))})


def load_conditions(header: Mapping[str, Any], loads: Mapping[str, Mapping[str, Any]]) -> Conditions:
    """Of a server under load; ``loads`` are what was offered, by case."""
    plan, endpoint, server = (mapping(header.get(name)) for name in ("plan", "endpoint", "server"))
    workload = {**mapping(plan.get("workload")), "path": _file_name(mapping(plan.get("workload")).get("path"))}
    model = endpoint.get("model") or server.get("model")
    facts = {
        **_under(Factor.WORK, {"model": model_name(model), "backend": endpoint.get("backend"), "endpoint": endpoint.get("path"),
                               "streamed": endpoint.get("stream"), "workload": workload,
                               **{name: plan.get(name) for name in ("ignore_eos", "temperature", "extra_body")}}),
        **_under(Factor.ENGINE, {"engine": server.get("owned_by") or server.get("name"), "engine_version": server.get("version"),
                                 "server": server.get("name")}),
        **_under(Factor.SETTINGS, {"max_model_len": server.get("max_model_len")}),
        **_under(Factor.MACHINE, {"server": _host(endpoint.get("base_url"))}),
        **_under(Factor.PROCEDURE, {"measured_by": OURS, **{name: plan.get(name) for name in _LOAD_PROCEDURE},
                                    "client_processes": header.get("processes"), "tokenizer": _file_name(endpoint.get("tokenizer"))}),
        **_under(Factor.LABEL, {"slos": plan.get("slos") or None}),
        **_environment(mapping(header.get("environment"))), **_labels(header),
    }
    return Conditions(facts, {name: _flat(load) for name, load in loads.items()})


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it is a mapping, else an empty one: a header may hold anything."""
    return value if isinstance(value, Mapping) else {}


def model_name(value: object) -> str | None:
    """A model's name without its folder, its file's suffix and its precision, which is compared by itself; a file called model has its folder's."""
    if not value:
        return None
    folder, _, last = str(value).rstrip("/\\").replace("\\", "/").rpartition("/")
    name = last.lower().removesuffix(".gguf").removesuffix("-gguf")
    bare = _QUANTISED.sub("", name) or name
    return model_name(folder) if bare in _NO_NAMES and folder else bare


def _environment(environment: Mapping[str, Any]) -> dict[tuple[Factor, str], str]:
    kept = {name: value for name, value in mapping(environment.get("variables")).items() if not str(name).startswith("TOUCHSTONE_")}
    host = {name: environment.get(name) for name in _MACHINE if name != "device"}
    return {**_under(Factor.ENGINE, {"packages": environment.get("packages"), "python": environment.get("python")}),
            **_under(Factor.SETTINGS, {"variables": kept}), **_under(Factor.MACHINE, host),
            **_under(Factor.MACHINE, {"device": mapping(environment.get("device"))})}


def _labels(header: Mapping[str, Any]) -> dict[tuple[Factor, str], str]:
    environment = mapping(header.get("environment"))
    return _under(Factor.LABEL, {"touchstone": header.get("touchstone"), "git": environment.get("git"), "labels": header.get("labels")})


def _under(factor: Factor, values: Mapping[str, Any]) -> dict[tuple[Factor, str], str]:
    return {(factor, name): text for name, text in _flat(values).items()}


def _flat(value: Any) -> dict[str, str]:
    return dict(_leaves(value, "", 0))


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every leaf as (dotted name, text); what is None, or nothing at all, is not set."""
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, (list, tuple)) and not value:
        return
    elif isinstance(value, (Mapping, list, tuple)):
        yield name, json.dumps(value, default=str, ensure_ascii=False)
    elif value is not None:
        yield name, f"{value:.12g}" if isinstance(value, float) else str(value)


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _dtype(target: Mapping[str, Any], engine: Mapping[str, Any]) -> str | None:
    """The type of the weights asked for; where the file decides, the one that most of its bytes are in."""
    asked = target.get("dtype")
    held = {name: size for name, size in mapping(engine.get("dtypes")).items() if isinstance(size, (int, float))}
    if (not asked or asked == "auto") and held:
        asked = max(held, key=lambda name: held[name])
    return None if not asked else _DTYPES.get(str(asked).lower(), str(asked).lower())


def _rounded(parameters: object) -> str | None:
    """Two digits: enough to tell models apart, and engines count tied weights once or twice."""
    return f"{parameters:.2g}" if isinstance(parameters, (int, float)) and not isinstance(parameters, bool) else None


def _file_name(path: object) -> str | None:
    return str(path).rstrip("/").rpartition("/")[2] if path else None


def _host(url: object) -> str | None:
    """The host alone: neither its port nor a name and password bear on a number, and the latter are nobody's business."""
    try:
        host = urlsplit(str(url)).hostname if url else None
    except ValueError:
        return None
    return "localhost" if host in _HERE else host


def result_conditions(result: ForeignResult) -> Conditions:
    """Of another tool's file, as far as it says."""
    subject, claims = result.claims.subject, result.claims.claims
    words = claims[0].words if claims else {}
    facts = {
        **_under(Factor.WORK, {"model": model_name(subject.model or words.get("model")), "dtype": _dtype({"dtype": subject.dtype or words.get("dtype")}, {})}),
        **_under(Factor.MACHINE, {"device_name": subject.hardware or words.get("hardware")}),
        **_under(Factor.PROCEDURE, {"measured_by": result.tool}), **_under(Factor.LABEL, {"conditions": result.conditions, "version": result.version}),
    }
    cases = {claim.label: _flat({name: claim.value(name) for name in _CLAIMED}) for claim in claims}
    return Conditions(facts, cases, complete=False)


# ── two of them ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def differences(old: Conditions, new: Conditions, pairs: Sequence[tuple[str, str]]) -> tuple[Difference, ...]:
    """Every condition that is not the same, those that weigh most first; ``pairs`` are the cases to be compared, by their names on each side."""
    both = old.complete and new.complete
    names = old.facts.keys() | new.facts.keys() if both else old.facts.keys() & new.facts.keys()
    found = [_difference(factor, name, old.facts.get((factor, name)), new.facts.get((factor, name))) for factor, name in names
             if old.facts.get((factor, name)) != new.facts.get((factor, name))]
    if engines_differ(found):
        found = [Difference(Factor.ENGINE, one.name, one.old, one.new) if one.factor is Factor.SETTINGS else one for one in found
                 if (one.factor, one.name) != (Factor.WORK, "parameters") and not _one_sees(one)]
    for mine, yours in pairs:
        asked, other = old.cases.get(mine, {}), new.cases.get(yours, {})
        keys = asked.keys() | other.keys() if both else asked.keys() & other.keys()
        found += [_difference(Factor.WORK, f"{mine}: {key}", asked.get(key), other.get(key)) for key in keys if asked.get(key) != other.get(key)]
    order = list(Factor)
    return tuple(sorted(found, key=lambda one: (order.index(one.factor), not one.name.startswith("engine"), one.name)))


def engines_differ(found: Sequence[Difference]) -> bool:
    """Whether the two sides are of two engines, not only of two versions of one."""
    return any((one.factor, one.name) == (Factor.ENGINE, "engine") for one in found)


def _one_sees(one: Difference) -> bool:
    """A fact of the device that only one of two engines can see: a server's device is at the end of a wire."""
    return one.factor is Factor.MACHINE and one.name.startswith(("device_name", "device.")) and None in (one.old, one.new)


def confounds(found: Sequence[Difference]) -> bool:
    """Whether nothing could be said of why the numbers differ: the work differs, or more than one factor does."""
    factors = {one.factor for one in found}
    return Factor.WORK in factors or sum(one in factors for one in COUNTED) > 1


def _difference(factor: Factor, name: str, old: str | None, new: str | None) -> Difference:
    if _SECRET.search(name):
        old, new = (None if text is None else HIDDEN for text in (old, new))
    return Difference(factor, _short(name) or "-", _short(old), _short(new))


def _short(text: str | None) -> str | None:
    """Of bounded length, and without anything that a terminal would obey: an error shows it as it is."""
    if text is None:
        return None
    kept = "".join(character if character.isprintable() else " " for character in text[:_LONGEST + 1])
    return kept if len(kept) <= _LONGEST else f"{kept[:_LONGEST]}…"
