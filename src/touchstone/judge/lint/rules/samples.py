"""Rules on what is made of many measurements: how many there are, how they differ, how they are averaged."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from touchstone.judge.lint.expressions import Function, Scope, position, shown
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.timing import CENTRES, MEANS, RATE, TIME, Interval, Procedure, collected
from touchstone.message import say
from touchstone.mistake import Mistake

_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


def _samples(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    if not procedure.samples:
        return
    script = procedure.script
    for scope, name, _ in collected(procedure):
        uses = [node for node in script.nodes[scope]
                if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)]
        centres = [node for node in uses if _function_of(script, node) in CENTRES]
        if any(_function_of(script, node) != "len" for node in centres) and all(
                node in centres or _function_of(script, node) == "append" for node in uses):
            yield _without_spread(script, rule, next(node for node in centres if _function_of(script, node) != "len"), name)
    yield from _totals(procedure, rule)
    met: set[ast.Call] = set()
    kept = {scope for scope in {interval.scope for interval in procedure.samples} if _keeps_times(procedure, scope)}
    for interval in procedure.samples:
        parts = any(procedure.is_timed_inside(one) for one in procedure.inside(interval))
        if interval.start not in met and not parts and interval.scope not in kept and _is_once(procedure, interval.difference, interval, 0):
            met.add(interval.start)
            yield script.mistake(rule, interval.start, say(
                "one measurement is reported (n = 1): it cannot say how far the next one would be from it"),
                say("repeat it, at best in several processes, and report n, the mean and an interval"))


def _without_spread(script: Script, rule: str, node: ast.AST, name: str) -> Mistake:
    return script.mistake(rule, node, say(
        "of the measurements in {name} only the average is reported: without a spread nobody can tell a difference from noise",
        name=shown(name)), say("report n and an interval or standard deviation beside the mean, or keep every value"))


def _function_of(script: Script, node: ast.AST) -> str:
    """What is done with a list: the function it is the first argument of, or its method that is called."""
    parent = script.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr
    return script.path(parent.func).rpartition(".")[2] if isinstance(parent, ast.Call) and parent.args[:1] == [node] else ""


def _totals(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    """``total += time`` in a loop, ``total / n`` after it, and no list that keeps the times."""
    script = procedure.script
    kept = {scope for scope, _, kind in collected(procedure) if kind == TIME}
    for scope, nodes in script.nodes.items():
        totals = {node.target.id for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
                  and procedure.kind(node.value, scope) == TIME}
        for node in nodes if totals and scope not in kept else ():
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.left, ast.Name) and node.left.id in totals \
                    and procedure.kind(node.right, scope) is None:
                yield _without_spread(script, rule, node, node.left.id)


def _keeps_times(procedure: Procedure, scope: Scope) -> bool:
    """Whether a function puts its times into a list or a sum, keeps them in an object, or yields them."""
    script = procedure.script
    for node in script.nodes[scope]:
        if isinstance(node, ast.Yield) or (isinstance(node, ast.AugAssign) and procedure.kind(node.value, scope) == TIME):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"append", "put", "add", "extend"}:
            inside = (one for argument in node.args for one in ast.walk(argument) if isinstance(one, (ast.Name, ast.BinOp)))
            if any(procedure.kind(one, scope) == TIME for one in inside):
                return True
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)) \
                and procedure.kind(node.value, scope) == TIME:
            return True
    return False


def _is_once(procedure: Procedure, node: ast.AST, interval: Interval, depth: int) -> bool:
    """Whether ``node`` is reached once per condition: no loop around it that repeats the same, here or where its function is called."""
    script = procedure.script
    scope = script.scope_of[node]
    for loop in script.within(node, _LOOPS):
        if not _over_conditions(procedure, loop, node, interval):
            return False
    if not isinstance(scope, Function):
        return True
    sites = script.sites(scope)
    arguments = [ast.dump(call) for call in sites]
    if depth > 3 or not sites or script.used_otherwise(scope) or len(set(arguments)) < len(arguments):
        return False
    return all(_is_once(procedure, call, interval, depth + 1) and not _is_gathered(script, call) for call in sites)


def _over_conditions(procedure: Procedure, loop: ast.AST, node: ast.AST, interval: Interval) -> bool:
    """Whether a loop goes over settings: what it counts is handed to what is measured, and what it goes over is spelt out."""
    if not isinstance(loop, (ast.For, ast.AsyncFor)):
        return False
    script = procedure.script
    settings = all(isinstance(one.expr, (ast.List, ast.Tuple)) for one in script.roots(loop.iter, script.scope_of[loop]))
    targets = {one.id for one in ast.walk(loop.target) if isinstance(one, ast.Name)}
    inside = [node] if isinstance(node, ast.Call) else procedure.calls_in(interval)
    used = {one.id for call in inside for one in ast.walk(call) if isinstance(one, ast.Name)}
    return settings and bool(targets & used)


def _is_gathered(script: Script, call: ast.Call) -> bool:
    """Whether what ``call`` gives is put into a list."""
    for around in script.within(call, (ast.Call, ast.List, ast.Tuple, ast.stmt)):
        if isinstance(around, ast.Call) and isinstance(around.func, ast.Attribute) and around.func.attr in {"append", "extend"}:
            return True
        if isinstance(around, ast.List):
            return True
        if isinstance(around, ast.Assign):
            names = {one.id for target in around.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
            return _appended(script, script.scope_of[call], names)
    return False


def _appended(script: Script, scope: Scope, names: set[str]) -> bool:
    return any(where is scope and names & {one.id for value in values for one in ast.walk(value) if isinstance(one, ast.Name)}
               for (where, _), values in script.appended.items())


def _mean_of_rates(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for scope, nodes in script.nodes.items():
        summed = {node.target.id for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
                  and procedure.kind(node.value, scope) == RATE}
        for node in sorted(nodes, key=position):
            if _averages(procedure, node, scope, summed):
                yield script.mistake(rule, node, say(
                    "rates are averaged: 128 tokens in 1, 1 and 3 s are 76.8 tokens/s, and the mean of the three rates says 99.6"),
                    say("divide the sum of the tokens by the sum of the seconds"))


def _averages(procedure: Procedure, node: ast.AST, scope: Scope, summed: set[str]) -> bool:
    script = procedure.script
    if isinstance(node, ast.Call) and node.args and script.called(node) is None:
        return script.path(node.func).rpartition(".")[2] in MEANS and procedure.kind(node.args[0], scope) == RATE
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return False
    top = node.left
    if isinstance(top, ast.Call):
        return script.path(top.func) == "sum" and bool(top.args) and procedure.kind(top.args[0], scope) == RATE
    return isinstance(top, ast.Name) and top.id in summed


SAMPLES = (
    Rule("MT9", "more than one measurement, and how they differ", _samples),
    Rule("MT16", "a mean rate is the sum of the tokens over the sum of the seconds", _mean_of_rates),
)
