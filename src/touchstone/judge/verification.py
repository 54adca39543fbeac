"""Is the engine's text something that may be measured? Looks at the verification trials, before and after a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from touchstone.message import Message, say
from touchstone.record import Phase, Record, Status, Trial

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_GARBAGE_SHARE = 1 / 3
_LEAST_TOKENS = 8


def texts(trials: Sequence[Trial]) -> Mapping[str, dict[str, Record]]:
    """Records of the verification by prompt and label: ``alone``, ``again``, ``batch``."""
    found: dict[str, dict[str, Record]] = {}
    for trial in trials:
        if trial.phase is Phase.VERIFY:
            for record in trial.records:
                _, prompt, label = record.request_id.split("/")
                found.setdefault(prompt, {})[label] = record
    return found


def problem(trials: Sequence[Trial], random_weights: bool) -> Message | None:
    """The first reason not to measure, or None. Random weights excuse nonsense, never instability or wrong tokens."""
    failed = next((trial for trial in trials if trial.status is not Status.OK), None)
    if failed is not None:
        return say("a verification prompt failed: {error}.", error=failed.error)
    found = texts(trials)
    for prompt, records in found.items():
        alone, again = records["alone"], records.get("again")
        if not alone.output_tokens:
            return say("prompt {prompt} produced no token.", prompt=prompt)
        if again is not None and again.text != alone.text:
            return say("greedy text of prompt {prompt} changed on repetition.", prompt=prompt)
        reason = _garbage(alone, random_weights)
        if reason is not None:
            return reason
    return _padding(found)


def _garbage(record: Record, random_weights: bool) -> Message | None:
    text = record.text or ""
    if (record.output_tokens or 0) >= _LEAST_TOKENS and not text.strip():
        return say("{tokens} tokens came out and no text: only padding or special tokens.", tokens=record.output_tokens)
    symbols = set(text.replace(" ", ""))
    if len(text) >= _LEAST_TOKENS and len(symbols) == 1:
        return say("the text is one symbol repeated ({text}), as broken weights or an overflow in this dtype give.", text=text[:12])
    if not random_weights and text.count(_REPLACEMENT) > _GARBAGE_SHARE * len(text):
        return say("more than a third of the text is undecodable.")
    return None


def _padding(found: Mapping[str, dict[str, Record]]) -> Message | None:
    """Inside a batch the text must start as it does alone. Late differences are rounding; early ones are padding.

    Only prompts shorter than the longest of the batch are padded, so only they can show it.
    """
    together = [records for records in found.values() if "batch" in records]
    longest = max((records["batch"].input_tokens or 0 for records in together), default=0)
    batched = [(records["alone"].text or "", records["batch"].text or "") for records in together
               if (records["batch"].input_tokens or 0) < longest]
    wrong = sum(_common_prefix(alone, inside) < min(len(alone), _LEAST_TOKENS) // 2 for alone, inside in batched)
    if batched and wrong * 2 >= len(batched):
        return say("{wrong} of {total} prompts give another text inside a batch than alone, as wrong padding does.",
                   wrong=wrong, total=len(batched))
    return None


def _common_prefix(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
