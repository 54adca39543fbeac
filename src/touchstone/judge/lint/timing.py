"""What a script times, and which of its values are times, rates, or collections of them."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from touchstone.judge.lint.expressions import Function, Position, Scope, Seen, position, shown, text_of
from touchstone.judge.lint.generations import Generation, generations
from touchstone.judge.lint.script import Script

WALL = {"time.time", "time.time_ns", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.now"}
"""Clocks that are set and slewed while they run; not for intervals."""
_CLOCKS = WALL | {f"time.{name}{unit}" for name in ("perf_counter", "monotonic", "process_time") for unit in ("", "_ns")} | {
    "timeit.default_timer"}
TIME, RATE = "time", "rate"
CENTRES = {"sum", "len", "mean", "fmean", "average", "nanmean", "median", "nanmedian"}
"""Functions that make one number of many and say nothing of how they differ."""
MEANS = CENTRES - {"sum", "len", "median", "nanmedian"}
_SAME_KIND = CENTRES - {"len"} | {"round", "float", "abs", "min", "max", "sorted", "list", "array", "percentile", "quantile"}
_PASSES = 6


@dataclass(frozen=True)
class Interval:
    """``difference`` in ``scope`` subtracts the clock read at ``start`` from the one at ``end`` (None: not in sight)."""

    scope: Scope
    start: ast.Call
    end: ast.Call | None
    difference: ast.BinOp


class Procedure:
    """What a script does: what it generates, what it times, and what becomes of the times."""

    def __init__(self, script: Script, known: frozenset[str] = frozenset()) -> None:
        self.script = script
        self.known = known
        """Names that are defined before the script begins."""
        self.generations: tuple[Generation, ...] = generations(script)
        self.intervals: tuple[Interval, ...] = tuple(_intervals(script))
        self._differences = {interval.difference for interval in self.intervals}
        self._limits: dict[int, frozenset[object] | None] = {}
        self._kinds: dict[tuple[Scope, str], str] = {}
        self._returns: dict[tuple[Function, int | None], str] = {}
        for _ in range(_PASSES):
            if not self._learn():
                break
        self._calls = {scope: sorted((node for node in nodes if isinstance(node, ast.Call)), key=position)
                       for scope, nodes in script.nodes.items()}
        by_call: dict[ast.Call, list[Generation]] = {}
        for one in self.generations:
            by_call.setdefault(one.call, []).append(one)
        self._inside = {interval: tuple(one for call in self.calls_in(interval) for one in by_call.get(call, ()))
                        for interval in self.intervals}
        self.samples: tuple[Interval, ...] = tuple(interval for interval in self.intervals if self._inside[interval])
        self._timed = {id(one) for interval in self.samples for one in self._inside[interval]}
        self.measured: tuple[Generation, ...] = tuple(one for one in self.generations if self._is_measured(one))
        self.unmeasured: tuple[Generation, ...] = tuple(one for one in self.generations if self._is_not(one))

    def kind(self, expr: ast.AST, scope: Scope) -> str | None:
        """``time`` or ``rate`` where ``expr`` is one or holds many of them, else None."""
        if isinstance(expr, ast.BinOp):
            return TIME if expr in self._differences else self._arithmetic(expr, scope)
        if isinstance(expr, (ast.Name, ast.Attribute)):
            return self._of_name(text_of(expr), scope)
        if isinstance(expr, ast.Call):
            return self._of_call(expr, scope)
        return next((kind for part in _parts(expr) if (kind := self.kind(part, scope))), None)

    def _arithmetic(self, expr: ast.BinOp, scope: Scope) -> str | None:
        left, right = self.kind(expr.left, scope), self.kind(expr.right, scope)
        if isinstance(expr.op, (ast.Div, ast.FloorDiv)):
            if right is None:
                return left
            return None if left == right else RATE if right == TIME else None
        if isinstance(expr.op, ast.Mult):
            return None if left and right else left or right
        return left or right

    def _of_name(self, name: str, scope: Scope) -> str | None:
        place: Scope | None = scope
        while place is not None:
            if (place, name) in self._kinds:
                return self._kinds[place, name]
            place = self.script.scope_of.get(place) if place is not self.script.tree else None
        return None

    def _of_call(self, call: ast.Call, scope: Scope) -> str | None:
        function = self.script.called(call)
        if function is not None:
            return self._returns.get((function, None))
        name = self.script.path(call.func).rpartition(".")[2]
        return self.kind(call.args[0], scope) if name in _SAME_KIND and call.args else None

    def _learn(self) -> bool:
        known = len(self._kinds) + len(self._returns)
        for scope, name, value, part in self._given():
            function = self.script.called(value) if isinstance(value, ast.Call) else None
            kind = self._returns.get((function, part)) if function is not None and part is not None else \
                self.kind(value, scope) if part is None else None
            if kind:
                self._kinds.setdefault((scope, name), kind)
        for function in [scope for scope in self.script.nodes if isinstance(scope, Function)]:
            for value in self.script.returned(function):
                parts: list[tuple[int | None, ast.expr]] = list(enumerate(value.elts)) if isinstance(value, ast.Tuple) else [(None, value)]
                for place, one in parts:
                    if kind := self.kind(one, function):
                        self._returns.setdefault((function, place), kind)
        return len(self._kinds) + len(self._returns) > known

    def _given(self) -> Iterator[tuple[Scope, str, ast.expr, int | None]]:
        for scope, name, definition in self.script.given():
            yield scope, name, definition.value, definition.part
        for (scope, name), values in self.script.appended.items():
            for value in values:
                yield scope, name, value, None

    def returns_time(self, function: Function) -> bool:
        """Whether ``function`` gives a time or a rate, alone or in a tuple."""
        return any(one is function for one, _ in self._returns)

    def limit(self, one: Generation) -> frozenset[object] | None:
        """Every value the token limit of ``one`` can have; None where it has none or it is not in sight."""
        if id(one) not in self._limits:
            possible = [self.script.possible(seen.expr, seen.scope) for seen in one.limits]
            self._limits[id(one)] = None if not possible or None in possible else frozenset().union(*(values or () for values in possible))
        return self._limits[id(one)]

    def limits(self, several: Sequence[Generation]) -> str:
        """The token limits of ``several`` for a message, ascending."""
        values = {value for one in several for value in self.limit(one) or ()}
        return shown(", ".join(sorted(map(str, values), key=lambda text: (len(text), text)))) or "?"

    def calls_in(self, interval: Interval) -> list[ast.Call]:
        """The calls that, by their place in the text, run while ``interval`` is timed."""
        calls = self._calls.get(interval.scope, [])
        return calls[bisect_right(calls, position(interval.start), key=position):
                     bisect_left(calls, position(interval.end or interval.difference), key=position)]

    def inside(self, interval: Interval) -> tuple[Generation, ...]:
        """What is generated while ``interval`` is timed."""
        return self._inside[interval]

    def is_timed(self, one: Generation) -> bool:
        """Whether ``one`` runs while its own function reads a clock before and after it."""
        return id(one) in self._timed

    def is_timed_inside(self, one: Generation) -> bool:
        """Whether ``one`` is a call of a function that times what it generates."""
        return one.inner is not None and (self.is_timed(one.inner) or self.is_timed_inside(one.inner))

    def _is_measured(self, one: Generation) -> bool:
        if self.is_timed(one):
            return not (isinstance(one.scope, Function) and self.returns_time(one.scope) and self.script.sites(one.scope))
        return one.via is not None and self.is_timed_inside(one) and self.returns_time(one.via) and not _dropped(self.script, one.call)

    def _is_not(self, one: Generation) -> bool:
        if self.is_timed(one):
            return False
        return not self.is_timed_inside(one) or (one.via is not None and self.returns_time(one.via) and _dropped(self.script, one.call))


def _parts(expr: ast.AST) -> list[ast.expr]:
    """The expressions whose kind is that of ``expr``."""
    if isinstance(expr, ast.IfExp):
        return [expr.body, expr.orelse]
    if isinstance(expr, (ast.Subscript, ast.Await, ast.Starred, ast.FormattedValue)):
        return [expr.value]
    if isinstance(expr, (ast.List, ast.Tuple)):
        return expr.elts[:1]
    if isinstance(expr, ast.UnaryOp):
        return [expr.operand]
    return [expr.elt] if isinstance(expr, (ast.ListComp, ast.GeneratorExp)) else []


def _dropped(script: Script, call: ast.Call) -> bool:
    """Whether nobody looks at what ``call`` gives."""
    parent = script.parents.get(call)
    while isinstance(parent, ast.Await):
        parent = script.parents.get(parent)
    return isinstance(parent, ast.Expr) or (isinstance(parent, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id.startswith("_") for target in parent.targets))


def is_clock(script: Script, expr: ast.AST) -> bool:
    """Whether ``expr`` reads a clock."""
    return isinstance(expr, ast.Call) and script.path(expr.func) in _CLOCKS


def _intervals(script: Script) -> Iterator[Interval]:
    for scope, nodes in script.nodes.items():
        for node in nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.right, (ast.Name, ast.Attribute)):
                start = _read(script, node.right, scope, position(node))
                if start is None:
                    continue
                if isinstance(node.left, ast.Call) and is_clock(script, node.left):
                    yield Interval(scope, start, node.left, node)
                elif not isinstance(node.left, ast.Constant):
                    yield Interval(scope, start, _read(script, node.left, scope, position(node)), node)


def _read(script: Script, expr: ast.expr, scope: Scope, before: Position) -> ast.Call | None:
    """The last clock read that ``expr`` was given before ``before``."""
    name = text_of(expr) if isinstance(expr, (ast.Name, ast.Attribute, ast.Subscript)) else ""
    reads = [definition.value for definition in script.definitions(name, scope)
             if definition.part is None and definition.at < before and is_clock(script, definition.value)]
    return reads[-1] if reads and isinstance(reads[-1], ast.Call) else None


def collected(procedure: Procedure) -> Iterator[tuple[Scope, str, str]]:
    """Every list of times or rates: its scope, name and kind."""
    script, found = procedure.script, set[tuple[Scope, str]]()
    for (scope, name), values in script.appended.items():
        kinds = {kind for value in values if not isinstance(value, (ast.Tuple, ast.Dict)) and (kind := procedure.kind(value, scope))}
        if kinds:
            found.add((scope, name))
            yield scope, name, min(kinds)
    for scope, name, definition in script.given():
        if isinstance(definition.value, ast.ListComp) and (kind := procedure.kind(definition.value, scope)) and (scope, name) not in found:
            yield scope, name, kind


def factors(script: Script, expr: ast.expr, scope: Scope) -> list[Seen]:
    """What ``expr`` multiplies together, names followed; a trailing ``- 1`` is dropped."""
    found: list[Seen] = []
    pending = [Seen(expr, scope)]
    while pending and len(found) < 50:
        one = pending.pop()
        product = one.expr
        if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
            pending += [Seen(product.left, one.scope), Seen(product.right, one.scope)]
        elif isinstance(product, ast.BinOp) and isinstance(product.op, ast.Sub) and isinstance(product.right, ast.Constant):
            pending.append(Seen(product.left, one.scope))
        else:
            found.append(one)
            pending += [Seen(root.expr, root.scope) for root in script.roots(product, one.scope)
                        if root.expr is not product and isinstance(root.expr, (ast.BinOp, ast.Subscript))]
    return found
