"""The small words of reading a script: what an expression is, where it stands, what a statement gives to which name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef
Function = ast.FunctionDef | ast.AsyncFunctionDef
Position = tuple[int, int]
UNKNOWN = ast.Constant(value=...)
"""Stands for an expression whose value the script does not show."""
_SHOWN = 80


@dataclass(frozen=True)
class Seen:
    """An expression and the function (or module) in which its names are to be looked up."""

    expr: ast.expr
    scope: Scope


@dataclass(frozen=True)
class Definition:
    """``value`` is given to a name at ``at``: whole, its ``part``-th element, or (``item``) one after the other what it iterates over."""

    at: Position
    scope: Scope
    value: ast.expr
    part: int | None = None
    item: bool = False

    @property
    def whole(self) -> Seen:
        """``value`` where its names are to be looked up."""
        return Seen(self.value, self.scope)


def position(node: ast.AST) -> Position:
    """Line and column of ``node``."""
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def text_of(expr: ast.AST) -> str:
    """``expr`` as source text, so that two can be compared."""
    return ast.unparse(expr)


def shown(expr: ast.AST | str) -> str:
    """``expr`` for a message: one line, not too long."""
    text = " ".join((expr if isinstance(expr, str) else text_of(expr)).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN - 1] + "…"


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below ``node``, without annotations: they say nothing of what runs."""
    aside = {id(one) for one in (getattr(node, "annotation", None), getattr(node, "returns", None)) if one is not None}
    return [child for child in ast.iter_child_nodes(node) if id(child) not in aside]


def key_of(expr: ast.AST) -> str | None:
    """``"k"`` for ``x["k"]`` and ``x.get("k")``."""
    if isinstance(expr, ast.Subscript):
        key: ast.AST = expr.slice
    elif isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "get" and expr.args:
        key = expr.args[0]
    else:
        return None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def entries(display: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    """The entries of a dictionary whose keys are texts."""
    return ((key.value, value) for key, value in zip(display.keys, display.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str))


def defined(node: ast.AST, scope: Scope) -> Iterator[tuple[str, Definition]]:
    """The names that ``node`` gives a value, and which."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _targets(target, Definition(position(target), scope, node.value))
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)) and node.value is not None:
        yield from _targets(node.target, Definition(position(node.target), scope, node.value))
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield from _targets(node.target, Definition(position(node.target), scope, node.iter, item=True))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from _targets(node.optional_vars, Definition(position(node.optional_vars), scope, node.context_expr))


def _targets(target: ast.expr, whole: Definition) -> Iterator[tuple[str, Definition]]:
    if isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
        yield text_of(target), whole
    elif isinstance(target, (ast.Tuple, ast.List)):
        value = whole.value
        pairs = value.elts if not whole.item and isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts) else None
        for part, one in enumerate(target.elts):
            if isinstance(one, (ast.Name, ast.Attribute, ast.Subscript)):
                yield text_of(one), replace(whole, at=position(one), **({"value": pairs[part]} if pairs else {"part": part}))


def elements(expr: ast.expr) -> list[ast.expr]:
    """What ``expr`` holds, as far as it is spelt out."""
    if isinstance(expr, (ast.List, ast.Tuple, ast.Set)):
        return list(expr.elts)
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Mult) and isinstance(expr.left, ast.List):
        return list(expr.left.elts)
    return [UNKNOWN]


def element(expr: ast.expr, part: int | None) -> ast.expr:
    """The ``part``-th of what ``expr`` holds."""
    return expr.elts[part] if isinstance(expr, (ast.List, ast.Tuple)) and part is not None and part < len(expr.elts) else UNKNOWN


def defaults(function: Function) -> Mapping[str, ast.expr]:
    """The parameters of ``function`` that have a default."""
    arguments = function.args.posonlyargs + function.args.args
    named = dict(zip([one.arg for one in arguments[len(arguments) - len(function.args.defaults):]], function.args.defaults, strict=True))
    named.update({one.arg: value for one, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if value})
    return named
