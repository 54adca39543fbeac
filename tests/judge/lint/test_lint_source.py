"""Scripts that do not parse, that are no scripts, and that stand in Markdown."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.judge.lint import lint, lint_file, lint_markdown
from touchstone.judge.lint.source import LARGEST

PASTED = """\
import torch
import torch_npu
from transformers import AutoModelForCausalLM
import sysprint(sys.argv)# the comment swallows its line
NAME = "m"
model = AutoModelForCausalLM.from_pretrained(NAME, torch_dtype=torch.int8)
model.eval()print(f"{torch.npu.memory_allocated() / 1024**3:.2f} GB")# so does this one
moved = {name: tensor.npu() for name, tensor in encoded.items()} # moved one by onebegan = 0
print(f"{torch.npu.memory_allocated() / 1024**3:.2f} GB")
"""


def places(mistakes) -> list[tuple[str, int]]:
    return [(one.rule, one.line) for one in mistakes]


def test_glued_lines_are_one_mistake_and_the_rest_is_read():
    assert places(lint(PASTED, "pasted")) == [("MT11", 4), ("MT12", 6), ("MT11", 8), ("MT17", 9)]
    assert "2 lines" in str(lint(PASTED, "pasted")[0].message)


def test_a_broken_line_of_a_function_costs_only_itself():
    source = "import torch\ndef f():\n    print 'no'\n    return torch.cuda.memory_allocated() / 2**20\nprint(f'{f():.1f} MB')\n"
    assert places(lint(source, "x")) == [("MT11", 3), ("MT17", 4)]


def test_lost_indentation_costs_only_its_block():
    source = "def f():\nreturn 1\nimport os\nos.environ['SGLANG_TARGET_BACKEND'] = 'ascend'\n"
    assert places(lint(source, "x")) == [("MT11", 2), ("MT10", 4)]


def test_a_script_inside_an_article_is_found_among_the_prose():
    prose = "\n".join(f"第{n}节:这不是代码。" for n in range(60))
    source = f"{prose}\n结论\nimport torch\nprint(f'{{torch.npu.memory_allocated() / 2**30:.1f}} GB', absent)\n{prose}\n"
    assert places(lint(source, "x")) == [("MT11", 1), ("MT17", 63)]
    assert "120 lines" in str(lint(source, "x")[0].message)


def test_a_name_in_what_was_left_out_is_not_called_undefined():
    assert places(lint("x = = 1\nprint(x)\n", "x")) == [("MT11", 1)]


@pytest.mark.parametrize("source", ["(" * 300, "x = '" + "a" * 9000, "if 1:\n" * 300, "\x1b[31m", "def f(:\n" * 500, "é = \ud800", "1" * 9000,
                                    "a" + ".b" * 40000, "-" * 30000 + "1", "x = " + "+".join(["1"] * 40000), "[" * 90 + "]" * 90,
                                    "\n".join(f"{'    ' * n}if x:" for n in range(99)), "f(" * 80 + ")" * 80, "lambda: " * 5000 + "1"])
def test_hostile_text_gives_mistakes_or_a_clear_error(source):
    try:
        mistakes = lint(source, "hostile")
    except DataError as error:
        assert "hostile" in str(error)
    else:
        assert all(1 <= one.line <= source.count("\n") + 1 and len(str(one.message)) < 600 for one in mistakes)


def test_what_is_too_large_or_binary_is_refused_with_a_reason():
    for text, word in (("x = 1\n" * LARGEST, "too large"), ("x = '\0'", "NUL")):
        with pytest.raises(DataError, match=word):
            lint(text, "hostile")
        with pytest.raises(DataError, match=word):
            lint_markdown(text, "hostile")
    with pytest.raises(DataError, match="as text"):
        lint_file(b"\xff\xfe\x00", "hostile")


def test_many_intervals_are_read_in_time():
    lines = [f"t{n} = time.perf_counter()\nmodel.generate(x{n % 7}, max_new_tokens={n})\nd{n} = time.perf_counter() - t{n}" for n in range(400)]
    assert len(lint("import time, transformers\n" + "\n".join(lines), "long")) > 400


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([
    "start = time.time()", "end = time.time()", "out = model.generate(**inputs, max_new_tokens=n)", "for n in [1, 2]:", "    pass", "def f(n=1):",
    "    return time.time() - start", "print(f'{n / (end - start)} tok/s')", "x, y = f(), f(2)", "times.append(f(3))", "inputs = tokenizer([p] * n)",
    "import time", "n = n", "f = f", "print(sum(times) / len(times))", "else", "    start = time.time()", "    model(**inputs)", "'''", "class A:"]),
    max_size=25))
def test_no_order_of_lines_breaks_it(lines):
    source = "\n".join(lines)
    assert lint(source, "shuffled") == lint(source, "shuffled")
    assert all(one.text == lines[one.line - 1] for one in lint(source, "shuffled"))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_it(text):
    with contextlib.suppress(DataError):
        lint(text, "any")
    with contextlib.suppress(DataError):
        lint_markdown(text, "any")


MARKDOWN = """\
# An article

```python
import torch
used = torch.npu.memory_allocated()
```

Then, in the next cell:

1. indented in a list

   ~~~py
   !pip install x
   print(f"{used / 1024**3} GB")
   ~~~

```bash
export nothing; print(undefined)
```

```python
import torch
print(used, absent)
```
"""


def test_markdown_is_read_block_by_block_at_its_own_lines():
    assert places(lint_markdown(MARKDOWN, "x.md")) == [("MT17", 14), ("MT11", 23)]
    assert lint_file(MARKDOWN.encode(), "x.md") == lint_markdown(MARKDOWN, "x.md") == lint_file(MARKDOWN.encode(), "-")


def test_python_and_markdown_are_told_apart():
    assert places(lint_file(b"print(absent)\n", "-")) == [("MT11", 1)]
    assert lint_file(b"# only words\n", "x.md") == ()
    assert places(lint_file("# coding: gbk\nprint(f'{a/2**30}GB', '显存', a := 1)".encode("gbk"), "x.py")) == [("MT17", 2)]
