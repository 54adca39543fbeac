"""From what is said of a table and of a row to the conditions that its rules need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from touchstone.claim import Subject
from touchstone.hardware import find_chip
from touchstone.judge.audit.rules.row import Setting
from touchstone.judge.limits.costs import costs_of
from touchstone.message import Message, say
from touchstone.simulate.architecture import Architecture
from touchstone.simulate.known_models import known_model
from touchstone.simulate.precision import find_precision

_WORD = re.compile(r"[A-Za-z]+\d[A-Za-z0-9]*|[48](?:bits?)?|awq|gptq", re.IGNORECASE)
"""What may begin the name of a dtype: "half" and "float" are everyday words."""
_LONGEST_NAME = 3


def dtype_of(text: str) -> str | None:
    """The dtype of the weights that ``text`` names, or None: "W8A8", "GPTQ-Int4", "Q4_K_M"."""
    words = re.findall(r"[A-Za-z0-9]+", text[:_LONGEST_TEXT])
    for place, word in enumerate(words):
        if _WORD.fullmatch(word):
            for length in range(_LONGEST_NAME, 0, -1):
                if found := find_precision("".join(words[place:place + length])):
                    return found.name
    return None


_LONGEST_TEXT = 500


@dataclass(frozen=True)
class Resolver:
    """Turns the words of a subject into models and chips, each looked up once. ``model`` is set where the caller read a config.json."""

    subject: Subject
    model: Architecture | None = None
    gigabyte_bytes: int | None = None

    @cached_property
    def architecture(self) -> Architecture | None:
        """The model that the table as a whole is about."""
        return self.model or (known_model(self.subject.model) if self.subject.model else None)

    def setting(self) -> tuple[Setting, tuple[Message, ...]]:
        """The setting of a row that says nothing of its own, and what was assumed for it."""
        subject, model = self.subject, self.architecture
        chip = find_chip(subject.hardware) if subject.hardware else None
        stated = {name for name in ("devices", "accepted_tokens", "cached_prefix") if getattr(subject, name) is not None}
        dtype = dtype_of(subject.dtype or "")
        own = model is not None and model.quantization is not None
        setting = Setting(costs_of(model, dtype) if model else None, chip, dtype, subject.devices or 1, subject.accepted_tokens or 1.0,
                          frozenset(stated | ({"dtype"} if dtype or own else set())), subject.cached_prefix, self.gigabyte_bytes, subject.lockstep)
        return setting, tuple(self._assumed(setting))

    def _assumed(self, setting: Setting) -> list[Message]:
        subject, said = self.subject, []
        if subject.model and self.architecture is None:
            said.append(say("the model {model} is not one this version knows: give --model a config.json", model=subject.model))
        if subject.hardware and setting.chip is None:
            said.append(say("the hardware {hardware} is not in the table of chips", hardware=subject.hardware))
        if subject.dtype and setting.dtype is None:
            said.append(say("the dtype {dtype} is not one this version knows", dtype=subject.dtype))
        if self.architecture is not None and setting.dtype is None:
            said.append(say("weights in the checkpoint's own dtype"))
        if setting.chip is not None and subject.devices is None:
            said.append(say("one device of {chip}", chip=setting.chip.name))
        return said


def gigabyte_of(prose: str) -> int | None:
    """Bytes in a GB of the text, where its own script divides by them; None where both readings, or neither, are found."""
    found: Mapping[int, bool] = {10**9: bool(re.search(r"/\s*(?:1e9|10\s*\*\*\s*9|1_?000_?000_?000)\b", prose)),
                                 1 << 30: bool(re.search(r"/\s*\(?\s*(?:1024\s*\*\*\s*3|2\s*\*\*\s*30|1024\s*/\s*1024\s*/\s*1024|1\s*<<\s*30)", prose))}
    certain = [size for size, seen in found.items() if seen]
    return certain[0] if len(certain) == 1 else None
