"""Case → batches of requests. Prompts are token ids of exact length, built from one seeded pool of real words.

The same plan and seed give the same prompts for every launch and on every side of a comparison, and a different prompt for every
sequence of a batch and every trial, so that no cache can answer for the engine.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, UsageError
from touchstone.measure.engines import Engine
from touchstone.plan import Case, Plan, Verification
from touchstone.request import Batch, Request, Sampling

_POOL_FACTOR = 8
_POOL_FLOOR = 2048
_ATTEMPTS = 64
_SEEDS = 1 << 31


class PromptPool:
    """A long row of ordinary tokens of a model's own vocabulary, from which prompts are cut."""

    def __init__(self, engine: Engine, longest: int, seed: int) -> None:
        self._vocabulary = engine.vocabulary()
        wanted = max(_POOL_FLOOR, _POOL_FACTOR * longest)
        chooser = random.Random(f"pool:{seed}")  # noqa: S311 - reproducible, not secret
        text = " ".join(chooser.choices(words(), k=wanted))
        self._tokens = [token for token in engine.encode(text, special=False) if token not in self._vocabulary.special_ids]
        if len(self._tokens) < longest + _ATTEMPTS:
            raise EngineError("The tokenizer made only {found} ordinary tokens of {words} words.", "",
                              found=len(self._tokens), words=wanted)

    def cut(self, input_tokens: int, chooser: random.Random) -> tuple[int, ...]:
        """A prompt of exactly ``input_tokens`` ids, the model's BOS counted. Raises where it is not."""
        bos = () if self._vocabulary.bos_id is None else (self._vocabulary.bos_id,)
        body = input_tokens - len(bos)
        start = chooser.randrange(len(self._tokens) - body + 1)
        prompt = (*bos, *self._tokens[start:start + body])
        special = [token for token in prompt[len(bos):] if token in self._vocabulary.special_ids]
        if len(prompt) != input_tokens or special:
            raise EngineError("A prompt of {asked} tokens came out with {got} tokens, {special} of them special.", "",
                              asked=input_tokens, got=len(prompt), special=len(special))
        return prompt


def batch_of(case: Case, index: int, pool: PromptPool, engine: Engine, seed: int) -> Batch:
    """The batch of trial ``index`` of ``case``. Raises :class:`UsageError` where its prompts cannot all differ."""
    chooser = random.Random(f"{seed}:{case.name}:{index}")  # noqa: S311 - reproducible, not secret
    if case.messages is not None:
        prompts = [tuple(engine.encode_chat(case.messages))] * case.batch_size
    else:
        prompts = _distinct(case, pool, chooser)
    sampling = Sampling(case.sampling.temperature, case.sampling.top_p, (case.sampling.seed + index) % _SEEDS)
    return Batch(tuple(
        Request(f"{case.name}/{index}/{place}", prompt, case.output_tokens, case.stop_at_eos, sampling)
        for place, prompt in enumerate(prompts)
    ))


def _distinct(case: Case, pool: PromptPool, chooser: random.Random) -> list[tuple[int, ...]]:
    assert case.input_tokens is not None
    prompts: dict[tuple[int, ...], None] = {}
    for _ in range(_ATTEMPTS * case.batch_size):
        prompts.setdefault(pool.cut(case.input_tokens, chooser))
        if len(prompts) == case.batch_size:
            return list(prompts)
    raise UsageError("Case {case}: {batch} different prompts of {tokens} tokens cannot be built.",
                     "Raise input_tokens, or lower batch_size.", case=case.name, batch=case.batch_size, tokens=case.input_tokens)


def verification_batches(verification: Verification, engine: Engine, largest_batch: int) -> list[Batch]:
    """Every prompt alone, every prompt again, then as many together as the plan ever puts into a batch."""
    def requests(label: str, prompts: Iterable[tuple[int, str]]) -> list[Request]:
        return [Request(f"verify/{place}/{label}", tuple(engine.encode(text, special=True)), verification.output_tokens)
                for place, text in prompts]

    numbered = list(enumerate(verification.prompts))
    alone = [Batch((request,)) for label in ("alone", "again") for request in requests(label, numbered)]
    together = requests("batch", numbered[:largest_batch])
    return [*alone, Batch(tuple(together))] if len(together) > 1 else alone


def longest_sequence(plan: Plan) -> int:
    """Tokens of the longest prompt plus output of ``plan`` that can be known without a tokenizer."""
    known = [(case.input_tokens or _chat_bytes(case)) + case.output_tokens for case in plan.cases]
    if plan.verification:
        known += [len(text.encode()) + plan.verification.output_tokens + 2 for text in plan.verification.prompts]
    return max(known, default=0)


def _chat_bytes(case: Case) -> int:
    """A byte-level tokenizer never makes more tokens than bytes; a template adds a few special ones per message."""
    return sum(len(message.content.encode()) + 32 for message in case.messages or ())
