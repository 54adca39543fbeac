"""Prompts have exactly the tokens that were asked for, and no two of them begin alike unless they should."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, NotReadyError
from touchstone.load_plan import Length, Load, Workload
from touchstone.measure.load.datasets import Conversation, Dataset, Exchange
from touchstone.measure.load.prompts import Prompter, TokenizerFile, Words, learn_words, probed_words, prompts, synthesize
from touchstone.measure.load.schedule import plan_schedule
from touchstone.measure.load.traces import BLOCK_TOKENS, Trace, read_trace
from touchstone.plan import ChatMessage

TRACES = Path(__file__).parents[2] / "data" / "traces"
WORDS = Words(("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"), lead=" ")


class WordTokenizer:
    """One token per word; ``long`` words cost two, and neighbours in ``merged`` are one together."""

    def __init__(self, long=(), merged=()):
        self.long, self.merged, self.asked = set(long), set(merged), 0

    def encode(self, text):
        said = text.split()
        count = sum(2 if word in self.long else 1 for word in said) - sum(pair in self.merged for pair in itertools.pairwise(said))
        return [0] * count

    def counts(self, texts):
        self.asked += len(texts)
        return [len(self.encode(text)) for text in texts]


@pytest.fixture(scope="module")
def tokenizer(tiny):
    pytest.importorskip("tokenizers")
    return TokenizerFile(tiny)


@pytest.fixture(scope="module")
def learned(tokenizer):
    return learn_words(tokenizer)


def texts_of(schedule, workload, key="run/0", words=WORDS, source=None):
    return [" ".join(message.content.strip() for message in said) for said in prompts(schedule, workload, Prompter(words), key, source)]


def planned(workload, count, load=None, source=None):
    return plan_schedule(workload, load or Load(concurrency=4), count, None, 0, source=source)


# ── words ──


def test_the_words_of_a_real_tokenizer_cost_one_token_each_and_add_up(tokenizer, learned):
    assert learned.additive
    assert len(learned.words) == 128
    for word in learned.words:
        assert len(tokenizer.encode(learned.lead + word)) == 1
        assert len(tokenizer.encode(f"{learned.lead}{word} {word}")) == 2


def test_words_of_several_tokens_are_left_out():
    offered = [f"w{number}" for number in range(20)]
    assert set(learn_words(WordTokenizer(long=offered[:5]), offered).words) == set(offered[5:])
    with pytest.raises(EngineError, match="Only 4 of the 20"):
        learn_words(WordTokenizer(long=offered[:16]), offered)


def test_every_ordered_pair_is_tried():
    offered = [f"w{number}" for number in range(12)]
    for pair in itertools.permutations(offered, 2):
        assert not learn_words(WordTokenizer(merged=[pair]), offered).additive
    assert learn_words(WordTokenizer(), offered).additive


@settings(max_examples=60, deadline=None)
@given(tokens=st.integers(0, 3000), key=st.text(max_size=20))
def test_a_text_has_exactly_the_tokens_asked_for(tokenizer, learned, tokens, key):
    text = synthesize(tokens, key, learned)
    assert len(tokenizer.encode(text)) == tokens
    assert text == synthesize(tokens, key, learned)


def test_a_text_by_a_tokenizer_alone(tokenizer):
    assert len(tokenizer.encode(synthesize(100, "a", tokenizer))) == 100


def test_no_two_of_many_texts_begin_alike():
    made = Prompter(WORDS).texts([40] * 20_000, [f"run/{number}" for number in range(20_000)])
    assert len({" ".join(text.split()[:32]) for text in made}) == 20_000


def test_lengths_that_do_not_add_up_are_repaired():
    offered = [f"w{number}" for number in range(12)]
    merged = [(left, right) for left, right in itertools.product(offered, offered) if (left < right)]
    tokenizer = WordTokenizer(merged=merged[:20])
    words = learn_words(tokenizer, offered)
    assert not words.additive
    lengths = list(range(300))
    made = Prompter(words).texts(lengths, [f"k{length}" for length in lengths])
    assert [len(tokenizer.encode(text)) for text in made] == lengths
    assert any(len(text.split()) > length for text, length in zip(made, lengths, strict=True))


def test_a_tokenizer_that_allows_no_such_text_is_refused():
    class Even(WordTokenizer):
        def encode(self, text):
            return [0] * (2 * len(text.split()))

    hopeless = Words(WORDS.words, tokenizer=Even(), additive=False)
    with pytest.raises(EngineError, match="exactly 7 tokens"):
        synthesize(7, "a", hopeless)


def test_a_tokenizer_that_breaks_its_word_is_noticed():
    tokenizer = WordTokenizer()
    prompter = Prompter(Words(WORDS.words, tokenizer=tokenizer))
    prompter.texts([10] * 1000, [str(number) for number in range(1000)])
    assert tokenizer.asked == 16  # the first and every 64th
    tokenizer.long.update(WORDS.words)
    with pytest.raises(EngineError, match="20 tokens of a text that was built to have 10"):
        prompter.texts([10] * 64, [str(number) for number in range(64)])


def test_checks_are_spread_over_single_texts_too():
    tokenizer = WordTokenizer()
    prompter = Prompter(Words(WORDS.words, tokenizer=tokenizer))
    for number in range(640):
        prompter.texts([5], [str(number)])
    assert tokenizer.asked == 10


def test_texts_of_probed_words_begin_with_the_same_word():
    words = probed_words(WORDS.words)
    made = Prompter(words).texts([0, 1, 2, 9], list("abcd"))
    assert [len(text.split()) for text in made] == [0, 1, 2, 9]
    assert made[1] == "alpha"
    assert all(text.startswith("alpha ") for text in made[2:])


def test_a_directory_without_a_tokenizer(tmp_path):
    with pytest.raises(NotReadyError, match="no tokenizer at"):
        TokenizerFile(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    pytest.importorskip("tokenizers")
    with pytest.raises(NotReadyError, match="cannot be read"):
        TokenizerFile(tmp_path)


def test_a_tokenizer_counts_without_special_tokens_and_cuts_nothing_off(tiny, tokenizer):
    text = " the" * 5000
    assert TokenizerFile(tiny).counts([text]) == [len(tokenizer.encode(text))] == [5000]
    assert tokenizer.counts([text, " the the", ""]) == [5000, 2, 0]


# ── prompts of a schedule ──


def test_every_prompt_has_its_length_in_the_schedule(tokenizer, learned):
    workload = Workload(input_len=Length(kind="uniform", mean=60, low=20, high=100), output_len=Length(mean=5), shared_prefix_tokens=16, prefixes=3)
    schedule = planned(workload, 700)
    made = [said[0].content for said in prompts(schedule, workload, Prompter(learned), "run", None)]
    assert tokenizer.counts(made) == schedule.input_tokens.tolist()


def test_prompts_are_new_for_every_run_point_and_repeat():
    workload = Workload(input_len=Length(mean=40))
    schedule = planned(workload, 500)
    made = [text for key in ("run-a/0/0", "run-a/0/1", "run-a/1/0", "run-b/0/0") for text in texts_of(schedule, workload, key)]
    assert len({" ".join(text.split()[:32]) for text in made}) == 2000
    assert texts_of(schedule, workload, "run-a/0/0") == made[:500]


def test_shared_prefixes_are_shared_and_the_rest_is_not():
    workload = Workload(input_len=Length(mean=60), shared_prefix_tokens=20, prefixes=4)
    schedule = planned(workload, 400)
    texts = [text.split() for text in texts_of(schedule, workload)]
    begins = [tuple(text[:20]) for text in texts]
    assert len(set(begins)) == 4
    assert len(set(zip(begins, schedule.prefix.tolist(), strict=True))) == 4
    assert len({tuple(text[20:]) for text in texts}) == 400
    assert not set(begins) & {tuple(text.split()[:20]) for text in texts_of(schedule, workload, "another run")}


def test_only_the_first_turn_begins_with_the_shared_prefix():
    workload = Workload(input_len=Length(mean=40), output_len=Length(mean=3), turns=2, shared_prefix_tokens=20)
    said = list(prompts(planned(workload, 40), workload, Prompter(WORDS), "run", None))
    begins = {" ".join(messages[0].content.split()[:20]) for messages in said}
    assert len(begins) == 1
    assert not any(" ".join(messages[2].content.split()[:20]) in begins for messages in said[1::2])


def test_a_prompt_may_be_all_prefix():
    workload = Workload(input_len=Length(mean=20), shared_prefix_tokens=20)
    assert len(set(texts_of(planned(workload, 5), workload))) == 1


@pytest.mark.parametrize("count", [3, 11, 700])
def test_later_turns_send_the_conversation_so_far(tokenizer, learned, count):
    workload = Workload(input_len=Length(kind="uniform", mean=30, low=20, high=40), output_len=Length(kind="uniform", mean=9, low=4, high=14),
                        turns=3, shared_prefix_tokens=8)
    schedule = planned(workload, count)
    before = ()
    for row, said in enumerate(prompts(schedule, workload, Prompter(learned), "run", None)):
        assert [message.role for message in said] == ["user", "assistant"] * int(schedule.turn[row]) + ["user"]
        if schedule.turn[row]:
            assert said[:len(before)] == before
        assert sum(tokenizer.counts([message.content for message in said])) == schedule.input_tokens[row]
        before = said
    assert row == count - 1


def test_equal_hashes_of_a_trace_are_equal_text_and_nothing_else_is():
    trace = read_trace(TRACES / "mooncake-synthetic.jsonl")
    trace = Trace(trace.offset_ns[:60], trace.input_tokens[:60], trace.output_tokens[:60], trace.blocks[:60])
    workload = Workload(kind="trace")
    schedule = planned(workload, 120, source=trace)
    seen = {}
    for row, text in enumerate(texts_of(schedule, workload, source=trace)):
        said = text.split()
        assert len(said) == trace.input_tokens[row % 60]
        for place, block in enumerate(trace.blocks[row % 60]):
            part = tuple(said[place * BLOCK_TOKENS:(place + 1) * BLOCK_TOKENS])
            known = seen.setdefault((row // 60, block), part)
            assert known[:len(part)] == part[:len(known)]  # a block at the end of a prompt may be cut
    begins = {part[:13] for part in seen.values()}
    assert len(begins) == len(seen)  # played again, the trace is new text
    assert len({block for _, block in seen}) * 2 == len(seen)


def test_a_trace_without_hashes_shares_nothing():
    trace = Trace(np.arange(50), np.full(50, 600), np.full(50, 2), None)
    workload = Workload(kind="trace")
    assert len({text[:200] for text in texts_of(planned(workload, 50, source=trace), workload, source=trace)}) == 50


def test_what_no_block_covers_is_new_text():
    trace = Trace(np.arange(2), np.array([700, 700]), np.array([1, 1]), ((4,), (4,)))
    workload = Workload(kind="trace")
    first, second = (text.split() for text in texts_of(planned(workload, 2, source=trace), workload, source=trace))
    assert len(first) == 700
    assert first[:512] == second[:512]
    assert first[512:] != second[512:]


@pytest.mark.parametrize("tokens", [1, 511, 512, 513, 1024])
def test_a_prompt_may_be_shorter_than_its_blocks(tokens):
    trace = Trace(np.arange(1), np.array([tokens]), np.array([1]), ((4, 5, 6),))
    workload = Workload(kind="trace")
    [text] = texts_of(planned(workload, 1, source=trace), workload, source=trace)
    assert len(text.split()) == tokens


def test_recorded_conversations_are_sent_with_the_recorded_answers():
    ask, answer, more = (ChatMessage(role=role, content=text) for role, text in (("user", "a"), ("assistant", "b"), ("user", "c")))
    source = Dataset((Conversation((Exchange((ask,), "b"), Exchange((more,)))),), 0)
    workload = Workload(kind="sharegpt", turns=2)
    schedule = planned(workload, 4, source=source)
    assert list(prompts(schedule, workload, Prompter(WORDS), "run", source)) == [(ask,), (ask, answer, more)] * 2


# ── other kinds of tokenizers ──


def trained(kind):
    """A tokenizer of another family, trained in a moment: sentencepiece's BPE and Unigram, and BERT's WordPiece."""
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    chosen = random.Random(0)
    text = [" ".join(chosen.choices(words(), k=200)) + "." for _ in range(300)]
    if kind == "wordpiece":
        made, trainer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]")), trainers.WordPieceTrainer(vocab_size=1500, special_tokens=["[UNK]"])
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind == "unigram":
        made, trainer = tokenizers.Tokenizer(models.Unigram()), trainers.UnigramTrainer(vocab_size=1000, unk_token="<unk>", special_tokens=["<unk>"])
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    else:  # as Llama 2: spaces are letters like any other, and merges may cross words
        made, trainer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>")), trainers.BpeTrainer(vocab_size=1500, special_tokens=["<unk>"])
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.train_from_iterator(text, trainer)
    return made


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "sentencepiece-bpe"])
def test_lengths_are_exact_for_every_kind_of_tokenizer(tmp_path, kind):
    pytest.importorskip("tokenizers")
    trained(kind).save(str(tmp_path / "tokenizer.json"))
    tokenizer = TokenizerFile(tmp_path)
    learned = learn_words(tokenizer)
    lengths = [1, 2, 3, 17, 100, 512] * 20
    made = Prompter(learned).texts(lengths, [f"k{place}" for place in range(120)])
    assert tokenizer.counts(made) == lengths
