"""The source of other tools, as published: fetched from the package index at a pinned version, a file at a time, and run with its imports replaced.

A wheel of hundreds of megabytes is a zip archive: its directory and one file of it are a few hundred kilobytes by range requests.
Nothing of it is kept in this repository.
"""

import ast
import functools
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

VERSIONS = {"vllm": "0.33.0", "sglang": "0.5.23", "guidellm": "0.8.1", "aiperf": "0.13.0", "evalscope": "1.14.1",
            "ais-bench-benchmark": "3.1.20260630", "aiconfigurator-core": "0.12.0", "vllm-ascend": "0.23.0", "transformers": "5.23.0"}
PROJECTS = {"aisbench": "ais-bench-benchmark"}
"""The names of those that are published under another one."""
PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64", "any")
KEPT = {"numpy"} | set(sys.stdlib_module_names) - {"time"}
"""What a source may really import; a clock it gets from the test."""
_unreachable = []
"""Why PyPI cannot be reached, once that is known: nobody waits for it twice."""


class _Range(io.RawIOBase):
    """A file at the other end of the wire, read by ranges."""

    def __init__(self, url):
        self._url, self._at = url, 0
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30) as answer:
            self._size = int(answer.headers["Content-Length"])

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=io.SEEK_SET):
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer):
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        asked = urllib.request.Request(self._url, headers={"Range": f"bytes={self._at}-{self._at + count - 1}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 206
            data = answer.read()
        buffer[:len(data)] = data
        self._at += len(data)
        return len(data)


def peer_version(tool):
    """The version whose source is read."""
    return VERSIONS[PROJECTS.get(tool, tool)]


@functools.lru_cache
def _wheel(tool):
    """Where pip would take the wheel of ``tool`` from."""
    options = [part for platform in PLATFORMS for part in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as nothing:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", "-", "--no-deps", "--ignore-installed",
             "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", *options, "--target", nothing,
             f"{PROJECTS.get(tool, tool)}=={peer_version(tool)}"], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"the wheel of {tool} cannot be found: {done.stderr[-200:]}")
    return json.loads(done.stdout)["install"][0]["download_info"]["url"]


@functools.lru_cache
def _archive(tool):
    """The wheel, whose directory is fetched once for all files of it."""
    return zipfile.ZipFile(io.BufferedReader(_Range(_wheel(tool)), 1 << 19))


def peer_source(tool, path):
    """The text of ``path`` in the wheel of ``tool``. Without a package index the test is skipped."""
    root = Path(os.environ.get("TOUCHSTONE_CACHE") or Path(tempfile.gettempdir()) / "touchstone-cache")
    kept = root / "peers" / f"{tool}-{peer_version(tool)}" / path
    if not kept.exists():
        try:
            text = _archive(tool).read(path)
        except (urllib.error.URLError, TimeoutError, ConnectionError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"the wheel of {tool} cannot be reached: {error}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        written = kept.with_name(f"{kept.name}.{os.getpid()}")
        written.write_bytes(text)
        written.replace(kept)
    return kept.read_text(encoding="utf-8")


class _Permissive(type):
    """Whatever is asked of it, there is more of the same."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything

    def __getitem__(cls, _item):
        return cls

    __iter__ = None  # or it would go on for ever

    def __call__(cls, *args, **kwargs):
        if cls is not Anything:
            return super().__call__(*args, **kwargs)
        return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else Anything


class Anything(metaclass=_Permissive):
    """Stands for what a source imports and a test does not need: a base class, a decorator, a field, a function."""

    def __init__(self, *_args, **kwargs):
        self.__dict__.update(kwargs)


def peer_module(tool, path, **given):
    """The module ``path`` of ``tool`` as a namespace. Its imports are ``given``, or really there (see KEPT), or :class:`Anything`."""
    tree = ast.parse(peer_source(tool, path))
    names = {"__name__": f"peer_{tool}_{Path(path).stem}"}
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in imports:
        for alias in node.names:
            names.setdefault(alias.asname or alias.name.partition(".")[0], _imported(node, alias))
    names.update(given)
    future = ast.parse("from __future__ import annotations").body
    body = [node for node in tree.body if node not in imports]
    module = ast.Module(body=future + [_Local().visit(node) for node in body], type_ignores=[])
    sys.modules.setdefault(names["__name__"], type(sys)(names["__name__"]))  # dataclasses look their module up
    exec(compile(ast.fix_missing_locations(module), path, "exec"), names)
    return names


class _Local(ast.NodeTransformer):
    """Takes imports out of functions and blocks: what they name is in the namespace."""

    def visit_Import(self, node):
        return ast.copy_location(ast.Pass(), node)

    visit_ImportFrom = visit_Import  # noqa: N815


def _imported(node, alias):
    home = node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
    if (isinstance(node, ast.ImportFrom) and node.level) or home.partition(".")[0] not in KEPT:
        return Anything
    if isinstance(node, ast.ImportFrom):
        return getattr(importlib.import_module(home), alias.name, Anything)
    return importlib.import_module(home if alias.asname else home.partition(".")[0])
