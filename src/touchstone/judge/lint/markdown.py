"""Python that is printed in Markdown: fenced blocks, at the lines where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*(?:\{?\.?)(\w*)")
_PYTHON = {"python", "py", "python3", "ipython", "ipython3"}
_IMPORT = re.compile(r"^(?:import|from)\s+\S+(?:.*\bimport\b.*)?", re.MULTILINE)
_NOT_PYTHON = re.compile(r"^\s*[!%]")


def scripts_in(text: str) -> Iterator[str]:
    """The scripts printed in ``text``, each as long as the text with everything else blank, so that lines keep their numbers.

    Blocks continue the script before them until one imports again what has been imported.
    """
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    script = [""] * len(rows)
    imported: set[str] = set()
    for start, block in _blocks(rows):
        imports = {" ".join(line.split()) for line in _IMPORT.findall("\n".join(block))}
        if imports & imported:
            yield "\n".join(script)
            script, imported = [""] * len(rows), set()
        imported |= imports
        script[start:start + len(block)] = block
    if imported or any(script):
        yield "\n".join(script)


def has_blocks(text: str) -> bool:
    """Whether ``text`` has a fenced Python block."""
    return any(True for _ in _blocks(text.split("\n")))


def _blocks(rows: list[str]) -> Iterator[tuple[int, list[str]]]:
    fence, start, block, is_python = "", 0, list[str](), False
    indent = 0
    for number, row in enumerate(rows):
        found = _FENCE.match(row)
        if not fence and found:
            fence, start, block = found.group(2), number + 1, []
            indent, is_python = len(found.group(1)), found.group(3).lower() in _PYTHON
        elif fence and found and found.group(2).startswith(fence) and not row.strip().strip(fence[0]):
            if is_python:
                yield start, block
            fence = ""
        elif fence:
            block.append("" if _NOT_PYTHON.match(row) else row[min(indent, len(row) - len(row.lstrip())):])
    if fence and is_python:
        yield start, block
