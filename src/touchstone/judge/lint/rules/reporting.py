"""Rules on what is told: where facts come from, which peak is meant, which unit, and whether the data decided the words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from touchstone.judge.lint.expressions import Scope, entries, position, shown
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.script import Script
from touchstone.judge.lint.timing import Procedure
from touchstone.message import say
from touchstone.mistake import Mistake

_PACKAGES = {  # what a label calls a thing → the module whose __version__ it is; longest names first
    "llama-cpp-python": "llama_cpp", "vllm-ascend": "vllm_ascend", "torch-npu": "torch_npu", "transformers": "transformers",
    "accelerate": "accelerate", "pytorch": "torch", "sglang": "sglang", "pandas": "pandas", "python": "", "numpy": "numpy", "torch": "torch",
    "vllm": "vllm", "cann": "", "driver": "",
}
_READS = {"max_memory_allocated", "max_memory_reserved"}
_RESETS = {"reset_max_memory_allocated", "reset_max_memory_reserved", "reset_max_memory_cached", "reset_peak_memory_stats"}
_CONCLUSION = re.compile(
    "显著(提升|提高|降低|增加|优于)|卓越|优异|超线性|毫秒级|充分(证明|体现|发挥)|(表明|证明|说明)(了)?(NPU|GPU|昇腾|该|硬件|平台)|性能强大|表现出色|高效生成"
    r"|\b(significantly (improves?|better|faster|reduces?|higher)|excellent|outstanding|impressive|superb|super-?linear"
    r"|(proves|demonstrates) (that|the))\b", re.IGNORECASE)
_UNIT = re.compile(r"^\s*\(?([KMGT]i?B)\b")
_NAMED_UNIT = re.compile(r"(?:^|[^a-z])([mg]i?b)(?:$|[^a-z])", re.IGNORECASE)
_BINARY = {2**20: "MiB", 2**30: "GiB"}
_DECIMAL = {10**6: "MB", 10**9: "GB"}


def _provenance(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for label, value in _labelled(script):
        name = re.sub(r"[\s_]+", "-", label.lower())
        package = next((one for one in _PACKAGES if one in name), None)
        for node in ast.walk(value):
            if package is not None and isinstance(node, ast.Attribute) and node.attr == "__version__":
                module = script.path(node.value)
                if module and module.partition(".")[0] != _PACKAGES[package]:
                    yield script.mistake(rule, value, say("what is called {label} is the version of {module}", label=shown(label), module=module),
                                         say("platform.python_version()") if package == "python" else say(
                                             "importlib.metadata.version, of the package that is named"))
                    break


def _labelled(script: Script) -> Iterator[tuple[str, ast.expr]]:
    """Every value with the words that name it: a dictionary's key, the text before it in an f-string."""
    for nodes in script.nodes.values():
        for node in nodes:
            if isinstance(node, ast.Dict):
                yield from entries(node)
            elif isinstance(node, ast.JoinedStr) and not isinstance(script.parents.get(node), ast.Dict):
                for before, value in zip(node.values, node.values[1:], strict=False):
                    if isinstance(before, ast.Constant) and isinstance(value, ast.FormattedValue):
                        yield re.split(r"[|,;\n]", str(before.value))[-1], value.value


def _peak(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    resets = [call for call in script.calls() if script.path(call.func).rpartition(".")[2] in _RESETS]
    for scope in {script.scope_of[call]: None for call in resets}:
        reads = [call for call in script.calls() if script.scope_of[call] is scope and script.path(call.func).rpartition(".")[2] in _READS]
        if reads and all(script.scope_of[call] is scope and position(call) > position(reads[0]) for call in resets):
            yield script.mistake(rule, resets[0], say(
                "the peak-memory counter is reset only after it is read: the first reading still holds the peak of loading the model"),
                say("reset it before every measurement, after the warm-up"))


def _template(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for nodes in script.nodes.values():
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                told = procedure.measured and any(isinstance(one, ast.FormattedValue) for one in node.values)
                parts = [one for one in node.values if isinstance(one, ast.Constant)]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                told, parts = procedure.measured and _is_printed(script, node), [node]
            else:
                continue
            phrase = next((found.group() for part in parts if (found := _CONCLUSION.search(str(part.value)))), None)
            if told and phrase is not None and not any(True for _ in script.within(node, (ast.If, ast.IfExp, ast.Match))):
                yield script.mistake(rule, _line_of(script, node, phrase), say(
                    "the conclusion is written before the measurement: “{phrase}” is printed whatever the numbers are", phrase=phrase),
                    say("print it under a condition on the numbers, or leave it to the reader"))


def _is_printed(script: Script, node: ast.AST) -> bool:
    parent = script.parents.get(node)
    return isinstance(parent, ast.Call) and script.path(parent.func).rpartition(".")[2] in {"print", "write", "append"}


def _line_of(script: Script, node: ast.AST, phrase: str) -> int:
    first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
    return next((row + 1 for row in range(first - 1, min(last, len(script.source.lines))) if phrase in script.source.lines[row]), first)


def _units(procedure: Procedure, rule: str) -> Iterator[Mistake]:
    script = procedure.script
    for scope, nodes in script.nodes.items():
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                for value, after in zip(node.values, node.values[1:], strict=False):
                    if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant) and (unit := _UNIT.match(str(after.value))):
                        yield from _wrong_unit(script, rule, (value.value, scope), unit.group(1))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (unit := _NAMED_UNIT.search(node.targets[0].id)):
                yield from _wrong_unit(script, rule, (node.value, scope), unit.group(1))
            elif isinstance(node, ast.Dict):
                for key, value in entries(node):
                    if unit := _NAMED_UNIT.search(key):
                        yield from _wrong_unit(script, rule, (value, scope), unit.group(1))


def _wrong_unit(script: Script, rule: str, divided: tuple[ast.expr, Scope], label: str) -> Iterator[Mistake]:
    for root in script.roots(*divided):
        found = _BINARY.get(_divisor(root.expr)) or _DECIMAL.get(_divisor(root.expr))
        if found is not None and found.lower() != label.lower() and found[0].lower() == label[0].lower():
            yield script.mistake(rule, root.expr, say(
                "bytes are divided to {found} and called {label}; GiB and GB are 7.4 % apart, MiB and MB 4.9 %", found=found, label=label),
                say("name the unit {found}, or divide by {power}", found=found, power="1e6, 1e9" if "i" in found else "2**20, 2**30"))


def _divisor(expr: ast.expr) -> int:
    """The product of the constants that ``expr`` is divided by; 1 where it is not."""
    product = 1.0
    while isinstance(expr, ast.Call) and expr.args and isinstance(expr.func, ast.Name) and expr.func.id in {"round", "float", "int"}:
        expr = expr.args[0]
    while isinstance(expr, ast.BinOp) and isinstance(expr.op, (ast.Div, ast.FloorDiv)):
        product *= _constant(expr.right)
        expr = expr.left
    return int(product) if 1 <= product < 1e15 else 1


def _constant(expr: ast.expr) -> float:
    """The value of ``1024**3``, ``1e9``, ``1 << 30`` and their like; 0 for anything else."""
    if isinstance(expr, ast.Constant):
        value = expr.value
        return float(value) if isinstance(value, (int, float)) and abs(value) < 1e15 else 0.0
    if not isinstance(expr, ast.BinOp):
        return 0.0
    left, right = _constant(expr.left), _constant(expr.right)
    if isinstance(expr.op, ast.Mult):
        return left * right
    if isinstance(expr.op, ast.Pow) and right <= 60 and left <= 1024:
        return float(left ** right)
    return float(left * 2 ** right) if isinstance(expr.op, ast.LShift) and right <= 50 else 0.0


REPORTING = (
    Rule("MT8", "a version is asked of the thing that it is the version of", _provenance),
    Rule("MT13", "the peak-memory counter is reset before the measurement", _peak),
    Rule("MT14", "conclusions depend on the numbers", _template),
    Rule("MT17", "a unit of memory is called what it is", _units),
)
