"""Prompts of exact length that differ from each other and are the same on every side of a comparison."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, UsageError
from touchstone.measure.engines import Vocabulary
from touchstone.measure.workloads import PromptPool, batch_of, longest_sequence, verification_batches
from touchstone.plan import Case, ChatMessage, Plan, SamplingChoice, Verification, load_plan, suite_names

BOS, END, USER, ASSISTANT = range(4)
LONGEST = 600


class WordEngine:
    """As much of an engine as building prompts needs: one token per known word, one per byte of any other."""

    def __init__(self, *, bos=True):
        self._bos = [BOS] if bos else []
        self._ids = {word: 300 + place for place, word in enumerate(words())}

    def vocabulary(self):
        return Vocabulary(1024, BOS if self._bos else None, frozenset(range(4)))

    def encode(self, text, *, special):
        ids = self._bos[:] if special else []
        for word in text.split():
            ids += [self._ids[word]] if word in self._ids else [10 + byte for byte in word.encode()]
        return ids

    def encode_chat(self, messages):
        body = [token for message in messages for token in (USER, *self.encode(message.content, special=False), END)]
        return [*self._bos, *body, ASSISTANT]

    def keeps(self, prompt):
        return True


ENGINE = WordEngine()


def pool_of(*cases, seed=0):
    return PromptPool(ENGINE, cases, seed)


def case_of(**changes):
    return Case(**{"name": "case", "input_tokens": 24, "output_tokens": 8, **changes})


def prompts_of(case, index=0, seed=0):
    return [request.prompt for request in batch_of(case, index, pool_of(case, seed=seed), ENGINE).requests]


@settings(max_examples=60, deadline=None)
@given(length=st.integers(3, LONGEST), batch=st.integers(1, 8), index=st.integers(-20, 200), seed=st.sampled_from([0, 1]))
def test_prompts_have_exactly_the_length_asked_for(length, batch, index, seed):
    case = case_of(input_tokens=length, batch_size=batch)
    made = batch_of(case, index, pool_of(case, seed=seed), ENGINE)
    prompts = [request.prompt for request in made.requests]
    assert made.size == batch
    assert {request.input_tokens for request in made.requests} == {length}
    assert {prompt[0] for prompt in prompts} == {BOS}
    assert not any(token < 4 for prompt in prompts for token in prompt[1:])
    assert len(set(prompts)) == batch


@pytest.mark.parametrize("length", [1, 2, LONGEST])
def test_without_bos_every_token_is_a_word(length):
    engine = WordEngine(bos=False)
    case = case_of(input_tokens=length)
    prompt = batch_of(case, 0, PromptPool(engine, [case], 0), engine).first.prompt
    assert len(prompt) == length
    assert min(prompt) >= 300


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_any_seed_makes_a_pool(seed):
    case = case_of(input_tokens=LONGEST)
    assert batch_of(case, 0, PromptPool(ENGINE, [case], seed), ENGINE).first.input_tokens == LONGEST


def test_the_same_seed_makes_the_same_prompts_in_another_process():
    case = case_of(batch_size=4)
    assert batch_of(case, 3, PromptPool(WordEngine(), [case], 0), WordEngine()) == batch_of(case, 3, pool_of(case), ENGINE)


def test_seed_trial_and_case_each_change_the_prompts():
    one, other = case_of(), case_of(name="other")
    pool = pool_of(one, other)
    made = [batch_of(one, 0, pool, ENGINE), batch_of(one, 1, pool, ENGINE), batch_of(other, 0, pool, ENGINE),
            batch_of(one, 0, pool_of(one, other, seed=1), ENGINE)]
    assert len({batch.first.prompt for batch in made}) == 4


def test_cases_of_one_length_share_no_prompt():
    cases = [case_of(name=f"b{size}", input_tokens=7, batch_size=size) for size in (1, 4, 8)]
    pool = pool_of(*cases)
    prompts = [request.prompt for case in cases for index in range(-8, 20) for request in batch_of(case, index, pool, ENGINE).requests]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize("case", [case_of(batch_size=8), case_of(input_tokens=7, batch_size=4), case_of(input_tokens=550)])
def test_no_prompt_comes_twice_in_a_run(case):
    # Thirty trials at most with --half-width, and twenty warm-ups before them (numbered downwards from -1).
    prompts = [prompt for index in range(-20, 30) for prompt in prompts_of(case, index)]
    assert len(set(prompts)) == len(prompts) == 50 * case.batch_size


def test_requests_carry_what_the_case_asks():
    case = case_of(batch_size=2, output_tokens=9, stop_at_eos=True, sampling=SamplingChoice(temperature=0.5, top_p=0.9, seed=7))
    made = batch_of(case, 5, pool_of(case), ENGINE)
    assert [request.id for request in made.requests] == ["case/5/0", "case/5/1"]
    assert {(request.max_output_tokens, request.stop_at_eos) for request in made.requests} == {(9, True)}
    assert {(one.sampling.temperature, one.sampling.top_p, one.sampling.seed) for one in made.requests} == {(0.5, 0.9, 12)}


@pytest.mark.parametrize("index", [-20, 0, 2**31])
def test_the_sampling_seed_stays_in_its_range(index):
    case = case_of(sampling=SamplingChoice(seed=2**31 - 1))
    assert 0 <= batch_of(case, index, pool_of(case), ENGINE).first.sampling.seed < 2**31


def test_a_batch_that_cannot_differ_is_refused():
    with pytest.raises(UsageError, match="case: 4 different prompts of 1 tokens"):
        prompts_of(case_of(input_tokens=1, batch_size=4))
    assert prompts_of(case_of(input_tokens=1)) == [(BOS,)]


def test_messages_go_through_the_chat_template():
    messages = (ChatMessage(role="user", content="the of"),)
    assert prompts_of(case_of(input_tokens=None, messages=messages, batch_size=2)) == [tuple(ENGINE.encode_chat(messages))] * 2


def test_a_tokenizer_without_ordinary_tokens_is_refused():
    class Mute(WordEngine):
        def encode(self, text, *, special):
            return [END] * len(text.split())

    with pytest.raises(EngineError, match="only 0 ordinary tokens"):
        PromptPool(Mute(), [case_of()], 0)


def test_verification_asks_alone_again_and_together():
    verification = Verification(prompts=("the of", "to in", "is that it", "was"), output_tokens=5)
    batches = verification_batches(verification, ENGINE, 3)
    ids = [[request.id for request in batch.requests] for batch in batches]
    assert ids == [*[[f"verify/{place}/{label}"] for label in ("alone", "again") for place in range(4)],
                   [f"verify/{place}/batch" for place in range(3)]]
    requests = [request for batch in batches for request in batch.requests]
    for request in requests:
        place = int(request.id.split("/")[1])
        assert request.prompt == tuple(ENGINE.encode(verification.prompts[place], special=True))
        assert (request.max_output_tokens, request.stop_at_eos, request.sampling.greedy) == (5, False, True)


@pytest.mark.parametrize(("largest", "together"), [(1, []), (2, [2]), (4, [4]), (9, [4])])
def test_the_verifying_batch_is_no_larger_than_the_plans(largest, together):
    verification = Verification(prompts=("the", "of", "and", "to"))
    assert [batch.size for batch in verification_batches(verification, ENGINE, largest)[8:]] == together


@pytest.mark.parametrize("suite", suite_names())
def test_the_longest_sequence_bounds_every_request(suite):
    plan = load_plan(suite)
    bound = longest_sequence(plan)
    batches = [batch_of(case, 0, pool_of(*plan.cases), ENGINE) for case in plan.cases]
    batches += verification_batches(plan.verification, ENGINE, 8)
    assert len(batches) > 8
    assert max(request.input_tokens + request.max_output_tokens for batch in batches for request in batch.requests) <= bound


def test_the_longest_sequence_of_known_lengths_is_exact():
    cases = (case_of(input_tokens=10, output_tokens=90), case_of(name="long", input_tokens=400, output_tokens=8))
    assert longest_sequence(Plan(name="plan", cases=cases)) == 408
    assert longest_sequence(Plan(name="plan")) == 0


def test_an_engine_that_takes_text_gets_only_prompts_that_text_can_say():
    class Even(WordEngine):
        """Its text would merge a prompt that starts with an odd id into other tokens."""

        def keeps(self, prompt):
            return prompt[1] % 2 == 0

    case = Case(name="a", input_tokens=8, output_tokens=4, batch_size=4)
    pool = PromptPool(Even(), [case], 0)
    prompts = [prompt for index in range(5) for prompt in pool.prompts(case, index)]
    assert all(prompt[1] % 2 == 0 and len(prompt) == 8 for prompt in prompts)
    assert len(set(prompts)) == 20
