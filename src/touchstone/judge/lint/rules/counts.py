"""Rules on what comes out: tokens that are observed, lengths that are forced where they are reported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from touchstone.judge.lint.expressions import Scope, Seen, shown, text_of
from touchstone.judge.lint.generations import forced
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.timing import TIME, Procedure, factors
from touchstone.message import say
from touchstone.mistake import Mistake


def _requested(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    """A rate or a time per token whose tokens are the limit that was given to the call."""
    script = procedure.script
    free = [one for one in procedure.generations if not forced(script, one)]
    for scope, nodes in script.nodes.items():
        limits = [seen for one in free if one.scope is scope for seen in one.limits]
        for node in nodes if limits else ():
            if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv)) and (
                    count := _count(procedure, node, scope)) is not None:
                asked = next((one for one in factors(script, count, scope) if _is_limit(script, one, limits)), None)
                if asked is not None:
                    yield script.mistake(rule, node, say(
                        "{count} is how many tokens were asked for, not how many came: a sequence may end sooner (a published table "
                        "names 256 where its own times give 114)", count=shown(asked.expr)),
                        say("count what was generated, up to the first end-of-sequence token of each sequence"))


def _count(procedure: Procedure, node: ast.BinOp, scope: Scope) -> ast.expr | None:
    left, right = procedure.kind(node.left, scope), procedure.kind(node.right, scope)
    return node.left if right == TIME and left is None else node.right if left == TIME and right is None else None


def _is_limit(script: Script, one: Seen, limits: list[Seen]) -> bool:
    if isinstance(one.expr, ast.Constant):
        return type(one.expr.value) is int and one.expr.value > 1 and any(
            isinstance(limit.expr, ast.Constant) and limit.expr.value == one.expr.value for limit in limits)
    return any(one.scope is limit.scope and not isinstance(limit.expr, ast.Constant) and text_of(one.expr) == text_of(limit.expr)
               for limit in limits) and script.possible(one.expr, one.scope) != frozenset({1})


def _free_length(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script, met = procedure.script, set[object]()
    printed = list(_printed(script))
    for one in procedure.measured:
        told = next((seen for seen in one.limits if _is_told(script, seen, printed)), None)
        where = frozenset(id(seen.expr) for seen in one.limits)
        if told is None or where in met or forced(script, one):
            continue
        met.add(where)
        yield script.mistake(rule, one.origin, say(
            "results are reported for an output of {count} tokens, and nothing makes the model generate them all: one that stops sooner "
            "is compared under the wrong length", count=shown(told.expr) if procedure.limit(one) is None else procedure.limits([one])),
            say("min_new_tokens = max_new_tokens (transformers), ignore_eos=True (vLLM, SGLang); else report the length that came"))


def _is_told(script: Script, limit: Seen, printed: list[str]) -> bool:
    """Whether the limit stands in what is printed or returned as a result: as an expression, or its digits in a text."""
    if isinstance(limit.expr, ast.Constant):
        value = limit.expr.value
        return type(value) is int and value > 9 and any(
            re.search(rf"(?<!batch.)(?<!size.)(?<!bs.)(?<![\w.-]){value}(?![\w-]|\.\d)", text, re.ASCII | re.IGNORECASE)
            for text in printed)
    wanted = text_of(limit.expr)
    return any(isinstance(node, (ast.Name, ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Load) and _is_result(script, node)
               and text_of(node) == wanted for node in script.nodes[limit.scope])


def _is_result(script: Script, node: ast.AST) -> bool:
    parent = script.parents.get(node)
    if isinstance(parent, ast.Dict):
        return not _is_option(parent)
    return isinstance(parent, ast.FormattedValue) or (isinstance(parent, ast.Call) and script.path(parent.func) == "print")


def _is_option(display: ast.Dict) -> bool:
    """Whether a dictionary is handed to an engine rather than to a reader: it has other options of generation beside."""
    keys = {key.value for key in display.keys if isinstance(key, ast.Constant)}
    return bool(keys & {"max_tokens", "max_new_tokens", "do_sample", "temperature", "messages", "prompt"})


def _printed(script: Script) -> Iterator[str]:
    for call in script.calls():
        if script.path(call.func) in {"print", "logging.info", "logger.info"}:
            for argument in call.args:
                pieces: list[ast.expr] = list(argument.values) if isinstance(argument, ast.JoinedStr) else [argument]
                yield from (piece.value for piece in pieces if isinstance(piece, ast.Constant) and isinstance(piece.value, str))


COUNTS = (
    Rule("MT4", "tokens are counted as observed, not as requested", _requested),
    Rule("MT7", "an output length that is reported is forced", _free_length),
)
