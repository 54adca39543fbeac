"""What an article or a table is about, where its reader was not told: the model, chip, dtype and number of devices its words name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from touchstone.claim import Subject
from touchstone.hardware import find_chips
from touchstone.judge.claims.shortcuts import ACCEPTED_AT_MOST, PREFIX_CACHE, SPECULATION
from touchstone.judge.claims.shortcuts import names as named
from touchstone.message import Message, say
from touchstone.simulate.known_models import find_models

_DEVICES = re.compile(
    r"(?:--?(?:tp|tensor[-_]parallel)(?:[-_]size)?|tp_size|tensor_parallel_size)\s*[= ]\s*(\d{1,3})\b|\bTP\s*=?\s*(\d{1,2})\b"
    r"|(\d{1,3})\s*(?:张|卡|块)|\b(\d{1,3})\s*[*x×]\s*(?:NPU|GPU|Atlas|Ascend|昇腾|A100|A800|H\d{2,3}|910)", re.IGNORECASE)
_ONE_DEVICE = re.compile(r"单卡|单张|单个\s*NPU|单机单卡|single[- ](?:card|gpu|npu|device)", re.IGNORECASE)
_DTYPES = re.compile(r"\b(?:torch\.)?(fp16|float16|bf16|bfloat16|fp32|float32|fp8|int8|int4|w8a8|w4a16|awq|gptq)\b|(半精度)", re.IGNORECASE)
_SAME = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "半精度": "fp16"}
_CLEAR_MAJORITY = 0.5
_MOST_LINES = 5000
_MAY_NAME_CHIP = re.compile(r"\d\d|[AL]\d")
_FRONT = {"model": "model", "hardware": "hardware", "device": "hardware", "chip": "hardware", "dtype": "dtype", "precision": "dtype",
          "模型": "model", "硬件": "hardware", "芯片": "hardware", "精度": "dtype"}


def from_front_matter(fields: Mapping[str, str]) -> Subject:
    """The conditions that a front matter states."""
    said = {_FRONT[name.lower()]: value for name, value in fields.items() if name.lower() in _FRONT}
    devices = next((fields[name] for name in ("devices", "tp", "卡数") if name in fields), "")
    accepted = fields.get("accepted_tokens", "")
    return Subject(said.get("model"), said.get("hardware"), said.get("dtype"), int(devices) if devices.isdigit() else None,
                   float(accepted) if re.fullmatch(r"\d{1,3}(\.\d+)?", accepted) else None)


def from_prose(text: str) -> Subject:
    """The model, chip, dtype and devices that the text names most often, and the shortcuts; None for each that it does not name, or not clearly."""
    models = Counter(mention.architecture.name for mention in find_models(text))
    names = {mention.architecture.name: mention.text for mention in reversed(find_models(text))}
    model = models.most_common(1)[0][0] if models else None
    counts = Counter(int(found) for groups in _DEVICES.findall(text) for found in groups if found and int(found))
    devices = 1 if _ONE_DEVICE.search(text) else counts.most_common(1)[0][0] if counts else None
    return Subject(names[model] if model else None, _chip(text), _dtype(text), devices, ACCEPTED_AT_MOST if named(SPECULATION, text) else None,
                   True if named(PREFIX_CACHE, text) else None)


def _chip(text: str) -> str | None:
    """The only chip of the text, or the one that more than half of the mentions are of: next to others, none may be accused in another's place."""
    chips = find_chips(text)
    if len(chips) < 2:
        return chips[0].name if chips else None
    lines = islice(filter(_MAY_NAME_CHIP.search, text.splitlines()), _MOST_LINES)
    mentions = Counter(chip.name for line in lines for chip in find_chips(line))
    name, count = mentions.most_common(1)[0] if mentions else ("", 0)
    return name if count > _CLEAR_MAJORITY * sum(mentions.values()) else None


def _dtype(text: str) -> str | None:
    words = Counter(_SAME.get(word.lower(), word.lower()) for groups in _DTYPES.findall(text) for word in groups if word)
    if not words:
        return None
    name, count = words.most_common(1)[0]
    return name if count > _CLEAR_MAJORITY * sum(words.values()) else None


def first_said(*subjects: Subject) -> tuple[Subject, Sequence[str]]:
    """Each condition from the first subject that has it, and the names of those that only the last one has."""
    chosen: dict[str, object] = {}
    inferred = []
    for name in ("model", "hardware", "dtype", "devices", "accepted_tokens", "cached_prefix"):
        for place, subject in enumerate(subjects):
            if (value := getattr(subject, name)) is not None:
                chosen[name] = value
                if place == len(subjects) - 1:
                    inferred.append(name)
                break
    return replace(Subject(), **chosen), inferred  # type: ignore[arg-type]


_INFERRED: Mapping[str, Message] = {"model": say("model"), "hardware": say("hardware"), "dtype": say("dtype"), "devices": say("devices")}
_SHORTCUTS: Mapping[str, Message] = {
    "accepted_tokens": say("speculative decoding, which the text names: up to {count} tokens per step", count=f"{ACCEPTED_AT_MOST:.0f}"),
    "cached_prefix": say("prompts from a prefix cache, which the text names")}


def inferred_messages(subject: Subject, names: Sequence[str]) -> tuple[Message, ...]:
    """What was taken from the text's words, to be said."""
    said = [say("{what} {value}, as the text says", what=_INFERRED[name], value=getattr(subject, name)) for name in names if name in _INFERRED]
    return (*said, *(_SHORTCUTS[name] for name in names if name in _SHORTCUTS))
