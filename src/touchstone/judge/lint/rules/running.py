"""Rules on whether the script can have run at all: names that exist, values of the right type, options that an engine knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from touchstone.judge.lint.expressions import Scope, shown
from touchstone.judge.lint.generations import HTTP, OPENAI, TRANSFORMERS
from touchstone.judge.lint.known_names import ARGUMENTS, ATTRIBUTES, CONSTRUCTORS, ENVIRONMENT, SERVER_FLAG
from touchstone.judge.lint.names import undefined
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.timing import Procedure
from touchstone.message import Message, say
from touchstone.mistake import Mistake

_COUNTS = {"prompt_tokens", "completion_tokens", "total_tokens"}
_INTEGERS = {"torch.int8", "torch.uint8", "torch.int4", "torch.uint4", "torch.qint8"}


def _names(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    engines = {one.origin: one.engine for one in procedure.generations}
    for call in script.calls():
        unknown = {**CONSTRUCTORS.get(script.path(call.func), {}), **ARGUMENTS.get(engines.get(call, ""), {})}
        for keyword in call.keywords:
            cure = unknown.get(keyword.arg or "")
            if cure is not None:
                yield _unknown(script, rule, keyword, say("argument {name} of {call}", name=keyword.arg, call=shown(call.func)), cure)
    for nodes in script.nodes.values():
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from _in_text(script, rule, node)
            elif isinstance(node, ast.Attribute) and (cure := ATTRIBUTES.get(script.path(node))) is not None:
                yield _unknown(script, rule, node, say("function {name}", name=script.path(node)), cure)


def _in_text(script: Script, rule: str, node: ast.Constant) -> Iterator[Mistake]:
    name, is_command, _ = str(node.value).removeprefix("export ").partition("=")
    if name in ENVIRONMENT and (is_command or _sets_environment(script, node)):
        yield _unknown(script, rule, node, say("environment variable {name}", name=name), ENVIRONMENT[name])
    around = script.parents.get(node)
    words = " ".join(str(one.value) for one in around.elts if isinstance(one, ast.Constant)) if isinstance(around, ast.List) else str(node.value)
    command, flag = SERVER_FLAG
    if command in str(node.value) and flag in words.replace("=", " ").split():
        yield _unknown(script, rule, node, say("option {name} of {call}", name=flag, call=command), say("--device npu"))


def _sets_environment(script: Script, name: ast.Constant) -> bool:
    around = script.parents.get(name)
    if isinstance(around, ast.Dict):
        return all(isinstance(value, ast.Constant) for value in around.values)
    return (isinstance(around, ast.Subscript) and script.path(around.value) == "os.environ") or (
        isinstance(around, ast.Call) and script.path(around.func) in {"os.environ.setdefault", "os.putenv"})


def _unknown(script: Script, rule: str, node: ast.AST, what: Message, cure: Message) -> Mistake:
    return script.mistake(rule, node, say("nothing reads this: {what}. What it was meant to set was not set, or the call failed", what=what), cure)


def _cannot_run(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for name in undefined(script, procedure.known):
        yield script.mistake(rule, name, say(
            "the script cannot run as printed: {name} is not defined before it is used", name=shown(name.id)),
            say("publish the file that ran; what is printed here is another"))
    for call in script.calls():
        if script.path(call.func) == "len" and call.args and isinstance(call.args[0], ast.Attribute) and call.args[0].attr in _COUNTS:
            yield script.mistake(rule, call, say("the script cannot run as printed: {name} is a number, and len() of it raises TypeError",
                                                 name=shown(call.args[0])), say("use {name} itself", name=shown(call.args[0])))
    yield from _null_usage(procedure, rule)
    yield from _sampling_at_zero(procedure, rule)


def _null_usage(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    """``chunk.usage.x`` of a stream that was not asked for its usage."""
    script = procedure.script
    silent = {one.call for one in procedure.generations if one.engine in {OPENAI, HTTP} and one.options.closed
              and not {"stream_options", "extra_body"} & set(one.options.values)
              and any(script.possible(seen.expr, seen.scope) == frozenset({True}) for seen in one.options.values.get("stream", ()))}
    for scope, nodes in script.nodes.items():
        chunks = {loop.target.id for loop in nodes if isinstance(loop, (ast.For, ast.AsyncFor)) and isinstance(loop.target, ast.Name)
                  and any(one.expr in silent for one in script.roots(loop.iter, scope))}
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "usage" \
                    and isinstance(node.value.value, ast.Name) and node.value.value.id in chunks and not _guarded(script, node):
                yield script.mistake(rule, node, say(
                    "the script cannot run as printed: the usage of a stream's events is null unless it is asked for"),
                    say('stream_options={{"include_usage": True}}, and read it from the last event'))


def _guarded(script: Script, node: ast.AST) -> bool:
    return any("usage" in ast.unparse(around.test) for around in script.within(node, (ast.If, ast.IfExp)))  # type: ignore[attr-defined]


def _sampling_at_zero(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for one in procedure.generations:
        values = one.options.values
        if one.engine != TRANSFORMERS or one.via is not None:
            continue
        samples = any(True in (script.possible(seen.expr, seen.scope) or ()) for seen in values.get("do_sample", ()))
        zero = next((seen for seen in values.get("temperature", ()) if script.possible(seen.expr, seen.scope) == frozenset({0})), None)
        if samples and zero is not None:
            yield script.mistake(rule, zero.expr, say(
                "the script cannot run as printed: do_sample=True with temperature 0 raises ValueError in transformers"),
                say("do_sample=False is greedy; to sample, give a temperature above 0"))


def _integer_weights(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for call in script.calls():
        if script.path(call.func).endswith(".from_pretrained"):
            for keyword in call.keywords:
                if keyword.arg in {"torch_dtype", "dtype"}:
                    yield from _integers(script, rule, keyword.value, script.scope_of[call])


def _integers(script: Script, rule: str, value: ast.expr, scope: Scope) -> Iterator[Mistake]:
    for one in script.roots(value, scope):
        if script.path(one.expr) in _INTEGERS or (isinstance(one.expr, ast.Constant) and f"torch.{one.expr.value!s}" in _INTEGERS):
            yield script.mistake(rule, one.expr, say(
                "a model cannot be loaded as {dtype}: transformers raises for a dtype that is not floating, so what ran was something else",
                dtype=shown(one.expr)), say("use a quantised checkpoint or a quantization_config, and report the dtypes that are stored"))


RUNNING = (
    Rule("MT10", "every argument, option and environment variable is one that the engine knows", _names),
    Rule("MT11", "the script can run as it is printed", _cannot_run),
    Rule("MT12", "weights are loaded in a dtype that can be loaded", _integer_weights),
)
