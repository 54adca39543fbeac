"""Rules on the timer: what it is read from, when, and what has run before."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from touchstone.judge.lint.expressions import Function, position, shown
from touchstone.judge.lint.generations import IN_PROCESS, TRANSFORMERS, Generation
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.timing import TIME, WALL, Procedure
from touchstone.message import say
from touchstone.mistake import Mistake

_DEVICES = re.compile(r"^(npu|cuda|xpu|musa)(:\d+)?$")
_WAITS = {"item", "cpu", "tolist", "numpy"}
_WARM = re.compile("warm|预热|cold", re.IGNORECASE)


def _second_call(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    """TTFT from a call of its own, beside one that generates the rest."""
    script = procedure.script
    timed = [*procedure.measured, *(one for one in procedure.generations if procedure.is_timed(one))]
    ones = [one for one in timed if procedure.limit(one) == frozenset({1})]
    longer = [one for one in timed if one.limits and procedure.limit(one) != frozenset({1})]
    for one in ones if longer else ():
        yield script.mistake(rule, one.limits[0].expr, say(
            "the time to the first token comes from a second call that generates one token: the two numbers are of different calls and need "
            "not add up (a published table so made implies a first token 159 ms before the start)"),
            say("take both from one call: a streamer, or a hook that stamps every token"))


def _clock(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    if not procedure.generations:
        return
    for interval in procedure.intervals:
        path = script.path(interval.start.func)
        if path in WALL:
            yield script.mistake(rule, interval.start, say(
                "{clock}() measures an interval: it is the wall clock, which is set and slewed while the script runs", clock=shown(path)),
                say("time.perf_counter(), which only moves forward at an even pace"))
    if _on_device(script):
        yield from _unsynchronised(procedure, rule)


def _unsynchronised(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for interval in procedure.samples:
        inside = procedure.inside(interval)
        if interval.end is None or any(one.engine != TRANSFORMERS or _waits_in(script, one) for one in inside):
            continue
        last = max(position(one.call) for one in inside)
        if not any(last < position(call) and _waits(script, call) for call in procedure.calls_in(interval)):
            yield script.mistake(rule, interval.end, say(
                "nothing waits for the device before the clock is read: what is still queued there is not timed"),
                say("synchronise before the first and before the second reading: torch.npu.synchronize(), torch.cuda.synchronize()"))


def _on_device(script: Script) -> bool:
    return script.imports("torch_npu") or any(
        (isinstance(node, ast.Constant) and isinstance(node.value, str) and _DEVICES.match(node.value) is not None)
        or (isinstance(node, ast.Attribute) and node.attr in {"npu", "cuda"})
        for nodes in script.nodes.values() for node in nodes)


def _waits(script: Script, call: ast.Call) -> bool:
    name = script.path(call.func).rpartition(".")[2]
    if name in _WAITS or "sync" in name.lower().replace("async", ""):
        return True
    function = script.called(call)
    return function is not None and any(isinstance(node, ast.Attribute) and node.attr == "synchronize" for node in script.nodes[function])


def _waits_in(script: Script, one: Generation) -> bool:
    return one.via is not None and any(isinstance(node, ast.Call) and position(node) > position(one.origin) and _waits(script, node)
                                       for node in script.nodes[one.via])


def _warm_up(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    measured = [one for one in procedure.measured if one.engine in IN_PROCESS]
    cold: dict[ast.Call, tuple[list[Generation], list[Generation]]] = {}
    for one in measured:
        before = _before(procedure, one)
        if before and not any(_same_shape(procedure, warm, one) for warm in before):
            cold.setdefault(before[0].call, (before, []))[1].append(one)
    for call, (before, after) in cold.items():
        yield script.mistake(rule, call, say(
            "the warm-up generates at most {warm} tokens, what is measured {measured}: shapes and cache sizes of the measurement are "
            "met cold", warm=procedure.limits(before), measured=procedure.limits(after)),
            say("warm up with the very call that is measured, at the same batch and lengths"))
    if measured and not procedure.unmeasured and not _leaves_first_out(procedure):
        called = [one for one in measured if not isinstance(one.scope, Function) or script.sites(one.scope)]
        yield script.mistake(rule, (called or measured)[0].origin, say(
            "nothing is generated before what is measured: the first call pays for compiling, allocating and loading (13 % in one "
            "published series)"), say("call the same thing untimed until its time stops falling, then measure"))


def _before(procedure: Procedure, one: Generation) -> list[Generation]:
    """What is generated untimed before ``one``: in the same function if anything is, else anywhere."""
    warm = [other for other in procedure.unmeasured if other.engine == one.engine and other.origin is not one.call]
    here = [other for other in warm if other.scope is one.scope and position(other.call) < position(one.call)]
    return here or [other for other in warm if isinstance(other.scope, Function) or isinstance(one.scope, Function)
                    or position(other.call) < position(one.call)]


def _same_shape(procedure: Procedure, warm: Generation, one: Generation) -> bool:
    first, second = procedure.limit(warm), procedure.limit(one)
    return first is None or second is None or bool(first & second)


def _leaves_first_out(procedure: Procedure) -> bool:
    """Whether the script speaks of a warm-up in its names, or drops the first of its times."""
    script = procedure.script
    for scope, nodes in script.nodes.items():
        for node in nodes:
            name = node.id if isinstance(node, ast.Name) else node.name if isinstance(node, Function) else \
                node.arg if isinstance(node, (ast.keyword, ast.arg)) and node.arg else ""
            if _WARM.search(name):
                return True
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.slice.lower is not None \
                    and procedure.kind(node.value, scope):
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop" \
                    and procedure.kind(node.func.value, scope) == TIME:
                return True
    return False



CLOCKS = (
    Rule("MT2", "the time to the first token and the rest come from one call", _second_call),
    Rule("MT3", "intervals are read from a monotonic clock, after the device has finished", _clock),
    Rule("MT5", "what is measured has run before, at the same shape", _warm_up),
)
