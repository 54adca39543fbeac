"""Every place where a script makes a model generate: by which engine, with which options, at most how many tokens."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from touchstone.judge.lint.expressions import Function, Scope, Seen, entries, position, text_of
from touchstone.judge.lint.script import Script

TRANSFORMERS, VLLM, SGLANG, OPENAI, LLAMA_CPP, HTTP = "transformers", "vllm", "sglang", "openai", "llama_cpp", "http"
IN_PROCESS = frozenset({TRANSFORMERS, VLLM, SGLANG, LLAMA_CPP})
PREFIX_CACHED = frozenset({VLLM, SGLANG, OPENAI, HTTP})
"""Engines that keep the keys and values of a prompt they have seen, or servers of such engines."""
_LIMITS = {TRANSFORMERS: ("max_new_tokens",), VLLM: ("max_tokens",), SGLANG: ("max_new_tokens",), LLAMA_CPP: ("max_tokens",),
           OPENAI: ("max_tokens", "max_completion_tokens", "max_output_tokens"), HTTP: ("max_tokens", "max_new_tokens", "max_completion_tokens")}
_FORCING = ("min_new_tokens", "min_tokens")
_HIDING = ("min_length", "logit_bias", "logits_processor", "stopping_criteria", "extra_body", "forced_eos_token_id", "suppress_tokens")
"""Options that may force a length in a way that is not looked into."""
_CLASSES = {"vllm.LLM": VLLM, "sglang.Engine": SGLANG, "llama_cpp.Llama": LLAMA_CPP, **dict.fromkeys(
    ("openai.OpenAI", "openai.Client", "openai.AsyncOpenAI", "openai.AsyncClient"), OPENAI)}
_PASSED_THROUGH = {"to", "npu", "cuda", "cpu", "eval", "half", "float", "bfloat16", "with_options"}
_LLAMA_METHODS = {"create_completion", "create_chat_completion", "generate"}
_INPUT_NAME = re.compile("input|enc|tok|batch|prompt", re.IGNORECASE)
_DEPTH = 3


@dataclass(frozen=True)
class Options:
    """Named options with everything each may be; ``closed`` where none is hidden behind a ``**`` or an object out of sight."""

    values: Mapping[str, tuple[Seen, ...]]
    closed: bool = True


@dataclass(frozen=True)
class Generation:
    """``call`` in ``scope`` generates: itself, or (``via``) by calling a function of the script that does so at ``origin``.

    ``inner`` is then what that function does. ``limits`` is what the most tokens may be, as ``call`` shows it.
    """

    call: ast.Call
    scope: Scope
    engine: str
    options: Options
    limits: tuple[Seen, ...]
    origin: ast.Call
    via: Function | None = None
    inner: Generation | None = None


def generations(script: Script) -> tuple[Generation, ...]:
    """Every generation of ``script`` in its order, calls of functions that generate included."""
    found = [one for call in script.calls() if (one := _direct(script, call)) is not None]
    newest = found
    for _ in range(_DEPTH):
        newest = [outer for inner in newest if isinstance(inner.scope, Function) for outer in _callers(script, inner, inner.scope)]
        found = [*found, *newest]
    return tuple(sorted(found, key=lambda one: position(one.call)))


def _callers(script: Script, inner: Generation, function: Function) -> Iterator[Generation]:
    for call in script.sites(function):
        if script.scope_of[call] is function:
            continue
        bound = script.bound(call, function)
        scope = script.scope_of[call]
        limits = tuple(Seen(bound[one.expr.id], scope) if isinstance(one.expr, ast.Name) and one.scope is function and one.expr.id in bound
                       else one for one in inner.limits)
        yield Generation(call, scope, inner.engine, inner.options, limits, inner.origin, function, inner)


def _direct(script: Script, call: ast.Call) -> Generation | None:
    engine = _engine(script, call)
    if engine is None:
        return None
    options = options_of(script, call)
    limits = tuple(one for name in _LIMITS[engine] for one in options.values.get(name, ()))
    return Generation(call, script.scope_of[call], engine, options, limits, call)


def _engine(script: Script, call: ast.Call) -> str | None:
    path = script.path(call.func)
    scope = script.scope_of[call]
    if path.endswith((".completions.create", ".responses.create")):
        return OPENAI
    if path.endswith(".post") and any(keyword.arg == "json" and _asks(script, keyword.value, scope) for keyword in call.keywords):
        return HTTP
    if isinstance(call.func, ast.Attribute) and script.called(call) is None:
        owner = made_by(script, call.func.value, scope)
        if owner == LLAMA_CPP:
            return LLAMA_CPP if call.func.attr in _LLAMA_METHODS else None
        if call.func.attr == "generate" or (owner == VLLM and call.func.attr == "chat"):
            return owner if owner and owner != OPENAI else _by_keywords(script, call)
    elif isinstance(call.func, ast.Name):
        owner = made_by(script, call.func, scope)
        return owner if owner in {LLAMA_CPP, TRANSFORMERS} else None
    return None


def _asks(script: Script, body: ast.expr, scope: Scope) -> bool:
    asked = {"messages", "prompt", "inputs"}
    return any(isinstance(one.expr, ast.Dict) and any(isinstance(key, ast.Constant) and key.value in asked for key in one.expr.keys)
               for one in script.roots(body, scope))


def made_by(script: Script, expr: ast.expr, scope: Scope) -> str | None:
    """The engine whose object ``expr`` is, where the script shows how it was made."""
    for one in script.roots(expr, scope):
        made = one.expr
        while isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr in _PASSED_THROUGH:
            made = made.func.value
        if not isinstance(made, ast.Call):
            if made is not one.expr and isinstance(made, ast.Name) and (owner := _before(script, made, one.scope)):
                return owner
            continue
        path = script.path(made.func)
        if path in _CLASSES:
            return _CLASSES[path]
        if path.endswith(".from_pretrained") and "Model" in path:
            return TRANSFORMERS
        if path == "torch.compile" and made.args and isinstance(made.args[0], ast.Name):
            return _before(script, made.args[0], one.scope)
    return None


def _before(script: Script, name: ast.Name, scope: Scope) -> str | None:
    """``model = model.npu()``: what the name was made by before."""
    for definition in script.definitions(name.id, scope):
        made = definition.value
        if isinstance(made, ast.Call) and definition.at < position(name) and script.path(made.func).endswith(".from_pretrained"):
            return TRANSFORMERS if "Model" in script.path(made.func) else None
    return None


def _by_keywords(script: Script, call: ast.Call) -> str | None:
    """The engine of ``x.generate(...)`` where x is not in sight: the only one imported, else the one that has such arguments."""
    imported = [name for name in (TRANSFORMERS, VLLM, SGLANG) if script.imports(name)]
    if len(imported) == 1:
        return imported[0]
    names = {keyword.arg for keyword in call.keywords}
    if names & {"max_new_tokens", "input_ids", "do_sample"} and (TRANSFORMERS in imported or None in names):
        return TRANSFORMERS
    return None


def options_of(script: Script, call: ast.Call) -> Options:
    """The options of ``call``, those inside ``**dict``, a parameters object and ``json=`` included."""
    values: dict[str, list[Seen]] = {}
    closed = True
    scope = script.scope_of[call]
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in {"sampling_params", "generation_config", "json"}:
            inside = _inside(script, keyword.value, scope)
            closed = closed and (bool(inside) or (keyword.arg is None and _INPUT_NAME.search(text_of(keyword.value)) is not None))
            _join(values, inside)
        if keyword.arg is not None:
            values.setdefault(keyword.arg, []).append(Seen(keyword.value, scope))
    for argument in call.args[1:]:
        inside = _inside(script, argument, scope)
        closed = closed and bool(inside)
        _join(values, inside)
    return Options({name: tuple(found) for name, found in values.items()}, closed)


def _join(values: dict[str, list[Seen]], more: Mapping[str, list[Seen]]) -> None:
    for name, found in more.items():
        values.setdefault(name, []).extend(found)


def _inside(script: Script, expr: ast.expr, scope: Scope) -> dict[str, list[Seen]]:
    """The entries of a dictionary or parameters object, later ``update`` calls included; empty where it is not in sight."""
    found: dict[str, list[Seen]] = {}
    updates = script.updates(text_of(expr)) if isinstance(expr, (ast.Name, ast.Attribute)) else []
    for one in [*script.roots(expr, scope), *(root for update in updates for root in script.roots(update.expr, update.scope))]:
        if isinstance(one.expr, ast.Dict):
            for key, value in entries(one.expr):
                found.setdefault(key, []).append(Seen(value, one.scope))
        elif isinstance(one.expr, ast.Call) and script.path(one.expr.func).endswith(("SamplingParams", "GenerationConfig", "dict")):
            for keyword in one.expr.keywords:
                if keyword.arg:
                    found.setdefault(keyword.arg, []).append(Seen(keyword.value, one.scope))
    return found


def forced(script: Script, one: Generation) -> bool:
    """Whether the output length is forced to the limit, or may be by options that are not looked into."""
    values = one.options.values
    if not one.options.closed or any(name in values for name in _HIDING):
        return True
    if any(True in (script.possible(seen.expr, seen.scope) or {True}) for seen in values.get("ignore_eos", ())):
        return True
    if any(isinstance(seen.expr, (ast.Constant, ast.List, ast.UnaryOp)) for seen in values.get("eos_token_id", ())):
        return True
    most = [seen for name in _LIMITS[one.engine] for seen in values.get(name, ())]
    least = [seen for name in _FORCING for seen in values.get(name, ())]
    return bool(least) and {_compared(script, seen) for seen in least} == {_compared(script, seen) for seen in most}


def _compared(script: Script, seen: Seen) -> object:
    possible = script.possible(seen.expr, seen.scope)
    return text_of(seen.expr) if possible is None else possible
