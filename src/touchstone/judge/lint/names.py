"""Which names a script uses that nothing in it defines."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from touchstone.judge.lint.expressions import Function, Scope, children
from touchstone.judge.lint.script import Script

_GIVEN = frozenset(dir(builtins)) | {
    "__file__", "__name__", "__doc__", "__builtins__", "__spec__", "__package__", "__loader__", "__annotations__", "__class__",
    "display", "get_ipython", "In", "Out", "_", "__"}
_BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.ClassDef, *(
    (ast.Match,) if hasattr(ast, "Match") else ()), *((ast.TryStar,) if hasattr(ast, "TryStar") else ()))


def undefined(script: Script, known: frozenset[str]) -> Iterator[ast.Name]:
    """The first use of every name that is defined nowhere, or at the top level only later. ``known`` is defined elsewhere."""
    source = script.source
    if any(isinstance(node, ast.alias) and node.name == "*" for node in script.nodes[script.tree]) \
            or 2 * len(source.left_out) > sum(map(len, source.lines)):
        return
    given = _GIVEN | known
    everywhere = given | bound(script, script.tree) | _declared(script)
    missing = [*_too_early(script, given), *(node for scope in script.nodes if isinstance(scope, Function)
                                             for node in _unbound(script, scope, everywhere))]
    met: set[str] = set()
    for node in sorted(missing, key=lambda name: (name.lineno, name.col_offset)):
        if node.id not in met and node.id not in script.source.left_out and not _expected(script, node):
            met.add(node.id)
            yield node


def _unbound(script: Script, function: Function, everywhere: frozenset[str]) -> list[ast.Name]:
    near = everywhere | _in_reach(script, function)
    return [node for node in script.nodes[function] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in near]


def bound(script: Script, scope: Scope) -> frozenset[str]:
    """Every name that ``scope`` binds anywhere, those of its classes, lambdas and comprehensions included."""
    return frozenset(name for node in script.nodes[scope] for name in _binds(node))


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _declared(script: Script) -> frozenset[str]:
    return frozenset(name for nodes in script.nodes.values() for node in nodes if isinstance(node, (ast.Global, ast.Nonlocal)) for name in node.names)


def _in_reach(script: Script, scope: Scope) -> frozenset[str]:
    names: frozenset[str] = frozenset()
    while isinstance(scope, Function):
        names |= bound(script, scope)
        scope = script.scope_of[scope]
    return names


def _expected(script: Script, node: ast.AST) -> bool:
    """Whether the script is ready for the name to be missing, or it is a word of the prose around a paste."""
    if script.source.left_out and isinstance(script.parents.get(node), ast.Expr):
        return True
    return any(handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id in {"NameError", "Exception"})
               for around in script.within(node, ast.Try) if isinstance(around, ast.Try) for handler in around.handlers)


def _too_early(script: Script, given: frozenset[str]) -> Iterator[ast.Name]:
    """Names that the top level uses before it has given them a value."""
    known = set(given | _declared(script))
    for statement in script.tree.body:
        yield from _in_statement(statement, known)


def _in_statement(statement: ast.stmt, known: set[str]) -> Iterator[ast.Name]:
    if isinstance(statement, _BLOCKS):
        if isinstance(statement, (ast.For, ast.AsyncFor, ast.While)):
            known |= {name for node in ast.walk(statement) for name in _binds(node)}  # its second turn knows what its first has bound
        for child in ast.iter_child_nodes(statement):
            yield from _in_part(child, known)
        if isinstance(statement, ast.ClassDef):
            known.add(statement.name)
        return
    used = [node for node in _running(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    inner = {name for node in _running(statement) if isinstance(node, (ast.comprehension, ast.Lambda, ast.NamedExpr))
             for one in ast.walk(node) for name in _binds(one)}
    yield from (node for node in used if node.id not in known and node.id not in inner)
    known |= {name for node in _running(statement) for name in _binds(node)}


def _in_part(part: ast.AST, known: set[str]) -> Iterator[ast.Name]:
    if isinstance(part, ast.stmt):
        yield from _in_statement(part, known)
    elif isinstance(part, (ast.ExceptHandler, ast.withitem)) or type(part).__name__ == "match_case":
        known |= set(_binds(part)) | {name for node in ast.walk(part) if not isinstance(part, ast.ExceptHandler) for name in _binds(node)}
        for child in ast.iter_child_nodes(part):
            yield from _in_part(child, known)
    elif isinstance(part, ast.expr):
        inner = {name for node in ast.walk(part) for name in _binds(node)}
        yield from (node for node in ast.walk(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
                    and node.id not in known and node.id not in inner)
        known |= inner


def _running(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of ``statement`` that run with it: not the body of a function."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Function):
            pending += [*node.decorator_list, *node.args.defaults, *(one for one in node.args.kw_defaults if one)]
        else:
            pending += children(node)
