"""Case → batches of requests. Prompts are token ids of exact length, built from one seeded pool of real words.

The same plan and seed give the same prompts for every launch and on every side of a comparison, and a different prompt for every
sequence of a batch and every trial, so that no cache can answer for the engine.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, UsageError
from touchstone.measure.engines import Engine
from touchstone.plan import Case, Plan, Verification
from touchstone.request import Batch, Request, Sampling

_POOL_FACTOR = 8
_POOL_FLOOR = 2048
_COMPARED_TOKENS = 64  # prompts that differ within these differ
_SEEDS = 1 << 31
_TEMPLATE_TOKENS = 256  # some templates put a system prompt of their own in front


class PromptPool:
    """A long row of ordinary tokens of a model's own vocabulary, from which the prompts of a plan's cases are cut.

    Cases of one length share its windows out among themselves, so that no prompt comes twice in a launch.
    """

    def __init__(self, engine: Engine, cases: Sequence[Case], seed: int) -> None:
        self._vocabulary = engine.vocabulary()
        self._keeps = engine.keeps
        self._seed = seed
        self._lengths = {case.name: case.input_tokens for case in cases}
        self._windows: dict[int, list[int]] = {}
        longest = max((length or 0 for length in self._lengths.values()), default=0)
        wanted = max(_POOL_FLOOR, _POOL_FACTOR * longest)
        text = " ".join(random.Random(f"pool:{seed}").choices(words(), k=wanted))  # noqa: S311 - reproducible, not secret
        self._tokens = [token for token in engine.encode(text, special=False) if token not in self._vocabulary.special_ids]
        if len(self._tokens) < 2 * longest:
            raise EngineError("The tokenizer made only {found} ordinary tokens of {words} words.", "",
                              found=len(self._tokens), words=wanted)

    def prompts(self, case: Case, index: int) -> list[tuple[int, ...]]:
        """The prompts of trial ``index`` of ``case``, each of exactly ``case.input_tokens`` ids, the model's BOS counted.

        Warm-ups and pilots have negative indices and prompts of their own. Raises :class:`UsageError` where there are too
        few different prompts for one batch; over many trials they come round again once all have been used.
        """
        windows = self._share(case)
        if len(windows) < case.batch_size:
            raise UsageError("Case {case}: {batch} different prompts of {tokens} tokens cannot be built.",
                             "Raise input_tokens, or lower batch_size.", case=case.name, batch=case.batch_size,
                             tokens=case.input_tokens)
        turn = 2 * index if index >= 0 else -2 * index - 1
        places = range(turn * case.batch_size, (turn + 1) * case.batch_size)
        return [self._cut(windows[place % len(windows)], case.input_tokens or 0) for place in places]

    def _share(self, case: Case) -> list[int]:
        """The starts of this case's windows: every m-th of all different ones of its length, in shuffled order."""
        body = self._body(case.input_tokens or 0)
        if body not in self._windows:
            starts = list(range(len(self._tokens) - body + 1))
            random.Random(f"{self._seed}:{body}").shuffle(starts)  # noqa: S311 - reproducible, not secret
            compared = min(body, _COMPARED_TOKENS)
            self._windows[body] = list({tuple(self._tokens[start:start + compared]): start for start in starts}.values())
            self._windows[body] = self._only_kept(self._windows[body], case.input_tokens or 0)
        alike = [name for name, length in self._lengths.items() if length == case.input_tokens]
        return self._windows[body][alike.index(case.name)::len(alike)]

    def _only_kept(self, starts: list[int], input_tokens: int) -> list[int]:
        """``starts`` with those that the engine cannot be asked for replaced by some from the end.

        All others stay where they are, so that engines that take ids and engines that take text get the same prompts but for a few.
        """
        found, last = list(starts), len(starts) - 1
        place = 0
        while place <= last:
            if self._keeps(self._cut(found[place], input_tokens)):
                place += 1
            else:
                found[place] = found[last]
                last -= 1
        return found[:last + 1]

    def _body(self, input_tokens: int) -> int:
        return input_tokens - (self._vocabulary.bos_id is not None)

    def _cut(self, start: int, input_tokens: int) -> tuple[int, ...]:
        bos = () if self._vocabulary.bos_id is None else (self._vocabulary.bos_id,)
        prompt = (*bos, *self._tokens[start:start + self._body(input_tokens)])
        special = [token for token in prompt[len(bos):] if token in self._vocabulary.special_ids]
        if len(prompt) != input_tokens or special:
            raise EngineError("A prompt of {asked} tokens came out with {got} tokens, {special} of them special.", "",
                              asked=input_tokens, got=len(prompt), special=len(special))
        return prompt


def batch_of(case: Case, index: int, pool: PromptPool, engine: Engine) -> Batch:
    """The batch of trial ``index`` of ``case``. Raises :class:`UsageError` where its prompts cannot all differ."""
    if case.messages is not None:
        prompts = [tuple(engine.encode_chat(case.messages))] * case.batch_size
    else:
        prompts = pool.prompts(case, index)
    sampling = Sampling(case.sampling.temperature, case.sampling.top_p, (case.sampling.seed + index) % _SEEDS)
    return Batch(tuple(
        Request(f"{case.name}/{index}/{place}", prompt, case.output_tokens, case.stop_at_eos, sampling)
        for place, prompt in enumerate(prompts)
    ))


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
    return _TEMPLATE_TOKENS + sum(len(message.content.encode()) + 32 for message in case.messages or ())
