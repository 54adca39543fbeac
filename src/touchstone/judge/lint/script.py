"""A script as the rules see it: which name stands for what, and who calls whom. Nothing is run, and what is not certain is not told."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping

from touchstone.judge.lint.expressions import (
    UNKNOWN,
    Definition,
    Function,
    Scope,
    Seen,
    children,
    defaults,
    defined,
    element,
    elements,
    entries,
    key_of,
    position,
    text_of,
)
from touchstone.judge.lint.source import Source
from touchstone.message import Message
from touchstone.mistake import Mistake

_STEPS, _DEPTH = 300, 8


class Script:
    """The names, definitions and calls of one script."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tree = source.tree
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: dict[Scope, list[ast.AST]] = defaultdict(list)
        self.scope_of: dict[ast.AST, Scope] = {}
        self.aliases: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        self.methods: dict[str, Function] = {}
        self.displays: dict[str, list[Seen]] = defaultdict(list)
        self.appended: dict[tuple[Scope, str], list[ast.expr]] = defaultdict(list)
        self._definitions: dict[tuple[Scope, str], list[Definition]] = defaultdict(list)
        self._calls: dict[Function, list[ast.Call]] = defaultdict(list)
        self._updates: dict[str, list[Seen]] = defaultdict(list)
        self._left = 0
        self._roots: dict[tuple[int, int], list[Seen]] = {}
        self._walk()
        for scope, nodes in self.nodes.items():
            for node in nodes:
                self._learn(node, scope)
        for call in self.calls():
            function = self.called(call)
            if function is not None:
                self._calls[function].append(call)

    def _walk(self) -> None:
        pending: list[tuple[ast.AST, Scope]] = [(self.tree, self.tree)]
        while pending:
            node, scope = pending.pop()
            self.scope_of[node] = scope
            self.nodes[scope].append(node)
            inner = node if isinstance(node, Function) else scope
            for child in reversed(children(node)):
                self.parents[child] = node
                pending.append((child, inner))

    def _learn(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.aliases.update(_imported(node))
        elif isinstance(node, Function):
            (self.methods if isinstance(self.parents.get(node), ast.ClassDef) else self.functions)[node.name] = node
        elif isinstance(node, ast.Dict):
            for key, value in entries(node):
                self.displays[key].append(Seen(value, scope))
        elif isinstance(node, ast.Call):
            self._learn_call(node, scope)
        else:
            for name, definition in defined(node, scope):
                self._definitions[self.tree if name.startswith("self.") else scope, name].append(definition)

    def _learn_call(self, call: ast.Call, scope: Scope) -> None:
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, (ast.Name, ast.Attribute)):
            name = text_of(call.func.value)
            if call.func.attr == "append" and len(call.args) == 1:
                self.appended[scope, name].append(call.args[0])
            elif call.func.attr == "update" and call.args:
                self._updates[name].append(Seen(call.args[0], scope))

    def calls(self) -> Iterator[ast.Call]:
        """Every call of the script."""
        return (node for nodes in self.nodes.values() for node in nodes if isinstance(node, ast.Call))

    def path(self, expr: ast.AST) -> str:
        """The dotted path of a name with its import resolved (``np.mean`` is ``numpy.mean``); empty for anything else."""
        parts: list[str] = []
        while isinstance(expr, ast.Attribute):
            parts.append(expr.attr)
            expr = expr.value
        if not isinstance(expr, ast.Name):
            return ".".join(["", *reversed(parts)]) if parts else ""
        return ".".join([self.aliases.get(expr.id, expr.id), *reversed(parts)])

    def imports(self, package: str) -> bool:
        """Whether ``package`` or something of it is imported."""
        return any(path == package or path.startswith(package + ".") for path in self.aliases.values())

    def called(self, call: ast.Call) -> Function | None:
        """The script's own function that ``call`` calls."""
        if isinstance(call.func, ast.Name):
            return self.functions.get(call.func.id)
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id in {"self", "cls"}:
            return self.methods.get(call.func.attr)
        return None

    def sites(self, function: Function) -> list[ast.Call]:
        """Where ``function`` is called."""
        return self._calls.get(function, [])

    def used_otherwise(self, function: Function) -> bool:
        """Whether ``function`` is decorated or handed on, so that its calls are not all in sight."""
        return bool(function.decorator_list) or any(
            isinstance(node, ast.Name) and node.id == function.name and isinstance(node.ctx, ast.Load)
            and not (isinstance(parent := self.parents.get(node), ast.Call) and parent.func is node)
            for nodes in self.nodes.values() for node in nodes)

    def definitions(self, name: str, scope: Scope) -> list[Definition]:
        """What ``name`` is given in ``scope`` itself, in the script's order."""
        return self._definitions.get((self.tree if name.startswith("self.") else scope, name), [])

    def given(self) -> Iterator[tuple[Scope, str, Definition]]:
        """Every definition of the script with its scope and name."""
        return ((definition.scope, name, definition) for (_, name), found in self._definitions.items() for definition in found)

    def within(self, node: ast.AST, kinds: type | tuple[type, ...]) -> Iterator[ast.AST]:
        """The nodes of ``kinds`` around ``node``, innermost first, as far as its function goes."""
        parent = self.parents.get(node)
        while parent is not None and not isinstance(parent, Function):
            if isinstance(parent, kinds):
                yield parent
            parent = self.parents.get(parent)

    def roots(self, expr: ast.expr, scope: Scope) -> list[Seen]:
        """The expressions that ``expr`` may stand for, names followed to what they are given; :data:`UNKNOWN` where that is not in sight."""
        key = (id(expr), id(scope))
        if key not in self._roots:
            self._left = _STEPS
            self._roots[key] = self._search(Seen(expr, scope), 0)
        return self._roots[key]

    def _search(self, first: Seen, depth: int) -> list[Seen]:
        if depth >= _DEPTH:
            return [Seen(UNKNOWN, first.scope)]
        found: list[Seen] = []
        pending, met = [first], set[tuple[int, int]]()
        while pending:
            one = pending.pop()
            if (id(one.expr), id(one.scope)) in met:
                continue
            met.add((id(one.expr), id(one.scope)))
            self._left -= 1
            steps = self._steps(one, depth) if self._left > 0 else [] if one.expr is UNKNOWN else [Seen(UNKNOWN, one.scope)]
            if steps is None or one.expr is UNKNOWN:
                found.append(one)
            else:
                pending += steps
        return found

    def _steps(self, seen: Seen, depth: int) -> list[Seen] | None:
        expr, scope = seen.expr, seen.scope
        if isinstance(expr, ast.IfExp):
            return [Seen(expr.body, scope), Seen(expr.orelse, scope)]
        if isinstance(expr, (ast.NamedExpr, ast.Await, ast.Starred)):
            return [Seen(expr.value, scope)]
        if isinstance(expr, ast.Call) and (function := self.called(expr)) is not None:
            return [Seen(value, function) for value in self.returned(function)] or [Seen(UNKNOWN, scope)]
        if isinstance(expr, (ast.Name, ast.Attribute)):
            return self._named(expr, scope, depth)
        return None

    def _named(self, expr: ast.Name | ast.Attribute, scope: Scope, depth: int) -> list[Seen] | None:
        name = text_of(expr)
        place: Scope | None = scope
        while place is not None:
            found = [seen for definition in self.definitions(name, place) for seen in self._values(definition, depth + 1)]
            if isinstance(place, Function) and isinstance(expr, ast.Name):
                found += self._arguments(place, name)
            if found:
                return found
            place = self.scope_of.get(place) if place is not self.tree else None
        return None

    def _values(self, definition: Definition, depth: int) -> list[Seen]:
        scope, part = definition.scope, definition.part
        if not definition.item:
            return [definition.whole] if part is None else [Seen(element(one.expr, part), one.scope) for one in self._search(definition.whole, depth)]
        if part is None:
            return [Seen(item, one.scope) for one in self._search(definition.whole, depth) for item in elements(one.expr)]
        return [Seen(UNKNOWN, scope)]

    def _arguments(self, function: Function, name: str) -> list[Seen]:
        given = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        if name not in {argument.arg for argument in given}:
            return []
        outer = self.scope_of[function]
        values = [Seen(bound[name], self.scope_of[call]) for call in self.sites(function) if name in (bound := self.bound(call, function))]
        values += [Seen(value, outer) for key, value in defaults(function).items() if key == name]
        return values or [Seen(UNKNOWN, outer)]

    def bound(self, call: ast.Call, function: Function) -> Mapping[str, ast.expr]:
        """The arguments of ``call`` by the parameter names of ``function``, without defaults."""
        names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        if isinstance(self.parents.get(function), ast.ClassDef):
            names = names[1:]
        given = {} if any(isinstance(argument, ast.Starred) for argument in call.args) else dict(zip(names, call.args, strict=False))
        return {**given, **{keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}}

    def returned(self, function: Function) -> list[ast.expr]:
        """What ``function`` returns or yields."""
        return [node.value for node in self.nodes[function] if isinstance(node, (ast.Return, ast.Yield)) and node.value is not None]

    def possible(self, expr: ast.expr, scope: Scope) -> frozenset[object] | None:
        """Every value that ``expr`` can have, None where that is not in sight."""
        values: set[object] = set()
        for seen in self.roots(expr, scope):
            key = key_of(seen.expr)
            if isinstance(seen.expr, ast.Constant) and seen.expr is not UNKNOWN:
                values.add(seen.expr.value)
            elif key is not None and key in self.displays:
                rows = [one for given in self.displays[key] for one in self.roots(given.expr, given.scope)]
                constants = {row.expr.value for row in rows if isinstance(row.expr, ast.Constant) and row.expr is not UNKNOWN}
                if not constants:
                    return None
                values |= constants
            else:
                return None
        return frozenset(values)

    def updates(self, name: str) -> list[Seen]:
        """What ``name.update(...)`` is called with."""
        return self._updates.get(name, [])

    def mistake(self, rule: str, node: ast.AST | int, message: Message, cure: Message) -> Mistake:
        """A mistake at ``node``, or at a line."""
        line, column = (node, 0) if isinstance(node, int) else position(node)
        line = min(max(line, 1), len(self.source.lines))
        return Mistake(rule, line, column + 1, message, cure, self.source.lines[line - 1])


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """The names that an import binds, and the paths that they stand for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"
        else:
            top = alias.name.partition(".")[0]
            yield alias.asname or top, alias.name if alias.asname else top
