"""What a row says of itself outranks what is said of its whole table: its model, chip, dtype, devices and shortcuts.

A word that differs from row to row and is not understood takes away what is known of the row: a chip nobody tabled is not the table's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from touchstone.claim import Claim
from touchstone.hardware import Chip, find_chips
from touchstone.judge.audit.rules.row import Setting
from touchstone.judge.audit.rules.setting import dtype_of
from touchstone.judge.claims.shortcuts import ACCEPTED_AT_MOST, PREFIX_CACHE, SPECULATION, is_no, names
from touchstone.judge.limits.costs import costs_of
from touchstone.message import say
from touchstone.simulate.architecture import Architecture
from touchstone.simulate.known_models import find_models

_ANY_DEVICE = re.compile(r"\s*(?:\d+|\d* ?[*x×]? ?(?:gpu|npu|卡|张|cuda)s?[ :]?\d*|单卡|双卡)\s*", re.IGNORECASE)
_MAY_NAME_CHIP = re.compile(r"[A-Z]\d|910|950|310|300|4090|atlas|ascend|昇腾|cloudmatrix", re.IGNORECASE)
_NARROW = re.compile(r"(?<![\w.])(?:\d(?:\.\d+)?[- ]?bits?|iq[1-4]_\w+|q[1-8]_\w+|\d\.\d+ ?bpw|w\da\d+)(?!\w)", re.IGNORECASE)
"""Names of dtypes that are not in the table, and narrower than any in it."""


@dataclass(frozen=True)
class OwnConditions:
    """The conditions of the rows of one table: ``setting``, of ``architecture``, with what each of ``claims`` says of itself."""

    setting: Setting
    architecture: Architecture | None
    claims: Sequence[Claim]

    @cached_property
    def differing(self) -> frozenset[str]:
        """The words that are not the same in all rows: only there one row's word says that it is not what the others are."""
        return frozenset(key for key in ("model", "hardware", "dtype") if len({claim.words.get(key, "") for claim in self.claims}) > 1)

    def of_row(self, claim: Claim) -> Setting:
        """The setting of one row."""
        text = " ".join((claim.label, *claim.words.values()))
        if not text.strip() and "devices" not in claim.figures:
            return self.setting
        changes: dict[str, Any] = {**self._costs(claim, text), **self._chip(claim), **self._shortcuts(claim, text)}
        stated = set(self.setting.stated) | ({"dtype"} if "dtype" in changes else set())
        devices = claim.value("devices")
        if devices is not None and devices >= 1:
            changes["devices"] = int(devices)
            stated.add("devices")
        return replace(self.setting, **changes, stated=frozenset(stated)) if changes else self.setting

    def _costs(self, claim: Claim, text: str) -> dict[str, Any]:
        said, word = claim.words.get("model", ""), claim.words.get("dtype", "")
        mention = next(iter(find_models(said or claim.label)), None)
        dtype = dtype_of(word) or dtype_of(text)
        changes: dict[str, Any] = {"dtype": dtype} if dtype else {}
        model = mention.architecture if mention else self.architecture
        if mention is None and "model" in self.differing and re.search(r"\d", said) and not dtype_of(said):
            return changes | {"costs": None, "unknown": say("the model {model} is not one this version knows: give --model a config.json", model=said)}
        odd = _NARROW.search(text)
        if dtype is None and (odd or (word and "dtype" in self.differing)):
            return changes | {"costs": None, "unknown": say("the dtype {dtype} is not one this version knows", dtype=odd[0] if odd else word)}
        if model is not None and (mention or dtype):
            changes["costs"] = costs_of(model, dtype or self.setting.dtype)
        return changes

    def _chip(self, claim: Claim) -> dict[str, Any]:
        said = claim.words.get("hardware", "")
        chips = find_chips(said or claim.label) if said or _MAY_NAME_CHIP.search(claim.label) else []
        if said and not chips and "hardware" in self.differing and not _ANY_DEVICE.fullmatch(said):
            return {"chip": None, "unknown": say("the hardware {hardware} is not in the table of chips", hardware=said)}
        return {"chip": self._exactly(chips[0])} if chips and (said or len(chips) == 1) else {}

    def _exactly(self, chip: Chip) -> Chip:
        """``chip``, or the version of it that the table is known to be of."""
        known = self.setting.chip
        return known if known is not None and known.family == chip.name else chip

    def _shortcuts(self, claim: Claim, text: str) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        speculates, cached = _taken(SPECULATION, claim, text), _taken(PREFIX_CACHE, claim, text)
        if speculates is False:
            changes["accepted_tokens"] = 1.0
        elif speculates and "accepted_tokens" not in self.setting.stated:
            changes["accepted_tokens"] = ACCEPTED_AT_MOST
        if cached is not None:
            changes["cached_prefix"] = cached
        return changes


def _taken(shortcut: str, claim: Claim, text: str) -> bool | None:
    """Whether the row says that the shortcut was taken; None if it says nothing of it."""
    cell = claim.words.get(shortcut)
    return not is_no(cell) if cell is not None else names(shortcut, text) or None
