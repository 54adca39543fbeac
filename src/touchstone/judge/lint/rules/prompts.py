"""Rules on what goes in: lengths that are counted, padding that does no harm, prompts that differ."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from touchstone.judge.lint.expressions import UNKNOWN, Position, Scope, Seen, entries, key_of, position, shown, text_of
from touchstone.judge.lint.generations import LLAMA_CPP, PREFIX_CACHED, TRANSFORMERS, Generation, forced
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.timing import Procedure
from touchstone.message import say
from touchstone.mistake import Mistake

_LENGTH = re.compile(r"输入长度|提示长度|(input|prompt)[_ ]?(len|length|tokens?)$|^n_prompt$|^isl$", re.IGNORECASE)
_PROMPT = re.compile(r"^(输入|提示|提示词|prompt|text|input|query|question|message)", re.IGNORECASE)
_TOKENIZER = re.compile(r"tok(enizer)?$|processor$", re.IGNORECASE)
_CACHE_OFF = {"enable_prefix_caching": False, "disable_radix_cache": True, "cache_prompt": False}
_CACHE_OFF_FLAGS = ("--no-enable-prefix-caching", "--disable-radix-cache", "--no-cache-prompt")
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.GeneratorExp)


def _typed_lengths(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    """``{"prompt": "...", "input_len": 7}``, and the 7 is only ever printed."""
    script = procedure.script
    found: dict[str, list[ast.Constant]] = {}
    for nodes in script.nodes.values():
        for node in nodes:
            pairs = dict(_pairs(node))
            if any(_PROMPT.match(key) and not _LENGTH.search(key) and _is_text(script, value, script.scope_of[node])
                   for key, value in pairs.items()):
                for key, value in pairs.items():
                    if _LENGTH.search(key) and isinstance(value, ast.Constant) and type(value.value) is int:
                        found.setdefault(key, []).append(value)
    for key, typed in found.items():
        uses = [node for nodes in script.nodes.values() for node in nodes if _uses(node, key)]
        if uses and procedure.measured and all(_only_told(script, node) for node in uses):
            yield script.mistake(rule, typed[0], say(
                "{count} prompt lengths are typed in beside the prompts ({values}) and reported; nothing counts the tokens (a published "
                "script says 7 where the tokenizer gives 12)", count=len(typed), values=shown(", ".join(str(one.value) for one in typed))),
                say('report inputs["input_ids"].shape[-1], or build the token ids to an exact length'))


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Dict):
        yield from entries(node)
    elif isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)


def _is_text(script: Script, expr: ast.expr, scope: Scope) -> bool:
    text = expr.left if isinstance(expr, ast.BinOp) else expr
    return any(isinstance(one.expr, ast.JoinedStr) or (isinstance(one.expr, ast.Constant) and isinstance(one.expr.value, str))
               for one in script.roots(text, scope))


def _uses(node: ast.AST, key: str) -> bool:
    return (key_of(node) == key and not isinstance(getattr(node, "ctx", None), ast.Store)) or (
        isinstance(node, ast.Attribute) and node.attr == key and isinstance(node.ctx, ast.Load))


def _only_told(script: Script, node: ast.AST) -> bool:
    """Whether a value goes into a result or a line of output, and nowhere else."""
    parent = script.parents.get(node)
    while isinstance(parent, (ast.FormattedValue, ast.JoinedStr, ast.Tuple, ast.List)):
        parent = script.parents.get(parent)
    if isinstance(parent, ast.Call):
        return script.path(parent.func).rpartition(".")[2] in {"print", "append", "round", "write", "info", "writerow", "add_row", "str"}
    return isinstance(parent, (ast.Dict, ast.Return)) or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div))


def _padding(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    local = [one for one in procedure.generations if one.engine == TRANSFORMERS]
    if not local or not procedure.measured:
        return
    if not _pads_left(script):
        for call in _tokenized(script):
            padded = any(keyword.arg == "padding" and isinstance(keyword.value, ast.Constant) and keyword.value.value not in {False, None}
                         for keyword in call.keywords)
            if padded and call.args and any(_differ(one.expr) for one in script.roots(call.args[0], script.scope_of[call])):
                yield script.mistake(rule, call, say(
                    "prompts of different lengths are padded, and the side is not set: most tokenizers pad on the right, where a decoder "
                    "goes on from the padding"), say('tokenizer.padding_side = "left", and report the share of padding'))
    if not all(forced(script, one) for one in local):
        yield from _counted(script, rule)


def _pads_left(script: Script) -> bool:
    return any((isinstance(node, ast.keyword) and node.arg == "padding_side" and isinstance(node.value, ast.Constant) and node.value.value == "left")
               or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr == "padding_side")
               for nodes in script.nodes.values() for node in nodes)


def _tokenized(script: Script) -> Iterator[ast.Call]:
    for call in script.calls():
        path = script.path(call.func)
        if _TOKENIZER.search(path.rpartition(".")[2]) or path.endswith(".batch_encode_plus"):
            yield call


def _differ(expr: ast.expr) -> bool:
    return isinstance(expr, ast.ListComp) or (isinstance(expr, ast.Subscript) and isinstance(expr.slice, ast.Slice)) or (
        isinstance(expr, ast.List) and len({text_of(one) for one in expr.elts}) > 1)


def _counted(script: Script, rule: str) -> Iterator[Mistake]:
    """``(out.shape[-1] - prompt) * batch``: every sequence counted as long as the longest."""
    for scope, nodes in script.nodes.items():
        for node in nodes:
            if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
                continue
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if not isinstance(other, ast.Constant) and any(_is_shape_difference(script, root) for root in script.roots(one, scope)):
                    yield script.mistake(rule, node, say(
                        "tokens are counted as {expression}: a sequence that ended early is padded to the longest, and its padding is "
                        "counted as generated", expression=shown(node)),
                        say("count each sequence to its first end-of-sequence token, or force the length with min_new_tokens"))
                    break


def _is_shape_difference(script: Script, seen: Seen) -> bool:
    expr = seen.expr
    return isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Sub) and all(
        any("shape" in text_of(one.expr) or ".size(" in text_of(one.expr) for one in script.roots(side, seen.scope)) for side in (expr.left, expr.right))


def _same_prompt(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    if not procedure.measured:
        return
    for call in [*_tokenized(script), *(one.origin for one in procedure.generations)]:
        for one in _prompts(call):
            for root in script.roots(one, script.scope_of[call]):
                if _repeats(script, root):
                    yield script.mistake(rule, root.expr, say(
                        "every sequence of the batch is the same prompt ({expression}): experts are routed alike, lengths end alike, and "
                        "an engine with a prefix cache computes it once", expression=shown(root.expr)),
                        say("give every sequence a prompt of its own, drawn with a seed"))
    if not _cache_is_off(script):
        yield from _asked_again(procedure, rule)


def _prompts(call: ast.Call) -> list[ast.expr]:
    return [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg in {"prompt", "prompts", "text", "messages", "input"})]


def _repeats(script: Script, seen: Seen) -> bool:
    expr = seen.expr
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Mult):
        listed, count = (expr.left, expr.right) if isinstance(expr.left, ast.List) else (expr.right, expr.left)
        return isinstance(listed, ast.List) and len(listed.elts) == 1 and script.possible(count, seen.scope) != frozenset({1})
    return isinstance(expr, ast.List) and len(expr.elts) > 1 and len({text_of(one) for one in expr.elts}) == 1 \
        and not any(isinstance(node, (ast.Call, ast.Dict)) for one in expr.elts for node in ast.walk(one))


def _cache_is_off(script: Script) -> bool:
    for nodes in script.nodes.values():
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg in _CACHE_OFF and isinstance(node.value, ast.Constant) \
                    and node.value.value is _CACHE_OFF[node.arg]:
                return True
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and any(flag in node.value for flag in _CACHE_OFF_FLAGS):
                return True
    return any(one.expr.value is off for name, off in _CACHE_OFF.items() for one in script.displays.get(name, ())
               if isinstance(one.expr, ast.Constant))


def _asked_again(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    resets = any(script.path(call.func).endswith(".reset") for call in script.calls())
    asked: dict[tuple[Scope, str], Position] = {}
    timed = {one.origin for one in procedure.measured}
    for one in procedure.generations:
        prompt = _prompt_of(script, one)
        if one.engine not in PREFIX_CACHED or prompt is None or _changes(prompt) or (one.engine == LLAMA_CPP and resets):
            continue
        names = {node.id for node in ast.walk(prompt) if isinstance(node, ast.Name)}
        loop = next(script.within(one.call, _LOOPS), None)
        before = asked.setdefault((one.scope, text_of(prompt)), position(one.call))
        again = before < position(one.call) and not _given_between(script, names, one.scope, (before, position(one.call)))
        repeated = loop is not None and not _given_in(script, names, one.scope, loop)
        if one.origin in timed and (again or repeated):
            yield script.mistake(rule, one.call, say(
                "the same prompt is sent again: with a prefix cache, which servers have on, its prefill is not computed (a first token "
                "49 times sooner has been seen), so the time to the first token is that of the cache"),
                say("send a prompt of its own each time, drawn with a seed, or turn the prefix cache off and say so"))


def _prompt_of(script: Script, one: Generation) -> ast.expr | None:
    given = _prompts(one.origin)
    if not given:
        return None
    prompt = given[0]
    if one.via is not None:
        bound = script.bound(one.call, one.via)
        names = {node.id for node in ast.walk(prompt) if isinstance(node, ast.Name)}
        return next((bound[name] for name in sorted(names) if name in bound), UNKNOWN)
    return prompt if script.scope_of[one.origin] is script.tree or not script.sites(script.scope_of[one.origin]) else _own(prompt, one)  # type: ignore[arg-type]


def _own(prompt: ast.expr, one: Generation) -> ast.expr | None:
    """``prompt`` where it does not depend on an argument of the function around it."""
    given = {argument.arg for argument in ast.walk(getattr(one.scope, "args", one.call)) if isinstance(argument, ast.arg)}
    return None if any(isinstance(node, ast.Name) and node.id in given for node in ast.walk(prompt)) else prompt


def _changes(prompt: ast.expr) -> bool:
    return prompt is UNKNOWN or any(isinstance(node, (ast.Call, ast.comprehension)) for node in ast.walk(prompt))


def _given_between(script: Script, names: set[str], scope: Scope, span: tuple[Position, Position]) -> bool:
    return any(span[0] < definition.at < span[1] for name in names for definition in script.definitions(name, scope))


def _given_in(script: Script, names: set[str], scope: Scope, loop: ast.AST) -> bool:
    end = (getattr(loop, "end_lineno", 0), getattr(loop, "end_col_offset", 0))
    return any(position(loop) <= definition.at <= end for name in names for definition in script.definitions(name, scope))


PROMPTS = (
    Rule("MT1", "prompt lengths are counted, not typed in", _typed_lengths),
    Rule("MT6", "padding is on the left and is not counted", _padding),
    Rule("MT15", "every sequence and every repetition has a prompt of its own", _same_prompt),
)
