"""The habits of the house, checked on the source itself."""

import ast
from pathlib import Path

import touchstone

ROOT = Path(touchstone.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
FUNCTIONS = [(path, node) for path, tree in TREES.items() for node in ast.walk(tree)
             if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
VAGUE = {"util", "utils", "common", "base", "manager", "managers", "helper", "helpers"}
HEAVY = {"torch", "torch_npu", "transformers", "xllamacpp", "gguf", "numpy", "scipy", "pydantic", "rich"}


def imported(nodes):
    """The top-level packages that ``nodes`` import from outside."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def outside_functions(node):
    """Every node that runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from outside_functions(child)


def test_there_is_something_to_check():
    assert {"clock.py", "cli/run.py", "measure/tape.py"} <= set(TREES)
    assert len(FUNCTIONS) > 200


def test_one_module_reads_a_clock():
    assert [path for path, tree in TREES.items() if "time" in imported(ast.walk(tree))] == ["clock.py"]


def test_only_the_roof_prints_and_exits():
    forbidden = {"print", "exit", "quit", "click.echo", "click.secho", "echo", "sys.exit", "os._exit", "SystemExit"}
    found = {path for path, tree in TREES.items() for node in ast.walk(tree)
             if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden}
    assert "cli/run.py" in found  # so the search does find something
    assert {path for path in found if path != "__main__.py" and not path.startswith("cli/")} == set()


def test_modules_are_short():
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in TREES}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_functions_are_short():
    lengths = {f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1 for path, node in FUNCTIONS}
    assert {name: length for name, length in lengths.items() if length > 60} == {}


def test_functions_take_six_parameters_at_most():
    too_many = {}
    for path, node in FUNCTIONS:
        given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        names = [argument.arg for argument in given if argument.arg not in {"self", "cls"}]
        is_command = any("command(" in ast.unparse(decorator) for decorator in node.decorator_list)
        if len(names) > 6 and not is_command:
            too_many[f"{path}:{node.lineno} {node.name}"] = names
    assert too_many == {}


def test_names_of_files_say_what_is_in_them():
    assert [path for path in TREES if VAGUE & set(Path(path).with_suffix("").parts)] == []


def test_everything_public_has_a_docstring():
    missing = [path for path, tree in TREES.items() if not ast.get_docstring(tree)]
    missing += [f"{path}:{node.lineno} {node.name}" for path, tree in TREES.items() for node in tree.body
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
                and not node.name.startswith("_") and not ast.get_docstring(node)]
    assert missing == []


def test_the_roof_imports_nothing_heavy_before_it_must():
    roof = [path for path in TREES if path in {"__init__.py", "__main__.py"} or path.startswith("cli/")]
    assert len(roof) > 5
    assert {path: heavy for path in roof if (heavy := HEAVY & set(imported(outside_functions(TREES[path]))))} == {}
